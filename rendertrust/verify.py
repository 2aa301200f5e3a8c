"""Does a proof hold? Checked without the gateway, step by step, by what it says and what one knows.

    verdict = verify(json.loads(text), witness=witness)
    for step in verdict.steps: print(step.name, step.holds, step.said)

Whatever a stranger gives is data: nothing here raises. The formats are those of ``docs/PROOF.md``.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import attrs

from rendertrust import checkpoint, merkle, note
from rendertrust.checkpoint import Checkpoint
from rendertrust.leaf import VERSION
from rendertrust.merkle import SIZE_MAX, inclusion_ranges
from rendertrust.note import NoteRefused, Verifier

Document: TypeAlias = Mapping[str, Any]
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_LEAF: Final = re.compile(
    rf"{VERSION}\n"
    r"entry (?P<entry>[1-9][0-9]{0,18})\n"
    r"time (?P<time>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z)\n"
    r"kind (?P<kind>[A-Z_]{1,64})\n"
    r"amount (?P<amount>-?[1-9][0-9]{0,18})\n"
    r"receipt (?P<receipt>-|[0-9a-f]{64})\n"
    r"private (?P<private>[0-9a-f]{64})\n",
    re.ASCII,
)
PROOF_HASHES_MAX: Final = 64  # of a tree that has no more leaves than SIZE_MAX


@attrs.frozen
class Step:
    """One thing that was checked, and what came of it, for people."""

    name: str
    holds: bool
    said: str


@attrs.frozen
class Verdict:
    """``witnessed``: something outside of the proof vouches for its root, and agrees."""

    steps: tuple[Step, ...]
    witnessed: bool = False

    @property
    def holds(self) -> bool:
        """Whether every step does."""
        return bool(self.steps) and all(step.holds for step in self.steps)


@attrs.frozen
class Witness:
    """A checkpoint that one has from elsewhere, and the key that one trusts for it."""

    verifier: Verifier
    checkpoint: Checkpoint


@attrs.frozen
class Shown:
    """A consistency proof: the ``m`` first leaves are the beginning of the ``n`` first."""

    m: int
    n: int
    root_m: bytes
    root_n: bytes
    proof: tuple[bytes, ...]

    @property
    def holds(self) -> bool:
        """Whether it shows that."""
        return merkle.verify_consistency(self.m, self.n, self.proof, self.root_m, self.root_n)


@attrs.frozen
class _Proof:
    """A proof's members, in the form that they must have."""

    entry_id: int
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


def verify(
    document: object, *, witness: Witness | None = None, shown: Sequence[Shown] = ()
) -> Verdict:
    """Every step over the answer of ``GET /ledger/{entry_id}/proof``.

    ``shown`` links the proof's checkpoint with the witness's where they are of different sizes.
    """
    proof = _proof_of(document)
    if isinstance(proof, str):
        return Verdict((Step("form", False, proof),))
    steps = [_leaf(proof), *_opening(proof), _inclusion(proof)]
    signed = _signed(proof)
    if isinstance(signed, str):
        return Verdict((*steps, Step("checkpoint", False, signed)))
    steps.append(Step("checkpoint", True, f"{signed.size} leaves, signed by {signed.origin}"))
    if witness is None:
        return Verdict(tuple(steps))
    steps.append(_witnessed(proof, signed, witness, shown))
    return Verdict(tuple(steps), witnessed=steps[-1].holds)


def read_witness(document: object) -> Witness | str:
    """The answer of ``GET /ledger/checkpoint``, kept; or why it is none."""
    members = _members(document)
    text, key = members.get("checkpoint"), members.get("verifier")
    if not isinstance(text, str) or not isinstance(key, str):
        return "it has no checkpoint and verifier"
    verifier = note.read_verifier(key)
    if isinstance(verifier, NoteRefused):
        return verifier.reason
    read = checkpoint.read(text, verifier)
    return read.reason if isinstance(read, NoteRefused) else Witness(verifier, read)


def read_shown(document: object) -> Shown | str:
    """The answer of ``GET /ledger/consistency``; or why it is none."""
    members = _members(document)
    sizes = [_size(members.get(name)) for name in ("from_size", "to_size")]
    roots = [_hash(members.get(name)) for name in ("from_root", "to_root")]
    proof = _hashes(members.get("proof_hashes"))
    if None in sizes or None in roots or proof is None:
        return "it is no consistency proof: sizes, roots and hashes are expected"
    m, n = (size or 0 for size in sizes)
    root_m, root_n = (root or b"" for root in roots)
    return Shown(m, n, root_m, root_n, proof)


# ── the steps ────────────────────────────────────────────────────────────────────────────────────


def _leaf(proof: _Proof) -> Step:
    found = _LEAF.fullmatch(proof.leaf)
    if found is None:
        return Step("leaf", False, f"the leaf is not written as {VERSION} has it")
    if int(found["entry"]) != proof.entry_id:
        return Step("leaf", False, f"the leaf is of entry {found['entry']}, not {proof.entry_id}")
    if merkle.leaf_hash(proof.leaf.encode()) != proof.leaf_hash:
        return Step("leaf", False, "leaf_hash is not the hash of the leaf")
    said = f"entry {proof.entry_id}: {found['kind']} of {found['amount']} units at {found['time']}"
    return Step("leaf", True, said)


def _opening(proof: _Proof) -> list[Step]:
    if proof.opening is None:
        return []
    salt, private = proof.opening
    digest = hashlib.sha256(salt + private.encode()).hexdigest()
    holds = proof.leaf.endswith(f"\nprivate {digest}\n")
    said = "the private part is the leaf's" if holds else "the private part is not the leaf's"
    return [Step("opening", holds, said)]


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
        return f"it is of {read.size} leaves with the root {read.root.hex()}: not this proof's"
    return read


def _witnessed(proof: _Proof, signed: Checkpoint, witness: Witness, shown: Sequence[Shown]) -> Step:
    known, key = witness.checkpoint, witness.verifier
    if str(key) != proof.verifier and isinstance(checkpoint.read(proof.note, key), NoteRefused):
        return Step("witness", False, f"it is not signed by the key that you know: {key}")
    if known.size == signed.size:
        holds = known.root == signed.root
        said = "the same checkpoint" if holds else "another root at this size: the log was forked"
        return Step("witness", holds, said)
    older, newer = sorted((known, signed), key=lambda one: one.size)
    if older.size == 0:
        return Step("witness", True, "the log had just begun")
    wanted = (older.size, newer.size, older.root, newer.root)
    for one in shown:
        if (one.m, one.n, one.root_m, one.root_n) == wanted:
            said = f"{older.size} leaves are the beginning of {newer.size}"
            return Step("witness", one.holds, said if one.holds else f"not so: {said}")
    missing = f"from={older.size}&to={newer.size}"
    return Step("witness", False, f"nothing links both: get /ledger/consistency?{missing}")


# ── what strangers give ──────────────────────────────────────────────────────────────────────────


def _proof_of(document: object) -> _Proof | str:
    members = _members(document)
    entry, index = _size(members.get("entry_id")), _size(members.get("leaf_index"))
    size, hashes = _size(members.get("tree_size")), _hashes(members.get("proof_hashes"))
    leaf_hash, root = _hash(members.get("leaf_hash")), _hash(members.get("merkle_root"))
    texts = [members.get(name) for name in ("leaf", "checkpoint", "verifier")]
    leaf, signed, verifier = map(_text, texts)
    directions, opening = members.get("directions"), _opening_of(members.get("opening"))
    if entry is None or index is None or size is None:
        return "entry_id, leaf_index and tree_size must be whole numbers"
    if leaf_hash is None or root is None or hashes is None:
        return "leaf_hash, merkle_root and proof_hashes must be SHA-256 in hexadecimal"
    if leaf is None or signed is None or verifier is None or not isinstance(directions, list):
        return "leaf, checkpoint, verifier and directions must be there"
    if isinstance(opening, str):
        return opening
    sides = tuple(str(side) for side in directions)
    return _Proof(
        entry, leaf, leaf_hash, index, size, root, hashes, sides, signed, verifier, opening
    )


def _members(document: object) -> Document:
    return document if isinstance(document, dict) else {}


def _text(value: object) -> str | None:
    """A text that can be written as UTF-8: without lone surrogates."""
    if not isinstance(value, str):
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return None
    return value


def _size(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= SIZE_MAX else None


def _hash(value: object) -> bytes | None:
    good = isinstance(value, str) and _HASH.fullmatch(value)
    return bytes.fromhex(str(value)) if good else None


def _hashes(value: object) -> tuple[bytes, ...] | None:
    if not isinstance(value, list) or len(value) > 2 * PROOF_HASHES_MAX:
        return None
    found = [_hash(part) for part in value]
    return tuple(part for part in found if part is not None) if None not in found else None


def _opening_of(value: object) -> tuple[bytes, str] | str | None:
    if value is None:
        return None
    members = _members(value)
    salt, private = _hash(members.get("salt")), _text(members.get("private"))
    if salt is None or private is None:
        return "an opening has a salt and the private part"
    return salt, private
