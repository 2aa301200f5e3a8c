"""The log of all transfers: inclusion and consistency proofs."""

from typing import Annotated, Any
from uuid import UUID

import attrs
from msgspec import Meta

from actors.sequencer.messages import CheckpointReady, RequestCheckpoint, Sequencer
from rendertrust import note
from rendertrust.api.ledger import EntryProof, LogCheckpoint, Opening
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.leaf import salt_of
from rendertrust.merkle import SIZE_MAX, inclusion_ranges
from sql.anchors import CoveringAnchor
from sql.epochs import read_given_up
from sql.log import leaf_text, private_text
from sql.proofs import LeafPosition, OwnEntry, SignedCheckpoint
from web.gateway import Gateway
from web.http.converter import uuid_of
from web.http.operations import Audience, Call, Operations, Scope
from web.http.problem import Fault, Problem, invalid, unavailable
from web.openapi.examples import log as examples

operations = Operations()
ENTRY_NOT_FOUND = Problem(404, "Entry not found", code=RefusalCode.ENTRY_NOT_FOUND)
REMOVED = "and is no longer in the books: somebody removed it (`rendertrust fsck` names it)"
ASK_SECONDS = 1.5
NOT_YET = unavailable(
    "The entry is not in the log yet; try again", code=RefusalCode.ENTRY_NOT_LOGGED
)
NO_LOG = unavailable("The log has not begun yet; try again", code=RefusalCode.LOG_NOT_BEGUN)

Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$", description="64 hexadecimal digits")]


@attrs.frozen
class EntryWord:
    """An entry by its number, as in proofs, or by its id, as in the history."""

    entry_id: Annotated[
        str,
        Meta(
            pattern=r"^([1-9][0-9]{0,17}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$",
            description="an entry's `entry_id`, or its `id`",
        ),
    ]


@attrs.frozen
class WithOpening:
    """Query. ``opening``: also return the private part of your side; do not pass this part on."""

    opening: bool = False


@attrs.frozen
class AskedOf:
    """Query. ``nonce``: 32 fresh random bytes in hexadecimal, to be signed with the log's key."""

    nonce: Hash | None = None


Size = Annotated[int, Meta(ge=1, le=SIZE_MAX)]


@attrs.frozen
class Between:
    """Query. ``to``: the newest checkpoint's size if omitted."""

    from_: Size
    to: Size | None = None


@attrs.frozen
class Consistency:
    """Proof that the first ``from_size`` leaves are a prefix of the first ``to_size`` (RFC 9162
    §2.1.4).
    """

    from_size: int
    from_root: Hash
    to_size: int
    to_root: Hash
    proof_hashes: list[Hash]


@operations.get(
    "/api/v1/ledger/{entry_id}/proof",
    scope=Scope.CREDITS_READ,
    words=EntryWord,
    absent=ENTRY_NOT_FOUND,
    example=examples.LEDGER_PROOF,
)
async def proof(call: Call[None, WithOpening]) -> EntryProof | Problem:
    """Get the proof that your entry is in the log.

    A new transfer is added to the log for this. `docs/PROOF.md` explains how to verify the proof.
    """
    position = await position_of(call)
    if isinstance(position, Problem):
        return position
    return await proof_of(call.gateway, position, opening=call.query.opening)


@operations.get(
    "/api/v1/ledger/checkpoint",
    audience=Audience.PUBLIC,
    rate="probe",
    example=examples.CHECKPOINT,
)
async def checkpoint(call: Call[None, AskedOf]) -> LogCheckpoint | Problem:
    """Get the signed size and root of the log; public.

    Keep the checkpoint, and request the consistency proof from it to the next one. A checkpoint can
    be copied by anybody: send a `nonce` to check that the gateway holds the key.
    """
    signed = await call.gateway.tables.proofs.newest()
    if signed is None:
        return NO_LOG
    nonce, signer = call.query.nonce, call.gateway.ports.signer
    return LogCheckpoint(
        origin=signed.origin,
        size=signed.size,
        root=signed.root.hex(),
        time=signed.at,
        checkpoint=signed.note,
        verifier=signed.verifier,
        verifiers=tuple(signed.verifiers),
        anchor=await call.gateway.tables.anchors.noted(),
        answer=None if nonce is None else signer.sign_nonce(signed.origin, nonce),
    )


@operations.get(
    "/api/v1/ledger/consistency",
    audience=Audience.PUBLIC,
    rate="probe",
    example=examples.CONSISTENCY,
)
async def consistency(call: Call[None, Between]) -> Consistency | Problem:
    """Get the proof that the log only grew from one size to another; public."""
    signed, kept = await call.gateway.tables.proofs.newest(), call.gateway.tables.proofs
    if signed is None:
        return NO_LOG
    older, newer = call.query.from_, call.query.to or signed.size
    faults = [
        Fault(name, "value", f"is {size}; the newest checkpoint has {signed.size} leaves")
        for name, size in (("from", older), ("to", newer))
        if size > signed.size
    ]
    if not faults and older > newer:
        faults = [Fault("from", "value", "must not be above to")]
    if faults:
        return invalid(faults)
    return Consistency(
        from_size=older,
        from_root=(await kept.root(older)).hex(),
        to_size=newer,
        to_root=(await kept.root(newer)).hex(),
        proof_hashes=[part.hex() for part in await kept.consistency(older, newer)],
    )


@attrs.frozen
class LogPosition:
    """An entry, its leaf, the newest checkpoint that covers it, and the newest anchor over it.

    All four are read once, so that the members of an answer agree.
    """

    own: OwnEntry
    place: LeafPosition
    signed: SignedCheckpoint
    covering: CoveringAnchor | None


async def position_of(call: Call[Any, Any]) -> LogPosition | Problem:
    """Return the log position of the path's entry, if it belongs to the caller."""
    return await logged_position(call.gateway, call.caller, _key(call.words["entry_id"]))


async def logged_position(
    gateway: Gateway, owner: UUID | None, key: int | UUID
) -> LogPosition | Problem:
    """Return an entry's position in the log; add the entry to the log if needed. ``owner`` None:
    any owner.
    """
    found = await gateway.tables.proofs.entry(owner, key)
    if found is None:
        return await _absent(gateway, key)
    signed = await gateway.tables.proofs.newest()
    if not _covers(signed, found.place):
        answer = await gateway.registry.ref(Sequencer).ask(RequestCheckpoint(), within=ASK_SECONDS)
        if not isinstance(answer, CheckpointReady):
            return unavailable(
                f"The entry is not in the log yet: {answer.why}; try again",
                code=RefusalCode.ENTRY_NOT_LOGGED,
            )
        found = await gateway.tables.proofs.entry(owner, key) or found
        signed = await gateway.tables.proofs.newest()
    return await _in_log(gateway, found, signed) or NOT_YET


async def known_position(gateway: Gateway, key: int) -> LogPosition | None:
    """Return the position of anybody's entry; None if it is not in the log yet."""
    found = await gateway.tables.proofs.entry(None, key)
    signed = await gateway.tables.proofs.newest()
    return None if found is None else await _in_log(gateway, found, signed)


async def _in_log(
    gateway: Gateway, own: OwnEntry, signed: SignedCheckpoint | None
) -> LogPosition | None:
    """Return the position of an entry that the checkpoint covers, or None."""
    place = own.place
    if signed is None or place is None or place.leaf_index >= signed.size:
        return None
    covering = await gateway.tables.anchors.covering(place.leaf_index)
    return LogPosition(own, place, signed, covering)


async def _absent(gateway: Gateway, key: int | UUID) -> Problem:
    """Return 404; name the leaf if the entry was removed from the books.

    If a reopening of the log gave up leaves, the answer says that the entry may have been one of
    these leaves.
    """
    leaf = await gateway.tables.proofs.orphan(key) if isinstance(key, int) else None
    if leaf is not None:
        return Problem(
            404,
            f"{ENTRY_NOT_FOUND.detail}: it was leaf {leaf} of the log, {REMOVED}",
            code=RefusalCode.ENTRY_NOT_FOUND,
        )
    given_up = await read_given_up(gateway.database)
    if not given_up:
        return ENTRY_NOT_FOUND
    told = "; ".join(one.text for one in given_up)
    detail = (
        f"{ENTRY_NOT_FOUND.detail}. If it was among the leaves that a reopening of the log gave up,"
        f" no proof of it can be made: {told}"
    )
    shown = [
        {"epoch": one.number, "time": one.at, "first": one.first, "last": one.last}
        for one in given_up
    ]
    return Problem(404, detail, extra={"given_up": shown}, code=RefusalCode.ENTRY_NOT_FOUND)


async def proof_of(gateway: Gateway, position: LogPosition, *, opening: bool = False) -> EntryProof:
    """Return the proof at the anchored checkpoint; without an anchor, at the newest checkpoint."""
    own, place, covering = position.own, position.place, position.covering
    signed = position.signed if covering is None else covering.signed
    named = covering if covering is not None and _is_vouched_for(covering) else None
    hashes = await gateway.tables.proofs.inclusion(place.leaf_index, signed.size)
    ranges = inclusion_ranges(place.leaf_index, signed.size)
    return EntryProof(
        entry_id=own.entry_id,
        side=own.side,
        merkle_root=signed.root.hex(),
        proof_hashes=tuple(part.hex() for part in hashes),
        directions=tuple("right" if start > place.leaf_index else "left" for start, _ in ranges),
        anchor_tx_hash=None if named is None else named.hash,
        block_number=None if named is None else named.block_number,
        chain_id=None if named is None else named.chain_id,
        contract=None if named is None else named.contract,
        anchor=None if named is None else named.anchor,
        leaf=leaf_text(own.transfer, place.salts).decode(),
        leaf_hash=place.hash.hex(),
        leaf_index=place.leaf_index,
        tree_size=signed.size,
        checkpoint=signed.note,
        verifier=signed.verifier,
        opening=_opening(own, place) if opening else None,
    )


def _opening(own: OwnEntry, place: LeafPosition) -> Opening:
    """Return the opening of the entry's own side."""
    private = private_text(own.transfer, own.side).decode()
    return Opening(salt_of(place.salts, own.side).hex(), private)


def _is_vouched_for(covering: CoveringAnchor) -> bool:
    """Return True if the checkpoint's key signed the anchor's note.

    If the key was rotated between checkpoint and anchor, the result is False.
    """
    signed = covering.anchor
    return signed is not None and note.is_signed_by(signed, covering.signed.verifier)


def _key(text: str) -> int | UUID:
    return uuid_of(text) or int(text)


def _covers(signed: SignedCheckpoint | None, place: LeafPosition | None) -> bool:
    return signed is not None and place is not None and place.leaf_index < signed.size
