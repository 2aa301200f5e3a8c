"""In-memory chain with the contract's rules; tests can remove blocks or take its node away."""

import hashlib
import json
from typing import Any

import attrs

from actors.ports import (
    Anchored,
    Bid,
    ChainRefused,
    ChainState,
    ChainUnavailable,
    Mined,
    Signed,
)
from rendertrust.merkle import Frontier

SENDER = "0x" + "5e" * 20
CHAIN_ID = 1_000_001


@attrs.define
class ContractTwin:
    """The anchors' contract; ``roots`` by size are in the order in which they were anchored."""

    roots: dict[int, bytes] = attrs.field(factory=dict[int, bytes])

    def newest(self) -> Anchored:
        size = next(reversed(self.roots), 0)
        return Anchored(size, self.roots.get(size, Frontier().root()))

    def refusal(self, anchor: Anchored, previous: bytes) -> str | None:
        now = self.newest()
        if anchor.size <= now.size:
            return "NotLarger"
        return "OtherRoot" if previous != now.root else None


class ChainTwin:
    """A Chain port in which each transaction is a block of its own.

    Blocks are made at once, or by ``mine`` if ``mining`` is off. ``away``: every method raises
    ChainUnavailable. ``lose(n)`` removes the newest blocks, as a kill or a reorganisation does.
    ``shifted`` blocks of other senders come before the twin's blocks. ``fork`` names the history to
    which the blocks belong. ``blind``: the node knows no transaction receipts.
    """

    def __init__(self, *, private: bool = True) -> None:
        self.private, self.mining, self.away, self.blind = private, True, False, False
        self.blocks: list[dict[str, Any]] = []
        self.waiting: dict[int, bytes] = {}  # raw transactions by nonce
        self.kept = True
        self.sent = self.looks = self.shifted = self.fork = 0
        self.refusals = 0  # calls while ``away``

    def mine(self) -> None:
        """Make blocks of waiting transactions, in the order of their nonces and without gaps."""
        while (raw := self.waiting.pop(len(self.blocks), None)) is not None:
            self.blocks.append(json.loads(raw))

    def lose(self, blocks: int) -> None:
        """Remove the newest blocks and all waiting transactions."""
        del self.blocks[len(self.blocks) - blocks :]
        self.waiting.clear()

    # -- the Chain port

    async def state(self) -> ChainState:
        self._here()
        self.looks += 1
        height = len(self.blocks)
        return ChainState(CHAIN_ID, SENDER, self.shifted + height, height, self.private)

    async def bid(self, raised: int = 0) -> Bid:
        self._here()
        return Bid(10 + raised, 1)

    async def sign_deploy(self, nonce: int, bid: Bid) -> Signed:
        self._here()
        address = f"0x{nonce:040x}"
        return attrs.evolve(_signed(nonce, bid, deploy=address), contract=address)

    async def sign_anchor(
        self, contract: str, anchor: Anchored, previous: bytes, nonce: int, bid: Bid
    ) -> Signed:
        self._here()
        there = self._contracts().get(contract)
        refusal = None if there is None else there.refusal(anchor, previous)
        if refusal is not None:
            raise ChainRefused(refusal)
        said = {"size": anchor.size, "root": anchor.root.hex(), "previous": previous.hex()}
        return _signed(nonce, bid, to=contract, **said)

    async def send(self, raw: bytes) -> None:
        self._here()
        self.sent += 1
        nonce, most = json.loads(raw)["nonce"], json.loads(raw)["most"]
        if nonce < len(self.blocks):
            if _hash(raw) == _hash_of(self.blocks[nonce]):
                return
            raise ChainRefused("nonce too low")
        before = self.waiting.get(nonce)
        if before is not None and before != raw and most <= json.loads(before)["most"]:
            raise ChainRefused("replacement transaction underpriced")
        self.waiting[nonce] = raw
        if self.mining:
            self.mine()

    async def mined(self, name: str) -> Mined | None:
        self._here()
        for number, block in enumerate(self.blocks):
            if _hash_of(block) == name and not self.blind:
                named = f"block-{self.fork}-{number}-{name}"
                return Mined(self.shifted + number + 1, named, self._succeeded(number))
        return None

    async def contract_by(self, nonce: int) -> str | None:
        self._here()
        made = self.blocks[nonce].get("deploy") if nonce < len(self.blocks) else None
        return None if made is None else str(made)

    async def newest(self, contract: str) -> Anchored | None:
        self._here()
        found = self._contracts().get(contract)
        return None if found is None else found.newest()

    async def root_at(self, contract: str, size: int) -> bytes | None:
        self._here()
        found = self._contracts().get(contract)
        return None if found is None else found.roots.get(size)

    async def is_kept(self, mined: Mined) -> bool:
        self._here()
        return self.kept

    # -- helpers

    def _here(self) -> None:
        if self.away:
            self.refusals += 1
            raise ChainUnavailable("away")

    def _contracts(self, until: int | None = None) -> dict[str, ContractTwin]:
        found: dict[str, ContractTwin] = {}
        for block in self.blocks[:until]:
            if "deploy" in block:
                found[block["deploy"]] = ContractTwin()
            elif block["to"] in found and _refusal(found, block) is None:
                found[block["to"]].roots[block["size"]] = bytes.fromhex(block["root"])
        return found

    def _succeeded(self, number: int) -> bool:
        block = self.blocks[number]
        return "deploy" in block or _refusal(self._contracts(number), block) is None


def _refusal(contracts: dict[str, ContractTwin], block: dict[str, Any]) -> str | None:
    there = contracts.get(block["to"])
    anchor = Anchored(block["size"], bytes.fromhex(block["root"]))
    return None if there is None else there.refusal(anchor, bytes.fromhex(block["previous"]))


def _signed(nonce: int, bid: Bid, **said: Any) -> Signed:
    raw = json.dumps({"nonce": nonce, "most": bid.most, **said}).encode()
    return Signed(_hash(raw), raw)


def _hash(raw: bytes) -> str:
    return "0x" + hashlib.sha256(raw).hexdigest()


def _hash_of(block: dict[str, Any]) -> str:
    return _hash(json.dumps(block).encode())
