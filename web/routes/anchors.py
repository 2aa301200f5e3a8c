"""Anchors: roots of the log on a chain, and checks of entries against them."""

from datetime import datetime
from typing import Annotated, Literal

import attrs
from msgspec import Meta

from actors.ports import ChainRefused, ChainUnavailable
from rendertrust import merkle
from rendertrust.api.refusal_code import RefusalCode
from sql.anchors import AnchorRow, CoveringAnchor
from sql.log import leaf_text
from sql.proofs import LeafPosition, OwnEntry
from web.gateway import Gateway
from web.http.operations import Call, Operations, Scope
from web.http.problem import Problem, unavailable
from web.http.responses import from_row
from web.openapi.examples import log as examples
from web.routes.ledger import ENTRY_NOT_FOUND, EntryWord, Hash, LogPosition, position_of

operations = Operations()
AWAY = unavailable(
    "The chain does not answer; try again", retry_after=5, code=RefusalCode.CHAIN_UNAVAILABLE
)
State = Literal["pending", "confirmed", "failed"]
NOT_YET = "no confirmed anchor covers the entry yet"
NOT_FINAL = (
    "the anchor is not final: the chain dropped its block; the gateway is waiting for it again"
)
ALTERED = "the entry does not match its leaf: it was altered"
DISABLED = "this gateway anchors nothing: no chain is configured"


@attrs.frozen
class ListedAnchor:
    """The root of a checkpoint on a chain; ``confirmed`` when its block has enough blocks above."""

    size: int
    merkle_root: Hash
    tx_hash: str
    block_number: int | None
    contract: str
    chain_id: int
    state: State
    error: str | None
    created_at: datetime
    confirmed_at: datetime | None


@attrs.frozen
class AnchorList:
    """A page of anchors, newest first; ``count`` is the number of all anchors in the period."""

    anchors: list[ListedAnchor]
    count: int
    page: int
    per_page: int


@attrs.frozen
class AnchorPage:
    page: Annotated[int, Meta(ge=1, le=10_000_000)] = 1
    per_page: Annotated[int, Meta(ge=1, le=100)] = 20
    since: datetime | None = None


@attrs.frozen
class Verification:
    """The result of checking an entry, as stored now, against the chain, as it is now.

    ``verified`` is false with a ``reason`` if anything differs, or if no final anchor covers the
    entry. ``private``: the gateway runs the chain itself, so the chain proves nothing to outsiders.
    """

    verified: bool
    entry_id: int
    merkle_root: Hash
    on_chain_root: Hash | None
    block_number: int | None
    tx_hash: str | None
    reason: str | None
    state: Literal["disabled", "pending", "confirmed"]
    chain_id: int | None
    contract: str | None
    private: bool | None


@operations.get(
    "/api/v1/ledger/anchors",
    scope=Scope.CREDITS_READ,
    example=examples.ANCHORS,
)
async def anchors(call: Call[None, AnchorPage]) -> AnchorList:
    """List the anchors of the log, newest first."""
    asked, kept = call.query, call.gateway.tables.anchors
    rows = await kept.page(asked.since, asked.per_page, (asked.page - 1) * asked.per_page)
    count = await kept.count(asked.since)
    return AnchorList([listed(row) for row in rows], count, asked.page, asked.per_page)


@operations.get(
    "/api/v1/ledger/{entry_id}/verify",
    scope=Scope.CREDITS_READ,
    words=EntryWord,
    absent=ENTRY_NOT_FOUND,
    example=examples.VERIFICATION,
)
async def verify(call: Call) -> Verification | Problem:
    """Check one of your entries, as it is stored now, against the root on the chain."""
    position = await position_of(call)
    if isinstance(position, Problem):
        return position
    return await held_against_chain(call.gateway, position)


async def held_against_chain(gateway: Gateway, position: LogPosition) -> Verification | Problem:
    """Check an entry against the chain, both as they are now."""
    covering = position.covering
    if gateway.ports.chain is None or covering is None:
        return _not_anchored(gateway, position)
    try:
        state = await gateway.ports.chain.state()
        if state.chain_id != covering.chain_id:
            return _not_anchored(gateway, position, _elsewhere(covering, state.chain_id))
        on_chain = await gateway.ports.chain.root_at(covering.contract, covering.signed.size)
        mined = await gateway.ports.chain.mined(covering.hash)
    except (ChainUnavailable, ChainRefused):
        return AWAY
    # Another root on the chain is reported even if the anchor is not final.
    contradicted = on_chain not in (None, covering.signed.root)
    if not contradicted and (mined is None or not mined.is_still_at(*covering.block)):
        return _not_anchored(gateway, position, NOT_FINAL)
    reason = await difference(gateway, position.own, position.place, covering, on_chain)
    return Verification(
        verified=reason is None,
        entry_id=position.own.entry_id,
        merkle_root=covering.signed.root.hex(),
        on_chain_root=None if on_chain is None else on_chain.hex(),
        block_number=covering.block_number,
        tx_hash=covering.hash,
        reason=reason,
        state="confirmed",
        chain_id=covering.chain_id,
        contract=covering.contract,
        private=state.private,
    )


async def difference(
    gateway: Gateway,
    own: OwnEntry,
    place: LeafPosition,
    covering: CoveringAnchor,
    on_chain: bytes | None,
) -> str | None:
    """Return how the transfer or the chain differs from the anchored state; None if nothing
    differs.
    """
    signed = covering.signed
    if _is_altered(own, place):
        return ALTERED
    proof = await gateway.tables.proofs.inclusion(place.leaf_index, signed.size)
    arguments = (place.hash, place.leaf_index, signed.size, proof, signed.root)
    if not merkle.verify_inclusion(*arguments):
        return "the leaf does not lead to the anchored root: the log was altered"
    if on_chain is None:
        return "the chain has no root for the anchored checkpoint"
    return None if on_chain == signed.root else "the chain has another root"


def _is_altered(own: OwnEntry, place: LeafPosition) -> bool:
    return merkle.leaf_hash(leaf_text(own.transfer, place.salts)) != place.hash


def _elsewhere(covering: CoveringAnchor, now: int) -> str:
    there = f"the anchor that covers the entry is on chain {covering.chain_id}"
    here = f"this gateway anchors on chain {now} now"
    return f"{there}, and {here}: verify the proof against that chain, or wait for the next anchor"


def _not_anchored(gateway: Gateway, position: LogPosition, why: str = NOT_YET) -> Verification:
    """Return the result without a final anchor; an altered entry is reported even then."""
    disabled = gateway.ports.chain is None
    if _is_altered(position.own, position.place):
        why = ALTERED
    elif disabled:
        why = DISABLED
    return Verification(
        verified=False,
        entry_id=position.own.entry_id,
        merkle_root=position.signed.root.hex(),
        on_chain_root=None,
        block_number=None,
        tx_hash=None,
        reason=why,
        state="disabled" if disabled else "pending",
        chain_id=None,
        contract=None,
        private=None,
    )


def listed(row: AnchorRow) -> ListedAnchor:
    states: dict[str, State] = {"PENDING": "pending", "CONFIRMED": "confirmed", "FAILED": "failed"}
    return from_row(
        ListedAnchor, row, merkle_root=row.root.hex(), tx_hash=row.hash, state=states[row.state]
    )
