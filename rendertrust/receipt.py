"""Receipts: a node's signed statement of its work, within the gateway's signed statement.

Both statements are JSON objects in ``canonical`` form: sorted members, no blanks, only ASCII and
only whole numbers. ``docs/PROOF-FORMATS.md`` lists the members of both statements; examples are in
``tests/golden/files/receipts``.
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import attrs
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from rendertrust.json_values import Document
from rendertrust.node_key import weakness_of

WORK: Final = "rendertrust-work-v1"
RECEIPT: Final = "rendertrust-receipt-v1"
VERDICTS: Final = ("exact", "consistent", "sampled-out", "unverified", "unverifiable")
DRAWING: Final = "drawing"  # member of ``measured``: the graphics driver that drew the frame
# The receipt's member with the reason why a result is ``unverified`` or ``unverifiable``.
REASON: Final = "reason"
WHOLE_MAX: Final = 2**53 - 1  # JSON parsers disagree about larger numbers
PARAMETERS_BYTES_MAX: Final = 16 * 1024  # a receipt has only the hash of longer parameters
_WORK_MEMBERS: Final = frozenset(
    (
        *("format", "job", "unit", "attempt", "job_type", "inputs", "parameters", "renderer"),
        *("node", "pixels", "object", "begun", "ended", "measured"),
    )
)
_RECEIPT_MEMBERS: Final = frozenset(
    ("format", "gateway", "work", "node_signature", "verdict", "price", "issued")
)
_KEY: Final = re.compile(r"[0-9a-f]{64}")
_SIGNATURE: Final = re.compile(r"[0-9a-f]{128}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CODE: Final = re.compile(r"[a-z][a-z-]{0,39}")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")


@attrs.frozen
class WorkStatement:
    """A parsed ``work``: the node, its unit, and the result. ``document``: the complete ``work``.

    ``pixels``: SHA-256 over the decoded picture; None without a picture. ``object`` and ``size``:
    SHA-256 and size of the delivered file; None without a file.
    """

    document: Document = attrs.field(repr=False)
    job: str
    unit: int
    attempt: int
    node: str
    node_key: bytes
    pixels: bytes | None
    object: bytes | None
    size: int | None


@attrs.frozen
class Receipt:
    """A gateway's statement about a work.

    ``price``: in 1/10,000 credit; ``gateway``: its public key. ``reason`` is the cause if the work
    is unverified or unverifiable: a ``VerdictReason``, or a code of a later version.
    """

    document: Document = attrs.field(repr=False)
    work: WorkStatement
    node_signature: bytes
    gateway: bytes
    verdict: str
    price: int
    reason: str | None = None

    @property
    def hash(self) -> bytes:
        """Return the SHA-256 of the canonical form.

        The leaf of the entry that paid contains this hash.
        """
        return hashlib.sha256(canonical(self.document)).digest()


# ── canonical form ───────────────────────────────────────────────────────────────────────────────


def canonical(document: Document) -> bytes:
    """Return the bytes to hash and sign. Raises ValueError for values without canonical form."""
    _must_be_plain(document)
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return text.encode("ascii")


def plain(value: Any) -> Any:
    """Replace fractions and numbers above WHOLE_MAX by strings: ``0.5`` becomes ``"0.5"``."""
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(part) for part in value]
    if isinstance(value, float) or (isinstance(value, int) and abs(value) > WHOLE_MAX):
        return repr(value)
    return value


def _must_be_plain(value: Any) -> None:
    if isinstance(value, dict):
        for name, part in value.items():
            if not isinstance(name, str):
                raise ValueError("a member's name must be a string")
            _must_be_plain(part)
    elif isinstance(value, list):
        for part in value:
            _must_be_plain(part)
    elif type(value) is int:
        if abs(value) > WHOLE_MAX:
            raise ValueError("a whole number is too large")
    elif value is not None and type(value) not in (bool, str):
        raise ValueError(f"{type(value).__name__} has no canonical form")


def drawing_of(work: str | None) -> str | None:
    """Return the graphics driver that a signed ``work`` (JSON) names.

    Return None if ``work`` names no driver.
    """
    measured = None if work is None else json.loads(work).get("measured")
    found = measured.get(DRAWING) if isinstance(measured, dict) else None
    return found if isinstance(found, str) and found else None


def stamp(at: datetime) -> str:
    """Return a time as receipts contain it: UTC, with microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen(kw_only=True)
class CompletedWork:
    """The facts that a node knows about its completed work.

    ``inputs``: SHA-256 hashes in hexadecimal, as dispatched.
    """

    job: str
    unit: int
    attempt: int
    job_type: str
    inputs: tuple[str, ...]
    parameters: Mapping[str, Any]
    renderer: Mapping[str, str | None]  # name, version, build
    pixels: Mapping[str, Any] | None
    object: Mapping[str, Any] | None  # sha256, size
    begun: datetime
    ended: datetime
    measured: Mapping[str, Any] = attrs.field(factory=dict[str, Any])


def work_document(done: CompletedWork, node: str, key: Ed25519PublicKey) -> dict[str, Any]:
    """Return the ``work`` that a node signs."""
    return {
        "format": WORK,
        "job": done.job,
        "unit": done.unit,
        "attempt": done.attempt,
        "job_type": done.job_type,
        "inputs": list(done.inputs),
        "parameters": parameters_of(done.parameters),
        "renderer": plain(done.renderer),
        "node": {"id": node, "key": key.public_bytes_raw().hex()},
        "pixels": plain(done.pixels) if done.pixels is not None else None,
        "object": plain(done.object) if done.object is not None else None,
        "begun": stamp(done.begun),
        "ended": stamp(done.ended),
        "measured": plain(done.measured),
    }


def parameters_of(given: Mapping[str, Any]) -> Any:
    """Return the parameters for a ``work``; for long parameters, return only the hash.

    Raises ValueError if the parameters have no canonical form.
    """
    parameters = plain(given)
    encoded = canonical(parameters)
    if len(encoded) <= PARAMETERS_BYTES_MAX:
        return parameters
    return f"sha256:{hashlib.sha256(encoded).hexdigest()}"


def sign_work(work: Document, key: Ed25519PrivateKey) -> str:
    """Return the node's signature of a ``work``, in hexadecimal."""
    return key.sign(_signed(WORK, work)).hex()


def receipt_document(
    *,
    work: Document,
    node_signature: str,
    gateway: bytes,
    verdict: str,
    price: int,
    issued: datetime,
    reason: str | None = None,
) -> dict[str, Any]:
    """Return the ``receipt`` that a gateway signs."""
    return {
        **({} if reason is None else {REASON: reason}),
        "format": RECEIPT,
        "gateway": gateway.hex(),
        "work": dict(work),
        "node_signature": node_signature,
        "verdict": verdict,
        "price": price,
        "issued": stamp(issued),
    }


@attrs.frozen
class IssuedReceipt:
    """A receipt that its gateway signed, as canonical JSON. ``price``: in 1/10,000 credit."""

    document: str = attrs.field(repr=False)
    signature: bytes = attrs.field(repr=False)
    price: int
    hash: bytes = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "hash", hashlib.sha256(self.document.encode()).digest())


def issue(
    work: WorkStatement,
    node_signature: str,
    *,
    verdict: str,
    price: int,
    issued: datetime,
    key: tuple[bytes, Callable[[bytes], bytes]],
    reason: str | None = None,
) -> IssuedReceipt:
    """Return the signed receipt of a work. ``key``: the public key, and a function that signs."""
    document = receipt_document(
        work=work.document,
        node_signature=node_signature,
        gateway=key[0],
        verdict=verdict,
        price=price,
        issued=issued,
        reason=reason,
    )
    signature = key[1](receipt_message(document))
    return IssuedReceipt(canonical(document).decode(), signature, price)


def receipt_message(receipt: Document) -> bytes:
    """Return the bytes of a receipt that the gateway signs."""
    return _signed(RECEIPT, receipt)


def _signed(name: str, document: Document) -> bytes:
    return name.encode() + b"\n" + canonical(document)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def read_work(document: object) -> WorkStatement | str:
    """Parse a ``work``; a returned string says why the ``work`` is invalid. Checks no signature.

    Never raises.
    """
    if not isinstance(document, dict) or document.keys() != _WORK_MEMBERS:
        return f"it does not have the members of a {WORK}"
    fault = _form_of(document) or _fault_in(document)
    if fault is not None:
        return fault
    node, made, picture = document["node"], document["object"], document["pixels"]
    return WorkStatement(
        document=document,
        job=document["job"],
        unit=document["unit"],
        attempt=document["attempt"],
        node=node["id"],
        node_key=bytes.fromhex(node["key"]),
        pixels=None if picture is None else bytes.fromhex(picture["sha256"]),
        object=None if made is None else bytes.fromhex(made["sha256"]),
        size=None if made is None else made["size"],
    )


def read_receipt(document: object) -> Receipt | str:
    """Parse a ``receipt``; a returned string says why the ``receipt`` is invalid.

    Checks no signature. Never raises.
    """
    if not isinstance(document, dict) or frozenset(document) - {REASON} != _RECEIPT_MEMBERS:
        return f"it does not have the members of a {RECEIPT}"
    if document["format"] != RECEIPT:
        return f"it is not a {RECEIPT}"
    work = read_work(document["work"])
    if isinstance(work, str):
        return f"work: {work}"
    key, price = document["gateway"], document["price"]
    if not _is(_KEY, key):
        return "gateway is not a public key"
    weakness = weakness_of(bytes.fromhex(key))
    if weakness is not None:
        return f"gateway is {weakness}"
    if not _is(_SIGNATURE, document["node_signature"]):
        return "node_signature is not a signature"
    if document["verdict"] not in VERDICTS or not _is(_TIME, document["issued"]):
        return "verdict must be a known verdict, and issued a time"
    if type(price) is not int or not 0 <= price <= WHOLE_MAX:
        return "price must be a whole number"
    if REASON in document and not _is(_CODE, document[REASON]):
        return "reason must be a code"
    return Receipt(
        document,
        work,
        bytes.fromhex(document["node_signature"]),
        bytes.fromhex(key),
        document["verdict"],
        price,
        document.get(REASON),
    )


def is_signed(work: WorkStatement, signature: bytes) -> bool:
    """Return True if ``signature`` is the work's, by the node key that the work names."""
    return _holds(work.node_key, signature, _signed(WORK, work.document))


def is_issued(receipt: Receipt, signature: bytes) -> bool:
    """Return True if ``signature`` is the receipt's, by the gateway key that the receipt names."""
    return _holds(receipt.gateway, signature, receipt_message(receipt.document))


def _holds(key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _form_of(document: Document) -> str | None:
    try:
        canonical(document)
    except (ValueError, RecursionError) as fault:
        return f"it has no canonical form: {fault}"
    return None if document["format"] == WORK else f"it is not a {WORK}"


def _fault_in(work: Document) -> str | None:
    node, made, picture = work["node"], work["object"], work["pixels"]
    if not _is(_UUID, work["job"]):
        return "job must be a UUID"
    if not (_count(work["unit"]) and _count(work["attempt"]) and isinstance(work["job_type"], str)):
        return "unit and attempt must be whole numbers, job_type a string"
    if not isinstance(node, dict) or node.keys() != {"id", "key"} or not _is(_UUID, node["id"]):
        return "node must have an id and a key"
    if not _is(_KEY, node["key"]) or weakness_of(bytes.fromhex(node["key"])) is not None:
        return "the node's key is not a public key"
    if not isinstance(work["inputs"], list) or not all(_is(_KEY, one) for one in work["inputs"]):
        return "inputs must be SHA-256s"
    if made is not None and not _names_object(made):
        return "object must have a sha256 and a size"
    if picture is not None and (
        not isinstance(picture, dict) or not _is(_KEY, picture.get("sha256"))
    ):
        return "pixels must have a sha256"
    if not (_is(_TIME, work["begun"]) and _is(_TIME, work["ended"])):
        return "begun and ended must be times"
    return None


def _names_object(made: object) -> bool:
    if not isinstance(made, dict) or made.keys() != {"sha256", "size"}:
        return False
    return _is(_KEY, made["sha256"]) and _count(made["size"])


def _count(value: object) -> bool:
    return type(value) is int and 0 <= value <= WHOLE_MAX


def _is(form: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and form.fullmatch(value) is not None
