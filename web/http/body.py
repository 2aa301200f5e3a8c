"""Reading a request's body: bounded in size and time, JSON alone."""

import asyncio
import hashlib
from http import HTTPStatus
from itertools import islice
from typing import Any, cast

from aiohttp import web

from web.http.converter import structure
from web.http.json_document import BYTES_MAX, Document, parse, unwritable, writable
from web.http.problem import FAULTS_MAX, Fault, Problem, invalid
from web.http.refusal_code import RefusalCode

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
    """The body as it was sent; 413, 415 or 408 when it must not be read or does not arrive."""
    if request.headers.get("Content-Encoding"):
        return Problem(
            415,
            "The body must be sent without Content-Encoding",
            code=RefusalCode.CONTENT_ENCODING_REFUSED,
        )
    if request.content_length is not None and request.content_length > BYTES_MAX:
        return TOO_LARGE
    try:
        async with asyncio.timeout(within):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        return TOO_LARGE
    except TimeoutError:
        return TOO_SLOW


async def read_document(request: web.Request, within: float) -> Document | Problem:
    """The JSON object of the body; no body at all reads as ``{}``."""
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
    """The document as the attrs class ``kind``; without a class nothing may stand in it."""
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
    """SHA-256 of what is asked: the same request sent again has the same one."""
    head = f"{request.method} {request.path}\n".encode()
    return hashlib.sha256(head + await request.read()).digest()
