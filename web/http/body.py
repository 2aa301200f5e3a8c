"""Reading of request bodies: JSON only, limited in size and time."""

import asyncio
import hashlib
from http import HTTPStatus
from itertools import islice
from typing import Any, cast

from aiohttp import web

from rendertrust.api.refusal_code import RefusalCode
from web.http.converter import structure
from web.http.json_document import BYTES_MAX, Document, parse, unwritable, writable
from web.http.problem import FAULTS_MAX, Fault, Problem, invalid

TOO_LARGE = Problem(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    f"The body is larger than {BYTES_MAX} bytes",
    headers={"Connection": "close"},
    code=RefusalCode.BODY_TOO_LARGE,
)
TOO_SLOW = Problem(
    HTTPStatus.REQUEST_TIMEOUT,
    "The body did not arrive in time",
    headers={"Connection": "close"},
    code=RefusalCode.BODY_TOO_SLOW,
)


async def read_bytes(request: web.Request, within: float) -> bytes | Problem:
    """Return the body as sent; 413 or 415 if the body is refused, 408 if it does not arrive in
    time.
    """
    if request.headers.get("Content-Encoding"):
        return Problem(
            415,
            "The body must be sent without Content-Encoding",
            code=RefusalCode.CONTENT_ENCODING_REFUSED,
        )
    if request.content_length is not None and request.content_length > BYTES_MAX:
        return TOO_LARGE
    try:
        if request.content.is_eof():  # most bodies come with the head, and need no timer
            return await request.read()
        async with asyncio.timeout(within):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        return TOO_LARGE
    except TimeoutError:
        return TOO_SLOW


async def read_document(request: web.Request, within: float) -> Document | Problem:
    """Return the JSON object of the body; an empty body is read as ``{}``."""
    raw = await read_bytes(request, within)
    if isinstance(raw, Problem):
        return raw
    if not raw:
        return {}
    if request.content_type != "application/json":
        return Problem(
            415, "The body must be application/json", code=RefusalCode.CONTENT_TYPE_REFUSED
        )
    if (request.charset or "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        return Problem(415, "The body must be UTF-8", code=RefusalCode.CONTENT_TYPE_REFUSED)
    document = parse(raw)
    return invalid([document]) if isinstance(document, Fault) else document


def read_body(document: Document, kind: Any) -> Any:
    """Return the document as the attrs class ``kind``.

    Without a class the document must be empty.
    """
    faults = list(islice(unwritable(document), FAULTS_MAX))
    read = _structure(document, kind)
    if isinstance(read, list):
        told = {fault.field for fault in faults}
        faults += [
            f for f in cast("list[Fault]", read) if f.field not in told and writable(f.field)
        ]
    return invalid(faults) if faults else read


def _structure(document: Document, kind: Any) -> Any:
    if kind is not None:
        return structure(document, kind)
    unknown = islice(document, FAULTS_MAX)
    return [Fault(name, "unknown", "is not a field of this request") for name in unknown] or None


async def digest_of(request: web.Request) -> bytes:
    """Return a SHA-256 of method, path and body, by which a repeated request is recognised."""
    head = f"{request.method} {request.path}\n".encode()
    return hashlib.sha256(head + await request.read()).digest()
