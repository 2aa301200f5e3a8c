"""The refusals of an operation, and their headers."""

from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import attrs

from rendertrust.api.refusal_code import RefusalCode, table
from rendertrust.value_types import Credits
from web.http.json_document import BYTES_MAX
from web.http.operations import Audience, Operation
from web.http.problem import Fault, Problem
from web.openapi.schemas import Schema

# Texts for the refusals that come from the steps which all operations share.
SHARED: Final = {
    400: "The request is not valid HTTP, its Host is not valid, or a header occurs twice",
    401: "Not authenticated, or the token is invalid or expired",
    408: "The body did not arrive in time",
    403: "The token is valid, but does not allow this",
    413: f"The body is larger than {BYTES_MAX} bytes",
    415: "The body is not plain JSON: application/json in UTF-8, without Content-Encoding",
    422: "The request is not valid: `errors` names the faults, 20 at most",
    429: "Too many requests, or too many open connections, streams or jobs",
    500: "Internal server error",
    503: "Not available now: a dependency is away, or the gateway is busy, starting or closing",
}
HEADERS: Final[dict[str, tuple[str, Schema]]] = {
    "X-Request-ID": ("The request's name in logs and problems.", {"type": "string"}),
    "WWW-Authenticate": ("The scheme, and what was wrong with the token.", {"type": "string"}),
    "Retry-After": ("Seconds to wait.", {"type": "integer", "minimum": 1}),
    "RateLimit-Limit": ("Requests per minute that are allowed.", {"type": "integer"}),
    "RateLimit-Remaining": (
        "Requests that are left in this period.",
        {"type": "integer", "minimum": 0},
    ),
    "RateLimit-Reset": (
        "Seconds until all requests of the limit are available again.",
        {"type": "integer", "minimum": 1},
    ),
    "Idempotency-Replayed": (
        "The answer is that of an earlier request with the same key.",
        {"const": "true"},
    ),
}
_NAMED: Final = ("X-Request-ID",)
RATE_LIMIT: Final = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
_OF_STATUS: Final[dict[int, tuple[str, ...]]] = {
    400: (),  # invalid HTTP has no request id yet
    401: (*_NAMED, "WWW-Authenticate"),
    429: (*_NAMED, *RATE_LIMIT, "Retry-After"),
    503: (*_NAMED, "Retry-After"),
}


@attrs.frozen
class Refusal:
    """A refused request; the members beside ``detail`` are those of RFC 9457.

    ``errors`` names the faults of an invalid request, 20 at most. ``given_up``, for an entry that
    is not in the ledger: the leaves that reopenings of the log gave up, if any. The entry may have
    been one of these leaves. Programs branch on ``code``; ``detail`` is for people and may change.
    ``underquoted``: ``frames`` take far more than their old ``price`` pays for, and cost about
    ``new_price`` as a separate job.
    """

    detail: str
    code: str
    type: str
    title: str
    status: int
    request_id: str


@attrs.frozen
class GivenUp:
    """Leaves that epoch ``epoch`` of the log, begun at ``time``, does not contain: ``first`` to
    ``last`` of the previous epoch.
    """

    epoch: int
    time: datetime
    first: int
    last: int


@attrs.frozen
class Shortfall(Refusal):
    """The available and the requested credits."""

    available: Credits
    requested: Credits


def refusals_of(operation: Operation) -> dict[int, str]:
    """Return every status of a refusal of this operation, and what the status means here."""
    statuses = [400, 429, 500, 503]
    if operation.audience is not Audience.PUBLIC:
        statuses += [401]
    if operation.audience not in (Audience.PUBLIC, Audience.NODE):
        statuses += [403]
    if operation.method != "GET":
        statuses += [408, 413, 415]
    if operation.method != "GET" or operation.query is not None:
        statuses += [422]
    found = {status: SHARED[status] for status in statuses}
    if "{" in operation.path:
        found[404] = operation.absent.detail
    return dict(sorted({**found, **operation.refusals}.items()))


def responses_of(operation: Operation) -> Schema:
    """Return the operation's refusals as responses; shared ones are references."""
    return {
        str(status): reference(status) if SHARED.get(status) == text else response(status, text)
        for status, text in refusals_of(operation).items()
    }


def reference(status: int) -> Schema:
    return {"$ref": f"#/components/responses/{name_of(status)}"}


def phrase(status: int) -> str:
    return HTTPStatus(status).phrase


def name_of(status: int) -> str:
    """Return a component's name; phrases differ between versions of Python."""
    return f"Refusal{status}"


def response(status: int, text: str) -> Schema:
    """Return one refusal: as JSON, or as RFC 9457's media type for clients that accept that."""
    kind = "Shortfall" if status == HTTPStatus.PAYMENT_REQUIRED else "Refusal"
    content = {
        "schema": {"$ref": f"#/components/schemas/{kind}"},
        "example": example(status, text),
    }
    return {
        "description": text,
        "headers": headers(*_OF_STATUS.get(status, _NAMED)),
        "content": {"application/json": content, "application/problem+json": content},
    }


def example(status: int, text: str) -> Schema:
    errors = (Fault("name", "missing", "is required"),) if status == 422 else ()
    amounts = {"available": "4.0000", "requested": "10.0000"} if status == 402 else {}
    return Problem(status, text, errors, extra=amounts).body("a1b2c3d4e5f60718")


def headers(*names: str) -> Schema:
    """Return references to the headers."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def header_components() -> Schema:
    return {
        name: {"description": text, "schema": schema, "required": name != "Idempotency-Replayed"}
        for name, (text, schema) in HEADERS.items()
    }


def response_components() -> Schema:
    return {name_of(status): response(status, text) for status, text in SHARED.items()}


def refusal_schemas(made: dict[str, Any]) -> dict[str, Any]:
    """Add to ``made`` the meanings of the codes, and members that only some refusals have."""
    words = f"Why the request was refused.\n\n| code | meaning |\n| --- | --- |\n{table()}"
    codes = [code.value for code in RefusalCode]
    made["RefusalCode"] = {"type": "string", "enum": codes, "description": words}
    faults = {"type": "array", "items": {"$ref": "#/components/schemas/Fault"}}
    for name in ("Refusal", "Shortfall"):
        made[name]["properties"]["errors"] = faults
        made[name]["properties"]["code"] = {"$ref": "#/components/schemas/RefusalCode"}
    gone = {"type": "array", "items": {"$ref": "#/components/schemas/GivenUp"}}
    made["Refusal"]["properties"]["given_up"] = gone
    amount = {"type": "string", "pattern": r"^[0-9]{1,14}\.[0-9]{4}$"}
    made["Refusal"]["properties"] |= {
        "frames": {"type": ["string", "null"]},
        "price": amount,
        "new_price": amount,
    }
    return made
