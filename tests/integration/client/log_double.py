"""Double of a gateway's log over a real socket, which tests can make lie."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rendertrust import checkpoint, epoch, merkle, note
from rendertrust.checkpoint import Checkpoint
from rendertrust.epoch import EpochLeaf
from rendertrust.leaf import side_of
from tests.support.leaves import SALTS, leaf, private_of
from tests.support.merkle_proofs import consistency_proof, inclusion_proof
from tests.twins.signer import signing_key

ORIGIN = "farm.example/log"
CONTRACT = "0x" + "ab" * 20
TIME = datetime(2026, 3, 13, 12, tzinfo=UTC)


class LogDouble:
    """A log with these ``leaves`` and ``keys``; ``tamper`` changes answers on their way."""

    def __init__(self, leaves: int = 5) -> None:
        self.leaves = [leaf(number + 1) for number in range(leaves)]
        self.keys: list[Ed25519PrivateKey] = [signing_key(1)]
        self.origin = ORIGIN
        # Leaves and keys that proofs use instead of the current leaves and keys, as after an older
        # anchor.
        self.older: tuple[list[bytes], list[Ed25519PrivateKey]] | None = None
        self.instead: dict[int, int] = {}  # by entry: another entry, whose proof is sent
        self.tamper: dict[str, Any] = {}
        # callbacks that run before a checkpoint is sent
        self.meanwhile: list[Callable[[], None]] = []
        self.server: TestServer | None = None

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.post("/api/v1/auth/login", self._log_in),
                web.get("/api/v1/ledger/checkpoint", self._checkpoint),
                web.get("/api/v1/ledger/consistency", self._consistency),
                web.get("/api/v1/ledger/epochs", self._epochs),
                web.get("/api/v1/ledger/{entry}/proof", self._proof),
            ]
        )
        return app

    @property
    def url(self) -> str:
        assert self.server is not None
        return str(self.server.make_url("")).rstrip("/")

    def grow(self, leaves: int) -> None:
        start = len(self.leaves)
        self.leaves += [leaf(number + 1) for number in range(start, start + leaves)]

    def restore(self, kept: int, *, anchored: int | None = None) -> None:
        """Begin an epoch on a backup of ``kept`` leaves; the chain had ``anchored``
        leaves or all.
        """
        seen = self.leaves[:anchored]
        number, root = epoch.split(self.origin)[1] + 1, merkle.root(seen)
        begins = EpochLeaf(number, TIME, self.origin, 7, CONTRACT, len(seen), root)
        self.leaves = [*self.leaves[:kept], begins.canonical]
        self.origin = epoch.origin_of(begins)

    @property
    def signed(self) -> str:
        return self._signed(self.leaves, self.keys)

    @property
    def verifier(self) -> str:
        return str(note.verifier_of(self.origin, self.keys[0]))

    def _signed(self, leaves: list[bytes], keys: list[Ed25519PrivateKey]) -> str:
        root = merkle.root(leaves)
        return checkpoint.sign(Checkpoint(self.origin, len(leaves), root, TIME), *keys)

    async def _log_in(self, _: web.Request) -> web.Response:
        return web.json_response({"access_token": "a", "refresh_token": "b"})

    async def _checkpoint(self, _: web.Request) -> web.Response:
        answer = self._answer(
            origin=self.origin,
            size=len(self.leaves),
            root=merkle.root(self.leaves).hex(),
            time="2026-03-13T12:00:00Z",
            checkpoint=self.signed,
            verifier=self.verifier,
            verifiers=[self.verifier],
            anchor=None,
        )
        if self.meanwhile:
            self.meanwhile.pop()()
        return answer

    async def _consistency(self, request: web.Request) -> web.Response:
        m, n = int(request.query["from"]), int(request.query["to"])
        if n > len(self.leaves):
            return web.json_response({"detail": "to: is too large"}, status=422)
        return self._answer(
            from_size=m,
            from_root=merkle.root(self.leaves[:m]).hex(),
            to_size=n,
            to_root=merkle.root(self.leaves[:n]).hex(),
            proof_hashes=[p.hex() for p in consistency_proof(self.leaves, m, n)],
        )

    async def _epochs(self, request: web.Request) -> web.Response:
        size = int(request.query["size"])
        if size > len(self.leaves):
            return web.json_response({"detail": "size: is too large"}, status=422)
        part = self.leaves[:size]
        begun = [n for n, one in enumerate(part) if one.startswith(b"rendertrust-epoch-v1")]
        shown = [
            {
                "leaf": part[n].decode(),
                "leaf_index": n,
                "proof_hashes": [p.hex() for p in inclusion_proof(part, n)],
            }
            for n in begun
        ]
        return self._answer(epochs=shown, tree_size=len(part), merkle_root=merkle.root(part).hex())

    async def _proof(self, request: web.Request) -> web.Response:
        asked = int(request.match_info["entry"])
        entry = self.instead.get(asked, asked)
        transfer, side = side_of(entry)
        (leaves, keys), index = self.older or (self.leaves, self.keys), transfer - 1
        size = len(leaves)
        opening = {"salt": SALTS[side].hex(), "private": private_of(side).decode()}
        ranges = merkle.inclusion_ranges(index, size)
        return self._answer(
            entry_id=entry,
            side=side,
            merkle_root=merkle.root(leaves).hex(),
            proof_hashes=[part.hex() for part in inclusion_proof(leaves, index)],
            directions=["right" if start > index else "left" for start, _ in ranges],
            anchor_tx_hash=None,
            block_number=None,
            chain_id=None,
            contract=None,
            anchor=None,
            leaf=leaves[index].decode(),
            leaf_hash=merkle.leaf_hash(leaves[index]).hex(),
            leaf_index=index,
            tree_size=size,
            checkpoint=self._signed(leaves, keys),
            verifier=str(note.verifier_of(self.origin, keys[0])),
            opening=opening if request.query.get("opening") == "true" else None,
        )

    def _answer(self, **members: Any) -> web.Response:
        changed = {name: value for name, value in self.tamper.items() if name in members}
        return web.json_response({**members, **changed})
