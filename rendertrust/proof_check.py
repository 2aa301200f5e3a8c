"""Verification of a ledger entry's proof, step by step and without the gateway.

    verdict = verify(read_document(raw), witness=witness)
    for step in verdict.steps: print(step.name, step.holds, step.said)

No function raises on untrusted input. ``docs/PROOF-FORMATS.md`` describes the formats.
"""

import re
from collections.abc import Sequence
from typing import Final

import attrs

from rendertrust import anchor_note, checkpoint, consistency, epoch, json_values, merkle, note
from rendertrust.checkpoint import Checkpoint
from rendertrust.consistency import ConsistencyProof, LeafLink, read_shown
from rendertrust.consistency import read_links as read_epochs
from rendertrust.leaf import VERSION, Side, commitment, side_of, signed_amount
from rendertrust.merkle import inclusion_ranges
from rendertrust.note import NoteRefused, Verifier
from rendertrust.onchain import ChainUnknown, OnChain, anchored
from rendertrust.strict_json import read_document

__all__ = [
    "ChainUnknown",
    "ConsistencyProof",
    "KnownCheckpoint",
    "LeafLink",
    "OnChain",
    "Step",
    "Verdict",
    "Verifier",
    "anchored",
    "read_document",
    "read_epochs",
    "read_noted",
    "read_shown",
    "read_witness",
    "verify",
]
_LEAF: Final = re.compile(
    rf"{VERSION}\n"
    r"transfer (?P<transfer>[1-9][0-9]{0,18})\n"
    r"time (?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z)\n"
    r"kind (?P<kind>[A-Z_]{1,64})\n"
    r"amount (?P<amount>[1-9][0-9]{0,18})\n"
    r"receipt (?P<receipt>-|[0-9a-f]{64})\n"
    r"debit (?P<debit>[0-9a-f]{64})\n"
    r"credit (?P<credit>[0-9a-f]{64})\n",
    re.ASCII,
)


_MEMBERS: Final = frozenset(
    (
        *("entry_id", "side", "merkle_root", "proof_hashes", "directions", "leaf", "leaf_hash"),
        *("leaf_index", "tree_size", "checkpoint", "verifier", "opening", "anchor"),
        *anchor_note.MEMBERS,
    )
)


@attrs.frozen
class Step:
    """One check and its outcome, described for people."""

    name: str
    holds: bool
    said: str


@attrs.frozen
class Verdict:
    """All steps of a verification.

    ``witnessed``: a source outside the proof confirms the proof's root.
    """

    steps: tuple[Step, ...]
    witnessed: bool = False

    @property
    def holds(self) -> bool:
        """Return True if every step succeeded."""
        return bool(self.steps) and all(step.holds for step in self.steps)


@attrs.frozen
class KnownCheckpoint:
    """A checkpoint from another source, and the key that the caller trusts to sign checkpoints."""

    verifier: Verifier
    checkpoint: Checkpoint


@attrs.frozen
class _Proof:
    """The parsed members of a proof."""

    entry_id: int
    side: Side
    leaf: str
    leaf_hash: bytes
    index: int
    size: int
    root: bytes
    hashes: tuple[bytes, ...]
    directions: tuple[str, ...]
    note: str
    verifier: str
    opening: tuple[bytes, str] | None
    claims: tuple[str, int, int, str] | None  # the anchor's transaction, block, chain, contract
    anchor: str | None  # the gateway's note on the anchor


def verify(
    document: object,
    *,
    witness: KnownCheckpoint | None = None,
    shown: Sequence[ConsistencyProof] = (),
    epochs: Sequence[LeafLink] = (),
    chain: OnChain | ChainUnknown | None = None,
) -> Verdict:
    """Verify a response of ``GET /ledger/{entry_id}/proof`` and return every step.

    ``shown`` links the proof's checkpoint with the witness's checkpoint if their sizes differ.
    ``epochs`` links these checkpoints if the log began another epoch between the two. ``chain``:
    the result of ``anchored``.
    """
    proof = _proof_of(document)
    if isinstance(proof, str):
        return Verdict((Step("form", False, proof),))
    steps = [_leaf(proof), *_opening(proof), _inclusion(proof)]
    signed = _signed(proof)
    if isinstance(signed, str):
        return Verdict((*steps, Step("checkpoint", False, signed)))
    steps.append(Step("checkpoint", True, f"{signed.size} leaves, signed by {signed.origin}"))
    steps += _claimed(proof)
    vouched = False
    if witness is not None:
        steps.append(_witnessed(proof, signed, witness, shown, epochs))
        vouched = steps[-1].holds
    if chain is not None:
        steps += on_chain(proof.size, proof.root, chain)
        vouched |= isinstance(chain, OnChain) and chain.is_outside
    return Verdict(tuple(steps), witnessed=vouched and all(step.holds for step in steps))


def read_witness(document: object) -> KnownCheckpoint | str:
    """Read a kept response of ``GET /ledger/checkpoint``.

    A returned string says why the response is invalid.
    """
    found = json_values.members(document)
    text, key = found.get("checkpoint"), found.get("verifier")
    if not isinstance(text, str) or not isinstance(key, str):
        return "it has no checkpoint and verifier"
    verifier = note.read_verifier(key)
    if isinstance(verifier, NoteRefused):
        return verifier.reason
    read = checkpoint.read(text, verifier)
    return read.reason if isinstance(read, NoteRefused) else KnownCheckpoint(verifier, read)


def read_noted(text: str, keys: Sequence[Verifier]) -> KnownCheckpoint | str:
    """Read a plain note signed by one of ``keys``; a string says why the note is refused."""
    origin = text.partition("\n")[0]
    ours = [key for key in keys if epoch.split(key.name)[0] == epoch.split(origin)[0]]
    if not ours:
        return f"none of the keys that you know belongs to {origin[:255]!r}: name its key by --key"
    why = ""
    for key in ours:
        verifier = attrs.evolve(key, name=origin)
        read = checkpoint.read(text, verifier)
        if isinstance(read, Checkpoint):
            return KnownCheckpoint(verifier, read)
        why = read.reason
    return why


# ── the steps ────────────────────────────────────────────────────────────────────────────────────


def _leaf(proof: _Proof) -> Step:
    found = _LEAF.fullmatch(proof.leaf)
    if found is None:
        return Step("leaf", False, f"the leaf does not have the format {VERSION}")
    transfer, _ = side_of(proof.entry_id)
    if int(found["transfer"]) != transfer:
        said = f"the leaf is of transfer {found['transfer']}, and entry {proof.entry_id} is of"
        return Step("leaf", False, f"{said} {transfer}")
    if merkle.leaf_hash(proof.leaf.encode()) != proof.leaf_hash:
        return Step("leaf", False, "leaf_hash is not the hash of the leaf")
    amount = signed_amount(int(found["amount"]), proof.side)
    said = f"entry {proof.entry_id}, the {proof.side} of transfer {transfer}: {found['kind']} of"
    return Step("leaf", True, f"{said} {amount} units at {found['time']}")


def _opening(proof: _Proof) -> list[Step]:
    if proof.opening is None:
        return []
    salt, private = proof.opening
    sealed = commitment(salt, private.encode()).hex()
    holds = f"\n{proof.side} {sealed}\n" in proof.leaf
    said = "is the leaf's" if holds else "is not the leaf's"
    return [Step("opening", holds, f"the private part of the {proof.side} {said}")]


def _inclusion(proof: _Proof) -> Step:
    arguments = (proof.leaf_hash, proof.index, proof.size, proof.hashes, proof.root)
    if not merkle.verify_inclusion(*arguments):
        return Step("inclusion", False, "the hashes do not lead from the leaf to the root")
    ranges = inclusion_ranges(proof.index, proof.size)
    sides = tuple("right" if start > proof.index else "left" for start, _ in ranges)
    if sides != proof.directions:
        return Step("inclusion", False, "the directions are not those of this leaf")
    return Step("inclusion", True, f"leaf {proof.index} of {proof.size}, root {proof.root.hex()}")


def _signed(proof: _Proof) -> Checkpoint | str:
    verifier = note.read_verifier(proof.verifier)
    if isinstance(verifier, NoteRefused):
        return verifier.reason
    read = checkpoint.read(proof.note, verifier)
    if isinstance(read, NoteRefused):
        return read.reason
    if (read.size, read.root) != (proof.size, proof.root):
        return f"the checkpoint is of {read.size} leaves, root {read.root.hex()}, unlike the proof"
    return read


def _claimed(proof: _Proof) -> list[Step]:
    """Check that the gateway signed what the proof says about its anchor."""
    if proof.claims is None and proof.anchor is None:
        return []
    if proof.claims is None or proof.anchor is None:
        return [
            Step(
                "claim", False, "the proof needs both an anchor and its gateway's note, or neither"
            )
        ]
    verifier = note.read_verifier(proof.verifier)
    read = (
        verifier if isinstance(verifier, NoteRefused) else anchor_note.read(proof.anchor, verifier)
    )
    if isinstance(read, NoteRefused):
        return [Step("claim", False, f"the anchor's note is refused: {read.reason}")]
    if (read.transaction, read.block, read.chain_id, read.contract) != proof.claims:
        return [Step("claim", False, "the gateway signed another anchor than the proof names")]
    if (read.size, read.root) != (proof.size, proof.root):
        return [Step("claim", False, "the gateway signed an anchor of another root")]
    where = f"in block {read.block} of chain {read.chain_id}"
    return [Step("claim", True, f"anchored {where}, signed by {read.origin}")]


def _witnessed(
    proof: _Proof,
    signed: Checkpoint,
    witness: KnownCheckpoint,
    shown: Sequence[ConsistencyProof],
    epochs: Sequence[LeafLink],
) -> Step:
    known = witness.checkpoint
    older, newer = consistency.in_order(known, signed)
    # An older checkpoint may have another key: its link to the known checkpoint proves it.
    is_older = older is signed and consistency.same_log(known, signed)
    if not is_older and not is_signed_by(proof.note, signed, witness.verifier):
        return Step(
            "witness", False, f"it is not signed by the key that you know: {witness.verifier}"
        )
    given_up = (
        _given_up(proof, consistency.after(epochs, older, newer)) if older is signed else None
    )
    if given_up is not None:
        return Step("witness", False, given_up)
    linked = consistency.linked(older, newer, shown, epochs)
    return Step("witness", linked.holds is True, linked.said)


def is_signed_by(noted: str, signed: Checkpoint, key: Verifier) -> bool:
    """Return True if ``key`` signed the note under the log's origin in the epoch of ``signed``."""
    if epoch.split(signed.origin)[0] == epoch.split(key.name)[0]:
        key = attrs.evolve(key, name=signed.origin)
    return isinstance(checkpoint.read(noted, key), Checkpoint)


def _given_up(proof: _Proof, link: LeafLink | None) -> str | None:
    """Return why a proof from an earlier epoch is void; None if the proof's leaf was kept."""
    if link is None or proof.index < link.index:
        return None
    begun = f"epoch {link.leaf.number} continued from a backup on {link.leaf.time:%Y-%m-%d}"
    kept = f"which kept {link.index} leaves; this was leaf {proof.index}"
    return f"the entry was lost in the restore of a backup: {begun}, {kept}"


def on_chain(size: int, root: bytes, chain: OnChain | ChainUnknown) -> list[Step]:
    """Return steps that compare a chain's answer with a root of the log."""
    if isinstance(chain, ChainUnknown):
        return [Step("chain", chain.harmless, chain.reason)]
    private = ", private: it proves nothing to outsiders" if chain.private else ""
    steps = [Step("chain", True, f"chain {chain.chain_id} at block {chain.block}{private}")]
    forked = chain.root is not None and chain.root != root  # a fork outweighs any other fault
    if chain.fault is not None and not forked:
        return [*steps, Step("anchor", False, chain.fault)]
    if chain.root != root:
        said = "no root" if chain.root is None else f"the root {chain.root.hex()}"
        return [
            *steps,
            Step("anchor", False, f"{chain.contract} has {said} at {size} leaves"),
        ]
    whose = (
        "the one that you named"
        if chain.named
        else "named only by the gateway (name the one that you know by --contract)"
    )
    where = "" if chain.mined is None else f", since block {chain.mined}"
    if chain.final is False:
        where += "; pending: the block is not final yet and may be reverted. Ask again later"
    if chain.final is None:
        where += "; the blockchain node does not say whether the root is final"
    said = f"{chain.contract}, {whose}, has this root at {size} leaves{where}"
    return [*steps, Step("anchor", True, said)]


# ── untrusted input ──────────────────────────────────────────────────────────────────────────────


def _proof_of(document: object) -> _Proof | str:
    found = json_values.members(document)
    if unknown := sorted(found.keys() - _MEMBERS):
        return f"{unknown[0][:64]!r} is not a member of a proof"
    entry = json_values.size(found.get("entry_id"))
    index = json_values.size(found.get("leaf_index"))
    size = json_values.size(found.get("tree_size"))
    hashes = json_values.hashes(found.get("proof_hashes"))
    leaf_hash = json_values.sha256(found.get("leaf_hash"))
    root = json_values.sha256(found.get("merkle_root"))
    texts = [found.get(name) for name in ("leaf", "checkpoint", "verifier")]
    leaf, signed, verifier = map(json_values.text, texts)
    side = None if entry is None else side_of(entry)[1]
    directions, opening = found.get("directions"), _opening_of(found.get("opening"))
    claims, anchor = anchor_note.claims(found), found.get("anchor")
    if entry is None or index is None or size is None:
        return "entry_id, leaf_index and tree_size must be whole numbers"
    if side is None or found.get("side") != side:
        return f"entry {entry} is the {side} of its transfer, and side says otherwise"
    if leaf_hash is None or root is None or hashes is None:
        return "leaf_hash, merkle_root and proof_hashes must be SHA-256 in hexadecimal"
    if leaf is None or signed is None or verifier is None or not isinstance(directions, list):
        return "leaf, checkpoint, verifier and directions are required"
    if isinstance(opening, str):
        return opening
    if isinstance(claims, str):
        return claims
    if anchor is not None and json_values.text(anchor) is None:
        return "anchor must be a signed note, or null"
    sides = tuple(str(side) for side in directions)
    return _Proof(
        entry_id=entry,
        side=side,
        leaf=leaf,
        leaf_hash=leaf_hash,
        index=index,
        size=size,
        root=root,
        hashes=hashes,
        directions=sides,
        note=signed,
        verifier=verifier,
        opening=opening,
        claims=claims,
        anchor=anchor,
    )


def _opening_of(value: object) -> tuple[bytes, str] | str | None:
    if value is None:
        return None
    found = json_values.members(value)
    salt, private = json_values.sha256(found.get("salt")), json_values.text(found.get("private"))
    if salt is None or private is None or len(found) > 2:
        return "an opening must have a salt and the private part, and nothing else"
    return salt, private
