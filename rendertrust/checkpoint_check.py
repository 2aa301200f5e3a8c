"""Verification of a kept checkpoint, step by step and without the gateway.

    kept = read_kept(read_document(raw))        # an answer of GET /ledger/checkpoint
    kept = read_kept_note(text, keys)           # for a signed note without the response
    said = {place: await anchored(url, place.document, contract=…) for place in places(kept)}
    verdict = verify_checkpoint(kept, witness=witness, shown=shown, said=said)

A checkpoint states the size and root of a log. A second checkpoint from another source, or an
anchor on a chain, confirms a checkpoint. Both checkpoints must have the same size and root, or a
consistency proof must link them. No function raises on untrusted input. ``docs/PROOF-FORMATS.md``
describes the formats.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from rendertrust import anchor_note, checkpoint, consistency, epoch, json_values, note
from rendertrust.anchor_note import AnchorNote
from rendertrust.checkpoint import Checkpoint
from rendertrust.consistency import ConsistencyProof, LeafLink
from rendertrust.note import NoteRefused, Verifier
from rendertrust.onchain import ChainUnknown, OnChain
from rendertrust.proof_check import (
    KnownCheckpoint,
    Step,
    Verdict,
    is_signed_by,
    on_chain,
    read_noted,
)

_BESIDE: Final = "the members beside the note contradict the note"


@attrs.frozen
class KeptCheckpoint:
    """A checkpoint, its signed note, and the gateway's signed note about the newest anchor."""

    signed: Checkpoint
    verifier: Verifier
    noted: str
    anchor: AnchorNote | None = None

    @property
    def anchored(self) -> Checkpoint | None:
        """Return the newest anchor as a checkpoint with the time of ``signed``, or None."""
        if self.anchor is None:
            return None
        said = self.anchor
        return Checkpoint(said.origin, said.size, said.root, self.signed.time)


@attrs.frozen
class ExpectedRoot:
    """The root that a chain must have at a size, if the chain has a root of that size."""

    at: Checkpoint
    claim: AnchorNote | None = None  # the gateway's signed statement that the chain has this root

    @property
    def document(self) -> json_values.Document:
        """Return a document in the form of a proof, to call ``anchored`` with."""
        asked = {"tree_size": self.at.size, "merkle_root": self.at.root.hex()}
        if self.claim is None:
            return asked
        said = self.claim
        named = (said.transaction, said.block, said.chain_id, said.contract)
        return {**asked, **dict(zip(anchor_note.MEMBERS, named, strict=True))}


def is_checkpoint(document: json_values.Document) -> bool:
    """Return True if the document looks like a response of ``GET /ledger/checkpoint``."""
    return "checkpoint" in document and "leaf" not in document and "proof" not in document


def read_kept(document: object) -> KeptCheckpoint | str:
    """Read a response of ``GET /ledger/checkpoint``; a string says why the response is invalid."""
    found = json_values.members(document)
    noted, key = json_values.text(found.get("checkpoint")), json_values.text(found.get("verifier"))
    if noted is None or key is None:
        return "it has no checkpoint and verifier"
    verifier = note.read_verifier(key)
    if isinstance(verifier, NoteRefused):
        return verifier.reason
    signed = checkpoint.read(noted, verifier)
    if isinstance(signed, NoteRefused):
        return signed.reason
    if not _is_beside(found, signed):
        return _BESIDE
    anchor = _anchor_of(found.get("anchor"), verifier)
    return anchor if isinstance(anchor, str) else KeptCheckpoint(signed, verifier, noted, anchor)


def read_kept_note(text: str, keys: Sequence[Verifier]) -> KeptCheckpoint | str:
    """Read a plain note signed by one of ``keys``; a string says why the note is refused."""
    read = read_noted(text, keys)
    return read if isinstance(read, str) else KeptCheckpoint(read.checkpoint, read.verifier, text)


def places(
    kept: KeptCheckpoint, shown: Sequence[ConsistencyProof] = (), *, named: bool = False
) -> tuple[ExpectedRoot, ...]:
    """Return the roots to ask a chain for. ``named``: the caller knows the contract."""
    own, found = kept.signed, dict[int, ExpectedRoot]()
    if kept.anchored is not None:
        found[kept.anchored.size] = ExpectedRoot(kept.anchored, kept.anchor)
    if named and own.size:
        ends = [Checkpoint(own.origin, *end, own.time) for end in _other_ends(own, shown)]
        for one in (own, *ends):
            found.setdefault(one.size, ExpectedRoot(one))
    return tuple(found.values())


def verify_checkpoint(
    kept: KeptCheckpoint,
    *,
    key: Verifier | None = None,
    witness: KnownCheckpoint | None = None,
    shown: Sequence[ConsistencyProof] = (),
    epochs: Sequence[LeafLink] = (),
    said: Mapping[ExpectedRoot, OnChain | ChainUnknown] | None = None,
    newest: int | None = None,
) -> Verdict:
    """Check a checkpoint and return every step.

    ``key``: the key that must have signed the checkpoint. ``said``: the chain's answer for each
    expected root. ``newest``: the size of the newest anchor in the contract; None if no contract
    was asked.
    """
    signed = kept.signed
    what = f"{signed.size} leaves, root {signed.root.hex()}, at {_time(signed)}"
    steps = [Step("checkpoint", True, f"{what}, signed by {kept.verifier}")]
    if key is not None:
        steps.append(_named(kept, key))
    steps += _claimed(kept)
    vouched = False
    if witness is not None:
        steps.append(_witnessed(kept, witness, shown, epochs))
        vouched = steps[-1].holds
    if said is not None:
        found, outside = _by_chain(kept, shown, epochs, said)
        steps += found
        vouched |= outside
        if not any(isinstance(one, OnChain) for one in said.values()):
            steps += [_to_get(kept, newest)] if all(step.holds for step in steps) else []
    return Verdict(tuple(steps), witnessed=vouched and all(step.holds for step in steps))


# ── the steps ────────────────────────────────────────────────────────────────────────────────────


def _named(kept: KeptCheckpoint, key: Verifier) -> Step:
    holds = is_signed_by(kept.noted, kept.signed, key)
    said = "it is signed by the key that you named"
    return Step(
        "key", holds, said if holds else f"it is not signed by the key that you named: {key}"
    )


def _claimed(kept: KeptCheckpoint) -> list[Step]:
    said, signed = kept.anchor, kept.signed
    if said is None:
        return []
    where = f"{said.size} leaves are anchored in block {said.block} of chain {said.chain_id}"
    if (said.origin, said.size) == (signed.origin, signed.size) and said.root != signed.root:
        return [Step("claim", False, "the gateway signed an anchor of another root at this size")]
    return [Step("claim", True, f"{where}, signed by {said.origin}")]


def _witnessed(
    kept: KeptCheckpoint,
    witness: KnownCheckpoint,
    shown: Sequence[ConsistencyProof],
    epochs: Sequence[LeafLink],
) -> Step:
    known, signed = witness.checkpoint, kept.signed
    older, newer = consistency.in_order(known, signed)
    by_it = is_signed_by(kept.noted, signed, witness.verifier)
    if not by_it and not (older is signed and consistency.same_log(known, signed)):
        said = f"it is not signed by the key that you know: {witness.verifier}"
        return Step("witness", False, said)
    found = consistency.linked(older, newer, shown, epochs)
    other = "" if by_it else "; it is signed by another key than the one that you know"
    return Step("witness", found.holds is True, f"{found.said}{other}")


def _by_chain(
    kept: KeptCheckpoint,
    shown: Sequence[ConsistencyProof],
    epochs: Sequence[LeafLink],
    said: Mapping[ExpectedRoot, OnChain | ChainUnknown],
) -> tuple[list[Step], bool]:
    """Return a step for each answer of the chain, and True if an answer confirms the checkpoint."""
    steps, vouched = list[Step](), False
    for place, one in said.items():
        steps += [step for step in _at(place, one) if step not in steps]
        found = consistency.linked(*consistency.in_order(place.at, kept.signed), shown, epochs)
        is_there = isinstance(one, OnChain) and one.fault is None and one.root == place.at.root
        if place.at.size != kept.signed.size and (is_there or found.holds is False):
            steps.append(Step("link", found.holds is not False, found.said))
        vouched |= is_there and found.holds is True and isinstance(one, OnChain) and one.is_outside
    return steps, vouched


def _at(place: ExpectedRoot, one: OnChain | ChainUnknown) -> list[Step]:
    if isinstance(one, ChainUnknown) and one.harmless:
        return [Step("anchor", True, f"the chain has no root at {place.at.size} leaves")]
    return on_chain(place.at.size, place.at.root, one)


def _to_get(kept: KeptCheckpoint, newest: int | None) -> Step:
    """Return a step that says what to fetch to link the checkpoint with the chain."""
    if newest is None:
        wanted = "--contract names the contract with the gateway's anchors"
        return Step(
            "link", True, f"the checkpoint names no anchor, so no contract to ask: {wanted}"
        )
    if newest == 0:
        return Step("link", True, "the contract has no anchor yet")
    low, high = sorted((newest, kept.signed.size))
    between = f"/api/v1/ledger/consistency?from={low}&to={high}"
    return Step("link", True, f"the contract's newest anchor is of {newest} leaves: get {between}")


# ── untrusted input ──────────────────────────────────────────────────────────────────────────────


def _is_beside(found: json_values.Document, signed: Checkpoint) -> bool:
    """Return True if the optional members beside the note agree with the note."""
    says: dict[str, object] = {
        "origin": signed.origin,
        "size": signed.size,
        "root": signed.root.hex(),
        "time": _time(signed),
    }
    return all(type(found[n]) is type(v) and found[n] == v for n, v in says.items() if n in found)


def _time(signed: Checkpoint) -> str:
    return f"{signed.time:%Y-%m-%dT%H:%M:%SZ}"


def _anchor_of(value: object, verifier: Verifier) -> AnchorNote | str | None:
    """Read the note about the newest anchor, which may belong to an earlier epoch."""
    if value is None:
        return None
    text = json_values.text(value)
    if text is None:
        return "anchor must be a signed note, or null"
    origin = text.partition("\norigin ")[2].partition("\n")[0]
    ours = epoch.split(origin)[0] == epoch.split(verifier.name)[0]
    signer = attrs.evolve(verifier, name=origin) if ours else verifier
    read = anchor_note.read(text, signer)
    return f"the anchor's note is refused: {read.reason}" if isinstance(read, NoteRefused) else read


def _other_ends(own: Checkpoint, shown: Sequence[ConsistencyProof]) -> list[tuple[int, bytes]]:
    """Return size and root of each checkpoint to which a valid consistency proof links ``own``."""
    held = [one for one in shown if one.holds]
    later = [(one.n, one.root_n) for one in held if (one.m, one.root_m) == (own.size, own.root)]
    before = [(one.m, one.root_m) for one in held if (one.n, one.root_n) == (own.size, own.root)]
    return [*later, *before]
