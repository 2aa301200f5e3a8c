"""A verifier of proofs and receipt files written from ``docs/PROOF-FORMATS.md`` alone, without our
code. Every function raises Refused if something is invalid.
"""

import base64
import json
import re
from hashlib import sha256
from typing import Any, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Json: TypeAlias = dict[str, Any]
LEAF = re.compile(
    r"rendertrust-transfer-v1\n"
    r"transfer ([1-9][0-9]*)\n"
    r"time [0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z\n"
    r"kind ([A-Z_]+)\n"
    r"amount ([1-9][0-9]*)\n"
    r"receipt (-|[0-9a-f]{64})\n"
    r"debit ([0-9a-f]{64})\n"
    r"credit ([0-9a-f]{64})\n"
)
PRIVATE = re.compile(
    r"account \S+\n"
    r"version [1-9][0-9]*\n"
    r"before (0|-?[1-9][0-9]*)\n"
    r"after (0|-?[1-9][0-9]*)\n"
    r'reference ("[ -~]*")\n'
    r'description ("[ -~]*")\n'
)
CHECKPOINT = re.compile(r"(\S+)\n(0|[1-9][0-9]*)\n(\S{44})\ntime \S{20}\n")
HASH = re.compile(r"[0-9a-f]{64}")
ANCHOR = ("anchor_tx_hash", "block_number", "chain_id", "contract", "anchor")
FILE = {"format", "receipt", "signature", "entry_id", "proof"}


class Refused(Exception):
    """The proof or the receipt is invalid."""


def need(holds: object, why: str) -> None:
    if not holds:
        raise Refused(why)


def verify_proof(proof: Any) -> Json:
    """Verify steps 1 to 3, 5 and 6; return kind, amount, receipt and side of the entry."""
    need(isinstance(proof, dict), "the proof is no object")
    whole = (proof.get("entry_id"), proof.get("leaf_index"), proof.get("tree_size"))
    need(all(type(one) is int and one >= 0 for one in whole), "a number is none")
    hashes = proof.get("proof_hashes")
    need(isinstance(hashes, list), "there are no hashes")
    for one in (proof.get("leaf_hash"), proof.get("merkle_root"), *hashes):
        need(isinstance(one, str) and HASH.fullmatch(one), "a hash is none")
    leaf = _leaf(proof)
    _inclusion(proof)
    _checkpoint(proof)
    if proof.get("opening") is not None:
        _opening(proof["opening"], leaf)
    if any(proof.get(name) is not None for name in ANCHOR):
        _anchor(proof)
    return leaf


def _leaf(proof: Json) -> Json:
    text = proof.get("leaf")
    found = LEAF.fullmatch(text) if isinstance(text, str) and text.isascii() else None
    need(found, "the leaf is malformed")
    assert found is not None
    transfer, kind, amount, receipt, debit, credit = found.groups()
    need(sha256(b"\0" + found[0].encode()).hexdigest() == proof["leaf_hash"], "another leaf")
    entry = proof["entry_id"]
    side, number = ("debit", (entry + 1) // 2) if entry % 2 else ("credit", entry // 2)
    need((proof.get("side"), transfer) == (side, str(number)), "the leaf is another entry's")
    signed = -int(amount) if side == "debit" else int(amount)
    sealed = {"debit": debit, "credit": credit}[side]
    return {"kind": kind, "amount": signed, "receipt": receipt, "side": side, "sealed": sealed}


def _inclusion(proof: Json) -> None:
    """RFC 9162, section 2.1.3.2."""
    at, last = proof["leaf_index"], proof["tree_size"] - 1
    need(at <= last, "the index is not below the size")
    current, sides = bytes.fromhex(proof["leaf_hash"]), list[str]()
    for one in proof["proof_hashes"]:
        need(last > 0, "there are too many hashes")
        sibling = bytes.fromhex(one)
        if at % 2 or at == last:
            current = sha256(b"\1" + sibling + current).digest()
            sides.append("left")
            while at and not at % 2:
                at, last = at >> 1, last >> 1
        else:
            current = sha256(b"\1" + current + sibling).digest()
            sides.append("right")
        at, last = at >> 1, last >> 1
    need(last == 0 and current.hex() == proof["merkle_root"], "the hashes lead elsewhere")
    need(sides == proof.get("directions"), "the directions are others")


def _checkpoint(proof: Json) -> None:
    text, name = _note(proof.get("checkpoint"), proof.get("verifier"))
    found = CHECKPOINT.fullmatch(text)
    need(found, "the note is no checkpoint")
    assert found is not None
    root = base64.b64encode(bytes.fromhex(proof["merkle_root"])).decode()
    need(found.groups() == (name, str(proof["tree_size"]), root), "the checkpoint is another")


def _opening(opening: Any, leaf: Json) -> None:
    need(isinstance(opening, dict) and opening.keys() == {"salt", "private"}, "no opening")
    salt, private = opening["salt"], opening["private"]
    need(isinstance(salt, str) and HASH.fullmatch(salt), "the salt is none")
    need(isinstance(private, str) and private.isascii(), "the private part is none")
    digest = sha256(bytes.fromhex(salt) + private.encode()).hexdigest()
    need(digest == leaf["sealed"], "the private part is not that of this side")
    found = PRIVATE.fullmatch(private)
    need(found, "the private part is malformed")
    assert found is not None
    need(int(found[2]) - int(found[1]) == leaf["amount"], "the balances differ by another amount")
    need(all(isinstance(json.loads(found[n]), str) for n in (3, 4)), "a text is none")


def _anchor(proof: Json) -> None:
    text, name = _note(proof.get("anchor"), proof.get("verifier"))
    numbers = proof.get("chain_id"), proof.get("block_number")
    need(all(type(one) is int for one in numbers), "a number of the anchor is none")
    lines = {
        "origin": name,
        "chain": numbers[0],
        "contract": proof.get("contract"),
        "size": proof["tree_size"],
        "root": proof["merkle_root"],
        "transaction": proof.get("anchor_tx_hash"),
        "block": numbers[1],
    }
    wanted = "".join(f"{key} {value}\n" for key, value in lines.items())
    need(text == f"rendertrust-anchor-v1\n{wanted}", "the anchor is another")


def _note(note: Any, verifier: Any) -> tuple[str, str]:
    """Return the text of a note that is signed by this verifier key, and the key's name."""
    need(isinstance(note, str) and isinstance(verifier, str), "there is no note or key")
    name, _, rest = verifier.partition("+")
    key_id, _, encoded = rest.partition("+")
    raw = _base64(encoded)
    need(len(raw) == 33 and raw[0] == 1, "the key is not of Ed25519")
    expected = sha256(name.encode("utf-8", "surrogatepass") + b"\n" + raw).digest()[:4]
    need(expected.hex() == key_id, "the key's id is another")
    text, found, lines = note.rpartition("\n\n")
    text, signed = text + "\n", 0
    need(found and lines.endswith("\n"), "the note has no signatures")
    for line in lines.removesuffix("\n").split("\n"):
        dash, by, value = (*line.split(" "), "", "", "")[:3]
        need(dash == "\u2014" and line.count(" ") == 2, "a signature line is malformed")
        content = _base64(value)
        if (by, content[:4]) == (name, expected):
            _signed(raw[1:], content[4:], text)
            signed += 1
    need(signed, "the key did not sign the note")
    return text, name


def _base64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Refused("no base64") from error
    need(base64.b64encode(raw).decode() == text, "base64 with spare bits")
    return raw


def _signed(key: bytes, signature: bytes, text: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, text.encode())
    except (InvalidSignature, ValueError) as error:
        raise Refused("a signature is invalid") from error


def verify_receipt_file(file: Any) -> None:
    """Verify a receipt's file with its proof, without the picture."""
    need(isinstance(file, dict) and file.keys() == FILE, "withdrawn, or no receipt's file")
    need(file["format"] == "rendertrust-receipt-file-v1", "the file has another format")
    receipt: Any = file["receipt"]
    need(isinstance(receipt, dict), "there is no receipt")
    work: Any = receipt.get("work")
    need(receipt.get("format") == "rendertrust-receipt-v1", "the receipt has another format")
    need(isinstance(work, dict) and work.get("format") == "rendertrust-work-v1", "no work")
    node: Any = work.get("node")
    need(isinstance(node, dict), "there is no node")
    _signed_json(node.get("key"), receipt.get("node_signature"), "rendertrust-work-v1", work)
    _signed_json(receipt.get("gateway"), file["signature"], "rendertrust-receipt-v1", receipt)
    entry, leaf = file["entry_id"], verify_proof(file["proof"])
    need(type(entry) is int and file["proof"]["entry_id"] == entry, "another entry's proof")
    need(leaf["receipt"] == sha256(_canonical(receipt)).hexdigest(), "another receipt is paid")
    paid, price = leaf["amount"], receipt.get("price")
    need(type(price) is int, "there is no price")
    creator = leaf["kind"] == "USAGE" and paid == -price
    operator = leaf["kind"] == "EARNING" and 0 < paid <= price
    need(creator or operator, "the entry does not pay for the receipt")


def _signed_json(key: Any, signature: Any, kind: str, document: Json) -> None:
    need(isinstance(key, str) and HASH.fullmatch(key), "the key is none")
    digits = isinstance(signature, str) and re.fullmatch("[0-9a-f]{128}", signature)
    need(digits, "the signature is none")
    text = f"{kind}\n{_canonical(document).decode()}"
    _signed(bytes.fromhex(key), bytes.fromhex(signature), text)


def _canonical(value: Any) -> bytes:
    _whole_numbers(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _whole_numbers(value: Any) -> None:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        _whole_numbers(part)
    if isinstance(value, int | float):
        need(isinstance(value, int) and abs(value) < 2**53, "a number is not whole, or too large")
