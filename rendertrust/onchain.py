"""Look up a proof's anchor on a chain over JSON-RPC, without a library for chains.

    found = await anchored("https://…", proof, contract="0x…")
    verdict = verify(proof, chain=found)

The caller chooses the chain's node; the node's responses are untrusted. Without ``contract``, the
contract that the proof names is asked. Compare that contract with the contract that the gateway
publishes.
"""

import re
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs
import orjson

from rendertrust import json_values
from rendertrust.anchor_note import claims

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import aiohttp

T = TypeVar("T")

SECONDS: Final = 20.0
BYTES_MAX: Final = 1 << 20
# Blocks until an anchor is final, if the chain's node reports no finalized block.
CONFIRMATIONS: Final = 12
PRIVATE_CONFIRMATIONS: Final = 1  # a development node creates a block only on demand
ROOT_AT: Final = "0xeaa38b41"  # selector of rootAt(uint64)
SIZE: Final = "0x949d225d"  # selector of size(): leaves of the newest anchor
# Topic of the event Anchored(uint64,bytes32,bytes32).
ANCHORED: Final = "0xba6fa5dea6400fd3f16d05cd937a297f64cef648be1045ecd472456d19d0e3f7"
_WORD: Final = re.compile(r"0x[0-9a-fA-F]{64}")
_QUANTITY: Final = re.compile(r"0x[0-9a-fA-F]{1,16}")
# Development nodes of Ethereum, whose owner can create blocks at will.
PRIVATE_NODES: Final = ("anvil", "hardhat", "ganache", "testrpc", "ethereumjs")


@attrs.frozen
class ChainUnknown:
    """The reason why the chain's state is unknown.

    ``harmless``: no fault, nothing is anchored yet.
    """

    reason: str
    harmless: bool = False


NOT_YET: Final = ChainUnknown(
    "the checkpoint is not anchored yet: no chain confirms it", harmless=True
)


@attrs.frozen
class OnChain:
    """A contract's root at the proof's size, as the chain's node reports it.

    ``block``: the chain's newest block. ``mined``: block of the anchor's transaction. ``named``:
    the caller named the contract. ``final``: the anchor's block is final, by the node's report or
    by the blocks on top; None if unknown. ``fault`` describes a fault of the anchor, if any.
    """

    chain_id: int
    block: int
    private: bool
    contract: str
    named: bool
    root: bytes | None = None
    mined: int | None = None
    final: bool | None = None
    fault: str | None = None

    @property
    def is_outside(self) -> bool:
        """Return True if this is final evidence from outside the gateway.

        The caller must have named the contract, because a contract that only the proof names may be
        anybody's.
        """
        return self.named and not self.private and self.final is True


@attrs.frozen
class _Claim:
    """Statements of a proof about its anchor, which are compared with the chain."""

    transaction: str
    block: int
    chain_id: int
    contract: str


class _NoAnswer(Exception):
    """The chain's node gave no usable answer; the text says why."""


async def anchored(
    url: str,
    document: object,
    *,
    contract: str | None = None,
    seconds: float = SECONDS,
    confirmations: int | None = None,
) -> OnChain | ChainUnknown:
    """Ask the chain at ``url`` about the anchor of a proof. Never raises.

    An anchor is final at or below the block that the chain's node reports as finalized. If the node
    reports no finalized block, an anchor is final after ``confirmations`` blocks (default 12),
    which count the anchor's own block. On a development chain only ``confirmations`` counts, and
    the default is 1.
    """
    named = None if contract is None else json_values.address(contract)
    if contract is not None and named is None:
        return ChainUnknown(f"{contract!r} is not a contract address")
    proof = json_values.members(document)
    claim = _claim_of(proof)
    if isinstance(claim, ChainUnknown):
        return claim
    where = claim.contract if named is None and claim is not None else named
    if where is None:
        return NOT_YET

    async def ask(node: _Node) -> OnChain | ChainUnknown:
        here = await _here(node, where, named=named is not None)
        settled = await _settled(node, here, confirmations)
        found = await _found(node, proof, here, claim, settled)
        return NOT_YET if claim is None and found.root is None else found

    return await _asked(url, seconds, ask)


async def newest(url: str, contract: str) -> int | ChainUnknown:
    """Return the size of the newest anchor in ``contract``; 0 before the first. Never raises."""

    async def ask(node: _Node) -> int:
        found = await node.ask("eth_call", {"to": contract, "data": SIZE}, "latest")
        size = int(found, 16) if isinstance(found, str) and _WORD.fullmatch(found) else None
        if json_values.size(size) is None:
            raise _NoAnswer("the contract has no size()")
        return int(found, 16)

    return await _asked(url, SECONDS, ask)


async def _asked(
    url: str, seconds: float, ask: "Callable[[_Node], Awaitable[T]]"
) -> "T | ChainUnknown":
    """Run ``ask`` against a chain's node within a deadline.

    A ChainUnknown says why ``ask`` failed.
    """
    import asyncio  # noqa: PLC0415

    import aiohttp  # noqa: PLC0415 - imported only to ask a chain

    try:
        async with asyncio.timeout(seconds), aiohttp.ClientSession() as http:
            return await ask(_Node(http, url))
    except _NoAnswer as error:
        return ChainUnknown(str(error))
    except TimeoutError:
        return ChainUnknown(f"the chain's node does not answer within {seconds:g} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return ChainUnknown(f"the chain's node does not answer: {type(error).__name__}")


class _Node:
    """JSON-RPC client of a chain's node."""

    def __init__(self, http: "aiohttp.ClientSession", url: str) -> None:
        self._http, self._url = http, url

    async def ask(self, method: str, *params: object) -> Any:
        """Call a method and return its result. Raises _NoAnswer."""
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self._http.post(self._url, json=call, allow_redirects=False) as answer:
            raw = await answer.content.read(BYTES_MAX + 1)
            while len(raw) <= BYTES_MAX and (more := await answer.content.read(BYTES_MAX)):
                raw += more
        try:
            found = orjson.loads(raw) if len(raw) <= BYTES_MAX else None
        except ValueError:
            found = None
        if not isinstance(found, dict) or found.get("error") or "result" not in found:
            why = json_values.members(json_values.members(found).get("error")).get("message")
            told = f": {str(why)[:200]}" if isinstance(why, str) else ""
            raise _NoAnswer(f"the chain's node does not answer {method}{told}")
        return found["result"]

    async def number(self, method: str, *params: object) -> int:
        """Call a method and return its result as a number. Raises _NoAnswer."""
        return _number(await self.ask(method, *params), method)


def _claim_of(proof: json_values.Document) -> "_Claim | ChainUnknown | None":
    """Return what the proof says about its anchor; None if the proof names no anchor."""
    found = claims(proof)
    if found is None:
        return None
    if isinstance(found, str):
        return ChainUnknown(found)
    transaction, block, chain_id, contract = found
    return _Claim(transaction.lower(), block, chain_id, contract.lower())


async def _here(node: _Node, contract: str, *, named: bool) -> OnChain:
    chain_id = await node.number("eth_chainId")
    block = await node.number("eth_blockNumber")
    version = str(await node.ask("web3_clientVersion")).lower()
    private = any(word in version for word in PRIVATE_NODES)
    return OnChain(chain_id, block, private, contract, named)


async def _found(
    node: _Node, proof: json_values.Document, here: OnChain, claim: _Claim | None, settled: int
) -> OnChain:
    size = json_values.size(proof.get("tree_size"))
    root = json_values.sha256(proof.get("merkle_root"))
    if size is None or root is None:
        return attrs.evolve(here, fault="the proof has no tree_size and merkle_root")
    if claim is not None:
        if claim.chain_id != here.chain_id:
            said = f"the proof is anchored on chain {claim.chain_id}, not here"
            return attrs.evolve(here, fault=said)
        if claim.contract != here.contract:
            said = f"the proof names {claim.contract}, not {here.contract}"
            return attrs.evolve(here, fault=said)
        fault = await _transaction(node, claim, size, root)
        here = attrs.evolve(here, mined=claim.block, final=claim.block <= settled, fault=fault)
    there = await _root_at(node, here.contract, size)
    if claim is None and there is not None:
        here = attrs.evolve(here, final=await _was_there(node, here, size, there, settled))
    return attrs.evolve(here, root=there)


async def _transaction(node: _Node, claim: _Claim, size: int, root: bytes) -> str | None:
    """Return a text on the fault of the transaction that a proof names; None for a valid anchor.

    The transaction's event is read, because only some nodes keep the state of old blocks.
    """
    found = await node.ask("eth_getTransactionReceipt", claim.transaction)
    if found is None:
        return f"the chain does not know the transaction {claim.transaction}"
    receipt = json_values.members(found)
    to, block = (
        json_values.address(receipt.get("to")),
        _number(receipt.get("blockNumber"), "a receipt"),
    )
    if receipt.get("status") != "0x1":
        return "the contract refused the anchor's transaction"
    if block != claim.block:
        return f"the anchor's transaction is in block {block}, not in block {claim.block}"
    if to != claim.contract:
        what = "one that made a contract" if to is None else f"one to {to}"
        return f"the anchor's transaction is {what}, not to {claim.contract}"
    wanted = [ANCHORED, f"0x{size:064x}"], root.hex()
    if wanted not in [_event(log, claim.contract) for log in _listed(receipt.get("logs"))]:
        return f"the anchor's transaction did not anchor this root at {size} leaves"
    return None


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _event(log: object, contract: str) -> tuple[list[str], str | None]:
    """Return an event's topics and the first 32 bytes of its data.

    ([], None) for other contracts.
    """
    found = json_values.members(log)
    if json_values.address(found.get("address")) != contract:
        return [], None
    data = str(found.get("data")).lower()
    return [str(topic).lower() for topic in _listed(found.get("topics"))], data[2:66]


async def _settled(node: _Node, here: OnChain, confirmations: int | None) -> int:
    """Return the number of the newest final block."""
    if here.private:
        return here.block - max(confirmations or PRIVATE_CONFIRMATIONS, 1) + 1
    try:
        found = await node.ask("eth_getBlockByNumber", "finalized", False)
        return _number(json_values.members(found).get("number"), "a block")
    except _NoAnswer:
        return here.block - max(confirmations or CONFIRMATIONS, 1) + 1


async def _was_there(
    node: _Node, here: OnChain, size: int, root: bytes, settled: int
) -> bool | None:
    """Return True if the contract had the root at the newest final block.

    Return None if the chain's node does not answer for that block.
    """
    if settled < 0:
        return False
    try:
        return await _root_at(node, here.contract, size, at=hex(settled)) == root
    except _NoAnswer:
        return None


async def _root_at(node: _Node, contract: str, size: int, *, at: str = "latest") -> bytes | None:
    call = {"to": contract, "data": f"{ROOT_AT}{size:064x}"}
    found = await node.ask("eth_call", call, at)
    root = json_values.sha256(found[2:].lower()) if isinstance(found, str) else None
    return root if root is not None and any(root) else None


def _number(value: object, what: str) -> int:
    found = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise _NoAnswer(f"the chain's node does not return a number for {what}")
    return int(found[0], 0)
