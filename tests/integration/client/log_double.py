"""A gateway's log over a real socket, which tests can make lie."""

from datetime import UTC, datetime
from typing import Any, Self

from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rendertrust import checkpoint, merkle, note
from rendertrust.checkpoint import Checkpoint
from rendertrust.leaf import Leaf, PrivatePart
from tests.twins.signer import signing_key

ORIGIN = "farm.example/log"
SALT = bytes(range(32))
PRIVATE = PrivatePart("user:jane", 1, 0, 5, "a", "b")
TIME = datetime(2026, 3, 13, 12, tzinfo=UTC)


def leaf(number: int) -> bytes:
    return Leaf(number + 1, TIME, "USAGE", -5, PRIVATE.digest(SALT)).canonical


class LogDouble:
    """``leaves`` and ``keys`` are what it says now; ``tamper`` changes an answer on its way."""

    def __init__(self, leaves: int = 5) -> None:
        self.leaves = [leaf(number) for number in range(leaves)]
        self.keys: list[Ed25519PrivateKey] = [signing_key(1)]
        self.tamper: dict[str, Any] = {}
        self.server: TestServer | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.add_routes(
            [
                web.post("/api/v1/auth/login", self._log_in),
                web.get("/api/v1/ledger/checkpoint", self._checkpoint),
                web.get("/api/v1/ledger/consistency", self._consistency),
                web.get("/api/v1/ledger/{entry}/proof", self._proof),
            ]
        )
        self.server = TestServer(app)
        await self.server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.server is not None
        await self.server.close()

    @property
    def url(self) -> str:
        assert self.server is not None
        return str(self.server.make_url("")).rstrip("/")

    def grow(self, leaves: int) -> None:
        start = len(self.leaves)
        self.leaves += [leaf(number) for number in range(start, start + leaves)]

    @property
    def signed(self) -> str:
        root = merkle.root(self.leaves)
        return checkpoint.sign(Checkpoint(ORIGIN, len(self.leaves), root, TIME), *self.keys)

    @property
    def verifier(self) -> str:
        return str(note.verifier_of(ORIGIN, self.keys[0]))

    async def _log_in(self, _: web.Request) -> web.Response:
        return web.json_response({"access_token": "a", "refresh_token": "b"})

    async def _checkpoint(self, _: web.Request) -> web.Response:
        return self._answer(
            origin=ORIGIN,
            size=len(self.leaves),
            root=merkle.root(self.leaves).hex(),
            time="2026-03-13T12:00:00Z",
            checkpoint=self.signed,
            verifier=self.verifier,
        )

    async def _consistency(self, request: web.Request) -> web.Response:
        m, n = int(request.query["from"]), int(request.query["to"])
        if n > len(self.leaves):
            return web.json_response({"detail": "to: is too large"}, status=422)
        return self._answer(
            from_size=m,
            from_root=merkle.root(self.leaves[:m]).hex(),
            to_size=n,
            to_root=merkle.root(self.leaves[:n]).hex(),
            proof_hashes=[p.hex() for p in merkle.consistency_proof(self.leaves, m, n)],
        )

    async def _proof(self, request: web.Request) -> web.Response:
        entry = int(request.match_info["entry"])
        index, size = entry - 1, len(self.leaves)
        opening = {"salt": SALT.hex(), "private": PRIVATE.canonical.decode()}
        ranges = merkle.inclusion_ranges(index, size)
        return self._answer(
            entry_id=entry,
            merkle_root=merkle.root(self.leaves).hex(),
            proof_hashes=[part.hex() for part in merkle.inclusion_proof(self.leaves, index)],
            directions=["right" if start > index else "left" for start, _ in ranges],
            anchor_tx_hash=None,
            block_number=None,
            leaf=self.leaves[index].decode(),
            leaf_hash=merkle.leaf_hash(self.leaves[index]).hex(),
            leaf_index=index,
            tree_size=size,
            checkpoint=self.signed,
            verifier=self.verifier,
            opening=opening if request.query.get("opening") == "true" else None,
        )

    def _answer(self, **members: Any) -> web.Response:
        changed = {name: value for name, value in self.tamper.items() if name in members}
        return web.json_response({**members, **changed})
