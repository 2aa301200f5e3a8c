"""Verification of a receipt, step by step and without the gateway.

    verdict = verify_receipt(read_document(raw), picture=read_picture(path), witness=witness)

A receipt's file has the receipt, the gateway's signature, and a proof. The proof shows that the
receipt's hash is in the log, in the public part of the transfer that paid for the work. Without a
proof the verdict is never ``witnessed``, because nothing outside the file confirms the receipt. A
withdrawn receipt is invalid. The gateway adds an unsigned mark to the receipt's file; a file that
was fetched earlier, or edited, has no mark. No function raises on untrusted input.
"""

import hashlib
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from rendertrust import json_values, note, receipt
from rendertrust.node.worker.formats.bounds import NoPixels
from rendertrust.node.worker.formats.picture_digest import are_its_own, heads_of, of_file
from rendertrust.node.worker.formats.png import ForeignChunk
from rendertrust.note import NoteRefused
from rendertrust.onchain import ChainUnknown, OnChain
from rendertrust.proof_check import (
    ConsistencyProof,
    KnownCheckpoint,
    LeafLink,
    Step,
    Verdict,
    verify,
)
from rendertrust.receipt import Receipt
from rendertrust.verdict_reason import explain

FILE: Final = "rendertrust-receipt-file-v1"
_MEMBERS: Final = frozenset(("format", "receipt", "signature", "entry_id", "proof"))
WITHDRAWN: Final = "withdrawn"  # present only in the file of a withdrawn receipt
_SIGNATURE: Final = re.compile(r"[0-9a-f]{128}")
# the side of the party to the work, by kind of transfer: the creator, or the operator
_PAYS: Final = {"USAGE": "debit", "EARNING": "credit"}
_NOT_COMPARED: Final = ("sampled-out", "unverified", "unverifiable")
_PIECE: Final = 1 << 20
_HEAD: Final = ("width", "height", "channels")
WORDS_MOST: Final = 120  # characters of the renderer's name, version and build that are shown
AREA_MOST: Final = 1 << 26  # pixels of a picture, if the receipt does not name its size


@attrs.frozen
class PictureFile:
    """A local file: its hash, and the hash of its pixels or why the pixels cannot be read.

    ``is_other``: that reason shows that the file is another picture than the receipt's.
    """

    name: str
    sha256: bytes
    size: int
    pixels: bytes | str
    is_other: bool = False


def is_receipt(document: json_values.Document) -> bool:
    """Return True if the document claims to be a receipt's file."""
    return document.get("format") == FILE


class OtherPicture(NoPixels):
    """The file's header shows another picture than the receipt's."""


def picture_for(document: json_values.Document, path: Path) -> PictureFile:
    """Hash a file beside a receipt's file; if the receipt is unreadable, only the name is kept.

    Raises OSError.
    """
    read = receipt.read_receipt(document.get("receipt"))
    if isinstance(read, str):
        return PictureFile(path.name, b"", 0, read)
    return read_picture(path, read.work)


def read_picture(path: Path, work: receipt.WorkStatement | None = None) -> PictureFile:
    """Hash a file and its pixels. Raises OSError.

    With ``work``, the pixels of another file than the delivered one are decoded only if its header
    fits the work, because a small file can contain a huge picture.
    """
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
    is_other = False
    try:
        # The node states the sizes of its own file, and nobody has checked them.
        if work is not None and digest.digest() != work.object:
            _check_heads(path, work)
        pixels: bytes | str = bytes.fromhex(of_file(str(path))["sha256"])
    except NoPixels as fault:
        pixels, is_other = str(fault), isinstance(fault, ForeignChunk | OtherPicture)
    return PictureFile(path.name, digest.digest(), size, pixels, is_other)


def _check_heads(path: Path, work: receipt.WorkStatement) -> None:
    """Compare number, sizes and channels in the file's headers with the work. Raises NoPixels."""
    if work.pixels is None:
        raise NoPixels("the receipt has no pixel hash")
    heads, pixels = heads_of(str(path)), json_values.members(work.document["pixels"])
    wanted = {name: pixels[name] for name in _HEAD if type(pixels.get(name)) is int}
    if any(head[name] != wanted[name] for head in heads for name in wanted):
        raise OtherPicture("the file's size or channels are not the receipt's")
    most = _area(pixels) or _area(work.document["measured"]) or AREA_MOST
    files = json_values.size(pixels.get("files", 1)) or 1
    if len(heads) > files or any(head["width"] * head["height"] > most for head in heads):
        raise OtherPicture("the file has more pictures or pixels than the receipt")


def _area(told: object) -> int | None:
    """Return the stated number of pixels of a picture; None if it is not stated."""
    sides = [json_values.size(json_values.members(told).get(name)) for name in ("width", "height")]
    return None if None in sides else math.prod(side or 0 for side in sides)


def verify_receipt(
    document: object,
    *,
    picture: PictureFile | None = None,
    witness: KnownCheckpoint | None = None,
    shown: Sequence[ConsistencyProof] = (),
    epochs: Sequence[LeafLink] = (),
    chain: OnChain | ChainUnknown | None = None,
) -> Verdict:
    """Verify a receipt's file and return every step.

    The other arguments are the arguments of ``verify``.
    """
    if not (isinstance(document, dict) and _has_members(document) and is_receipt(document)):
        return Verdict((Step("form", False, f"it does not have the members of a {FILE}"),))
    read = receipt.read_receipt(document["receipt"])
    if isinstance(read, str):
        return Verdict((Step("form", False, read),))
    steps = [_node(read), _gateway(read, document["signature"])]
    steps += [] if picture is None else _picture(read, picture)
    steps += _withdrawn(document)
    proof = document["proof"]
    if proof is None:
        steps += _unproved(read, document["entry_id"], witness)
        return Verdict(tuple(steps))
    proved = verify(proof, witness=witness, shown=shown, epochs=epochs, chain=chain)
    steps += [_entry(read, document["entry_id"], proof), *proved.steps]
    holds = all(step.holds for step in steps)
    return Verdict(tuple(steps), witnessed=holds and proved.witnessed)


def _has_members(document: json_values.Document) -> bool:
    return frozenset(document) - {WITHDRAWN} == _MEMBERS


def _withdrawn(document: json_values.Document) -> list[Step]:
    """Return a failed step if the receipt is marked as withdrawn.

    The mark needs no signature, because nobody gains by forging the mark.
    """
    if WITHDRAWN not in document:
        return []
    entry = json_values.size(json_values.members(document[WITHDRAWN]).get("entry_id"))
    by = "by an unnamed entry" if entry is None else f"by entry {entry}"
    return [Step(WITHDRAWN, False, f"withdrawn {by}: the creator was refunded")]


def _node(read: Receipt) -> Step:
    work = read.work
    if not receipt.is_signed(work, read.node_signature):
        return Step("node", False, "the work is not signed by the node key that it names")
    said = f"unit {work.unit} of job {work.job}, attempt {work.attempt}, by node {work.node}"
    return Step("node", True, said + _renderer(work))


def _renderer(work: receipt.WorkStatement) -> str:
    """Return the renderer that the node states. The gateway cannot check this statement."""
    told = json_values.members(work.document["renderer"])
    named = [told[name] for name in ("name", "version", "build") if isinstance(told.get(name), str)]
    plain = "".join(one if one.isprintable() else "?" for one in " ".join(named)[:WORDS_MOST])
    return f"; with {plain}, by the node's own word" if named else ""


def _gateway(read: Receipt, signature: object) -> Step:
    if not isinstance(signature, str) or not _SIGNATURE.fullmatch(signature):
        return Step("gateway", False, "the member signature is not 128 hexadecimal digits")
    if not receipt.is_issued(read, bytes.fromhex(signature)):
        return Step("gateway", False, "the receipt is not signed by the gateway key that it names")
    return Step(
        "gateway",
        True,
        f"{read.verdict}{_why(read)}{_of_several(read)}, {read.price} units,"
        f" by {read.gateway.hex()}",
    )


def _why(read: Receipt) -> str:
    """Return the receipt's reason why the work is not verified; '' without a reason."""
    return "" if read.reason is None else f" ({explain(read.reason)})"


def _of_several(read: Receipt) -> str:
    """Return a note for a chunk, whose verdict is from checks of only some frames; '' otherwise."""
    files = json_values.members(read.work.document["pixels"]).get("files")
    if type(files) is not int or files < 2 or read.verdict in _NOT_COMPARED:
        return ""
    return f", by a look at some of its {files} pictures"


def _picture(read: Receipt, picture: PictureFile) -> list[Step]:
    """Check that the file is the delivered file, or has the same pixels."""
    work = read.work
    same = (work.object, work.size) == (picture.sha256, picture.size)
    is_render = work.document["job_type"] == "render"
    is_other = picture.is_other and (is_render or work.pixels is not None or not same)
    if is_other and isinstance(picture.pixels, str):
        said = f"{picture.name} is not the picture that was signed: {picture.pixels}"
        return [Step("file", False, said)]
    if same:
        said = f"{picture.name} is the file that was delivered"
        if work.pixels is None or isinstance(picture.pixels, str):
            return [Step("file", True, said)]
    elif work.pixels is None or isinstance(picture.pixels, str):
        why = picture.pixels if isinstance(picture.pixels, str) else "the receipt has no pixel hash"
        said = f"{picture.name} is not the file that was delivered, and its pixels: {why}"
        return [Step("file", False, said)]
    else:
        said = f"{picture.name} is another file than the delivered one; its pixels are compared"
    holds, words = picture.pixels == work.pixels, "the pixels are those of the receipt"
    if not holds and (name := _among(work, picture.pixels)) is not None:
        holds, words = True, f"the pixels are those of {name} in the receipt"
    words = words + _looked(read) if holds else "the pixels differ from the receipt's"
    return [Step("file", True, said), Step("pixels", holds, words)]


def _looked(read: Receipt) -> str:
    """Return a note if only the node's statement connects these pixels with the scene, or ''."""
    return (
        "; only its node says so: the result was not compared with the scene"
        if read.verdict in _NOT_COMPARED
        else ""
    )


def _among(work: receipt.WorkStatement, pixels: bytes) -> str | None:
    """Return the name of the chunk's picture with these pixels.

    Return None without such a picture.
    """
    if not are_its_own(json_values.members(work.document["pixels"])):
        return None
    named = json_values.members(json_values.members(work.document["pixels"]).get("pictures"))
    return next((name for name, sha256 in named.items() if sha256 == pixels.hex()), None)


def _unproved(read: Receipt, entry: object, witness: KnownCheckpoint | None) -> list[Step]:
    if entry is not None and json_values.size(entry) is None:
        return [Step("entry", False, "entry_id must be a whole number")]
    steps: list[Step] = []
    if witness is not None:
        known = read.gateway == witness.verifier.public_key
        said = (
            "signed by the key that you know" if known else "signed by a key that you do not know"
        )
        steps.append(Step("key", known, said))
    free = "; the work cost nothing" if read.price == 0 else ""
    return [*steps, Step("log", True, f"no proof that the receipt is in the log{free}")]


def _entry(read: Receipt, entry: object, proof: object) -> Step:
    """Check that the entry in the log pays for this receipt."""
    found = json_values.members(proof)
    leaf = _fields(found.get("leaf"))
    if entry != found.get("entry_id") or type(entry) is not int:
        return Step("entry", False, "the proof is for another entry than the receipt's")
    if leaf.get("receipt") != read.hash.hex():
        return Step("entry", False, "the entry in the log pays for another receipt, or for none")
    kind, side, paid = leaf.get("kind"), found.get("side"), json_values.amount(leaf.get("amount"))
    if kind not in _PAYS:
        return Step("entry", False, f"an entry of the kind {kind} pays for nothing")
    if side != _PAYS[kind]:
        return Step("entry", False, f"the {side} of a transfer of the kind {kind} pays for nothing")
    good = paid == read.price if kind == "USAGE" else 0 < paid <= read.price
    if not good:
        return Step("entry", False, f"the entry has {paid} units, but the price is {read.price}")
    return Step("entry", True, f"entry {entry} pays for the receipt, in {_key(read, found)}")


def _key(read: Receipt, proof: Any) -> str:
    verifier = note.read_verifier(str(proof.get("verifier")))
    if isinstance(verifier, NoteRefused) or verifier.public_key != read.gateway:
        return (
            "a log with another key: the key was rotated since, or the log belongs to "
            "another gateway"
        )
    return "the log of the same key"


def _fields(leaf: object) -> dict[str, str]:
    lines = leaf.split("\n") if isinstance(leaf, str) else []
    return {name: rest for name, _, rest in (line.partition(" ") for line in lines)}
