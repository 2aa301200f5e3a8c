"""``Idempotency-Key``: a repeated request gets the first answer again; another request with the
same key gets 422.
"""

import re
from typing import Any

import attrs

from rendertrust.api.refusal_code import RefusalCode
from sql.jobs import StoredAnswer
from web.http.operations import Answer, Call
from web.http.problem import Fault, Problem, invalid

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
REPLAYED = {"Idempotency-Replayed": "true"}
OTHER_REQUEST = attrs.evolve(
    invalid([Fault(HEADER, "conflict", "was used for another request")]),
    code=RefusalCode.IDEMPOTENCY_CONFLICT,
)


def key_of(call: Call[Any, Any]) -> tuple[str, bytes] | Problem | None:
    """Return the key and the digest of the request; None without the header."""
    key = call.request.headers.get(HEADER)
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        return invalid([Fault(HEADER, "value", "must be 1 to 255 visible ASCII characters")])
    assert call.digest, "an operation that takes the key declares idempotency=True"
    return key, call.digest


def answered_before(kept: StoredAnswer, key: tuple[str, bytes]) -> Answer | Problem:
    """Return the stored answer, whatever has changed since then.

    If two requests with a new key come at once, the ledger's transaction accepts one of them.
    """
    return replay(kept.answer) if kept.request == key[1] else OTHER_REQUEST


def replay(answer: dict[str, Any]) -> Answer:
    """Return the answer that was stored as ``{status, body}``."""
    return Answer(int(answer["status"]), answer["body"], REPLAYED)
