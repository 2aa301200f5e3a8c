"""The log over all entries: proofs that an entry stands in it, and that it only grows."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import attrs
from msgspec import Meta

from actors.sequencer.messages import CatchUp, CaughtUp, Sequencer
from rendertrust.merkle import SIZE_MAX, inclusion_ranges
from sql.proofs import OwnEntry, Sequenced, Signed
from web import log_examples as examples
from web.converter import uuid_of
from web.gateway import Gateway
from web.operations import Audience, Call, Operations, Scope
from web.problem import Fault, Problem, invalid, unavailable

operations = Operations()
ABSENT = "Entry not found"
NOT_FOUND = Problem(404, ABSENT)
ASK_SECONDS = 1.5
NOT_YET = unavailable("The entry is not in the log yet; try again")
NO_LOG = unavailable("The log has not begun yet; try again")

Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$", description="SHA-256 in hexadecimal")]


@attrs.frozen
class EntryWord:
    """An entry by its number, as proofs have it, or by its id, as the history has it."""

    entry_id: Annotated[
        str,
        Meta(
            pattern=r"^([1-9][0-9]{0,17}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$",
            description="an entry's `entry_id`, or its `id`",
        ),
    ]


@attrs.frozen
class WithOpening:
    """``opening``: show the private part, too; leave it out of what others are given."""

    opening: bool = False


@attrs.frozen
class Opening:
    """The private part: its text, and the salt; the leaf has SHA-256 of the salt and the text."""

    salt: Hash
    private: str


@attrs.frozen
class EntryProof:
    """An entry's place in the log.

    ``leaf`` is the entry's public part, a text, and ``leaf_hash`` its hash in the tree. Each of
    ``proof_hashes`` stands on that side of what was hashed before which ``directions`` says; at the
    end there is ``merkle_root``, the root of the first ``tree_size`` leaves, which ``checkpoint``
    says, signed by the key ``verifier``.
    """

    entry_id: int
    merkle_root: Hash
    proof_hashes: list[Hash]
    directions: list[Literal["left", "right"]]
    anchor_tx_hash: str | None
    block_number: int | None
    leaf: str
    leaf_hash: Hash
    leaf_index: int
    tree_size: int
    checkpoint: str
    verifier: str
    opening: Opening | None


@attrs.frozen
class NewestCheckpoint:
    """``checkpoint`` is the signed note; what it says stands beside it.

    ``verifier`` is the key that signs, ``verifiers`` are all that ever counted, in their order.
    """

    origin: str
    size: int
    root: Hash
    time: datetime
    checkpoint: str
    verifier: str
    verifiers: list[str]


Size = Annotated[int, Meta(ge=1, le=SIZE_MAX)]


@attrs.frozen
class Between:
    """``to``: the newest checkpoint's size, if it is left out."""

    from_: Size
    to: Size | None = None


@attrs.frozen
class Consistency:
    """The ``from_size`` first leaves are the beginning of the ``to_size`` (RFC 9162 §2.1.4)."""

    from_size: int
    from_root: Hash
    to_size: int
    to_root: Hash
    proof_hashes: list[Hash]


@operations.get(
    "/api/v1/ledger/{entry_id}/proof",
    scope=Scope.CREDITS_READ,
    words=EntryWord,
    query=WithOpening,
    answers={200: EntryProof},
    rate="read",
    absent=ABSENT,
    example=examples.LEDGER_PROOF,
)
async def proof(call: Call[None, WithOpening]) -> EntryProof | Problem:
    """What shows that one's entry stands in the log.

    An entry that was booked just now is taken up for it. See `docs/PROOF.md` on how to verify.
    """
    gateway, key = call.gateway, _key(call.words["entry_id"])
    found = await gateway.proofs.entry(call.caller, key)
    if found is None:
        return NOT_FOUND
    signed = await gateway.proofs.newest()
    if not _covers(signed, found.place):
        answer = await gateway.registry.ref(Sequencer).ask(CatchUp(), within=ASK_SECONDS)
        if not isinstance(answer, CaughtUp):
            return unavailable(f"The entry is not in the log yet: {answer.why}; try again")
        found = await gateway.proofs.entry(call.caller, key) or found
        signed = await gateway.proofs.newest()
    if signed is None or found.place is None or found.place.leaf_index >= signed.size:
        return NOT_YET
    return await _proof(gateway, found, found.place, signed, opening=call.query.opening)


@operations.get(
    "/api/v1/ledger/checkpoint",
    audience=Audience.PUBLIC,
    answers={200: NewestCheckpoint},
    rate="probe",
    example=examples.CHECKPOINT,
)
async def checkpoint(call: Call) -> NewestCheckpoint | Problem:
    """How large the log is and what its root is, signed: open to everybody.

    Keep it, and ask for the consistency of the next one with it.
    """
    signed = await call.gateway.proofs.newest()
    if signed is None:
        return NO_LOG
    return NewestCheckpoint(
        origin=signed.origin,
        size=signed.size,
        root=signed.root.hex(),
        time=signed.at,
        checkpoint=signed.note,
        verifier=signed.verifier,
        verifiers=list(signed.verifiers),
    )


@operations.get(
    "/api/v1/ledger/consistency",
    audience=Audience.PUBLIC,
    query=Between,
    answers={200: Consistency},
    rate="probe",
    example=examples.CONSISTENCY,
)
async def consistency(call: Call[None, Between]) -> Consistency | Problem:
    """What shows that the log only grew from one size to another: open to everybody."""
    signed, kept = await call.gateway.proofs.newest(), call.gateway.proofs
    if signed is None:
        return NO_LOG
    older, newer = call.query.from_, call.query.to or signed.size
    faults = [
        Fault(name, "value", f"is {size}; the newest checkpoint is of {signed.size} leaves")
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


async def _proof(
    gateway: Gateway, own: OwnEntry, place: Sequenced, signed: Signed, *, opening: bool
) -> EntryProof:
    entry, index = own.entry, place.leaf_index
    hashes = await gateway.proofs.inclusion(index, signed.size)
    ranges = inclusion_ranges(index, signed.size)
    private = Opening(place.salt.hex(), entry.private.canonical.decode())
    return EntryProof(
        entry_id=entry.entry_id,
        merkle_root=signed.root.hex(),
        proof_hashes=[part.hex() for part in hashes],
        directions=["right" if start > index else "left" for start, _ in ranges],
        anchor_tx_hash=None,
        block_number=None,
        leaf=entry.leaf(place.salt).canonical.decode(),
        leaf_hash=place.hash.hex(),
        leaf_index=index,
        tree_size=signed.size,
        checkpoint=signed.note,
        verifier=signed.verifier,
        opening=private if opening else None,
    )


def _key(text: str) -> int | UUID:
    return uuid_of(text) or int(text)


def _covers(signed: Signed | None, place: Sequenced | None) -> bool:
    return signed is not None and place is not None and place.leaf_index < signed.size
