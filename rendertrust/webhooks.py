"""Signing and verification of webhooks (Standard Webhooks).

    event = webhooks.read(body, request.headers, "whsec_…")   # raises InvalidSignature

A signature is ``v1,`` and the base64 of HMAC-SHA256 over
``{webhook-id}.{webhook-timestamp}.{body}``. During the rotation of a secret, a webhook has two
signatures. ``webhook-id`` is the same in every attempt of a delivery. A receiver that stores the
ids can handle each event only once.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
PREFIX: Final = "whsec_"
TOLERANCE_SECONDS: Final = 300
# types of events that webhooks deliver
EVENTS: Final[Mapping[str, str]] = {
    "job.queued": "A job waits for nodes.",
    "job.dispatched": "A node got the first unit of a job.",
    "job.running": "A node began to work on a job.",
    "job.paused": "A job was paused.",
    "job.completed": "All units of a job are completed.",
    "job.failed": "A job has ended with failed units.",
    "job.cancelled": "A job was cancelled.",
    "unit.assigned": "A unit was given to a node.",
    "unit.running": "A node began to work on a unit.",
    "unit.verifying": "A unit's result waits for its verdict.",
    "unit.completed": "A unit's result was accepted.",
    "unit.failed": "A unit has failed.",
    "unit.cancelled": "A unit was cancelled.",
    "unit.retried": "A unit waits for another attempt.",
    "unit.copied": "A second node tries a unit, too.",
    "unit.thumbnail": "A small picture of a frame is available.",
}


class InvalidSignature(Exception):
    """The webhook's signature is missing, wrong or too old. Ignore the request and answer 400."""


def secret_text(secret: bytes) -> str:
    """Return a secret as people copy it: ``whsec_`` and base64."""
    return PREFIX + base64.b64encode(secret).decode()


def secret_bytes(text: str) -> bytes:
    """Decode a copied secret. Raises ValueError if the text is not base64."""
    try:
        return base64.b64decode(text.strip().removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("not the secret of a webhook endpoint, like whsec_…") from error


def signature(secret: bytes, id_: str, timestamp: int, body: bytes) -> str:
    """Return one signature: ``v1,`` and base64."""
    content = f"{id_}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()


def headers_for(secrets: Sequence[bytes], id_: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a delivery, signed with each of the secrets."""
    signatures = [signature(secret, id_, timestamp, body) for secret in secrets]
    return {ID: id_, TIMESTAMP: str(timestamp), SIGNATURE: " ".join(signatures)}


def read(
    body: bytes, headers: Mapping[str, str], secret: str, *, now: float | None = None
) -> dict[str, Any]:
    """Verify a webhook and return its event.

    ``body`` has the raw bytes of the request. The names in ``headers`` may have any case. Raises
    InvalidSignature, and ValueError if ``secret`` is malformed.
    """
    given = {name.lower(): value for name, value in headers.items()}
    id_, said, signatures = (given.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
    if not (said.isascii() and said.isdigit() and len(said) < 16):
        raise InvalidSignature(f"{TIMESTAMP} is missing or invalid")
    if abs((time.time() if now is None else now) - int(said)) > TOLERANCE_SECONDS:
        raise InvalidSignature("the timestamp is too old, or in the future")
    ours = signature(secret_bytes(secret), id_, int(said), body).encode()
    if not any(hmac.compare_digest(ours, one.encode()) for one in signatures.split()):
        raise InvalidSignature("no signature matches")
    try:
        event = json.loads(body)
    except ValueError as error:
        raise InvalidSignature("the body is not JSON") from error
    if not isinstance(event, dict):
        raise InvalidSignature("the body is not an event")
    return event
