"""Responses: JSON of attrs classes, problems after RFC 9457, and the headers of all responses."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar, cast
from uuid import UUID

import attrs
import orjson
from aiohttp import HttpVersion10, HttpVersion11, hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.helpers import rfc822_formatted_time
from multidict import istr

from rendertrust import money
from rendertrust.value_types import Credits
from web.http.problem import Problem
from web.http.rate_limits import RATE_STATE

T = TypeVar("T")
AMOUNTS: Final = (Credits, Credits | None)  # pyright: ignore[reportOperatorIssue]
REQUEST_ID: Final = web.RequestKey("request_id", str)
HEADER: Final = istr("X-Request-ID")
SERVER: Final = "rendertrust"
# Names in their final form, so that they need no case folding per response.
ALWAYS: Final = {
    istr("X-Content-Type-Options"): "nosniff",
    istr("X-Frame-Options"): "DENY",
    istr("Referrer-Policy"): "no-referrer",
    istr("Content-Security-Policy"): "default-src 'none'; frame-ancestors 'none'",
    istr("Cache-Control"): "no-store",
}
_OPTIONS = orjson.OPT_UTC_Z
_JSON = "application/json"
CHALLENGE: Final = 'Bearer realm="rendertrust"'  # RFC 9110: every 401 has one
_PROBLEM = "application/problem+json"


def from_row(kind: type[T], row: Any, /, **more: Any) -> T:
    """Return a ``kind`` with the row's attributes of the same names, and ``more``.

    Ids become texts, bytes hexadecimal, and amounts decimal strings.
    """
    fields: Iterable[attrs.Attribute[Any]] = attrs.fields(cast("Any", kind))
    same = (field for field in fields if field.name not in more and hasattr(row, field.name))
    return kind(**{field.name: _member(getattr(row, field.name), field) for field in same}, **more)


def _member(value: Any, field: "attrs.Attribute[Any]") -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, int) and field.type in AMOUNTS:
        return money.render(value)
    return value


def encode(value: Any) -> bytes:
    """Return JSON: attrs classes as objects, times in UTC with a Z."""
    return orjson.dumps(value, default=_plain, option=_OPTIONS)


class JsonResponse(web.StreamResponse):
    """A response whose head and JSON are written to the connection in one piece.

    ``web.Response`` builds the same head header by header, and costs four times as much.
    """

    def __init__(
        self,
        status: int,
        json: bytes,
        headers: Mapping[str, str] | None = None,
        media: str = _JSON,
    ) -> None:
        super().__init__(status=status, headers=headers)
        self._json = json
        self._media = media

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write the response, unless it is written. Raises ConnectionError."""
        if self._eof_sent:
            return None
        self._eof_sent = True
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        if not self._keep_alive and request.version == HttpVersion11:
            self._headers.setdefault(hdrs.CONNECTION, "close")
        elif self._keep_alive and request.version == HttpVersion10:
            self._headers.setdefault(hdrs.CONNECTION, "keep-alive")
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        head = self._head(request).encode()
        transport.write(head if request.method == hdrs.METH_HEAD else head + self._json)
        await request.writer.drain()
        return None

    def _head(self, request: web.BaseRequest) -> str:
        version, state, name = request.version, request.get(RATE_STATE), request.get(REQUEST_ID)
        own = self._own_lines() if self._headers or self._cookies else _ALWAYS
        rates = "" if state is None else state.lines
        id_ = "" if name is None else f"X-Request-ID: {name}\r\n"
        return (
            f"HTTP/{version.major}.{version.minor} {self._status} {self._reason}\r\n"
            f"Content-Type: {self._media}\r\nContent-Length: {len(self._json)}\r\n"
            f"Date: {rfc822_formatted_time()}\r\nServer: {SERVER}\r\n{own}{rates}{id_}\r\n"
        )

    def _own_lines(self) -> str:
        """Return the lines of ALWAYS and of this response's headers and cookies.

        Raises ValueError for a control character.
        """
        headers = self._headers.copy()
        for cookie in (self._cookies or {}).values():
            headers.add(hdrs.SET_COOKIE, cookie.output(header="")[1:])
        for name, value in ALWAYS.items():
            headers.setdefault(name, value)
        if not all(value.isprintable() for value in headers.values()):
            raise ValueError("a header has a control character")
        return _lines(headers)


def _lines(headers: Mapping[Any, str]) -> str:
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


_ALWAYS: Final = _lines(ALWAYS)


def success(status: int, value: Any, headers: Mapping[str, str] | None = None) -> JsonResponse:
    return JsonResponse(status, encode(value), headers)


def refusal(request: web.BaseRequest, problem: Problem) -> JsonResponse:
    """Return the problem as JSON, or as ``application/problem+json`` if the client accepts it."""
    headers = dict(problem.headers)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers.setdefault("WWW-Authenticate", CHALLENGE)
    wants = _PROBLEM in request.headers.get("Accept", "")
    body = encode(problem.body(request.get(REQUEST_ID, "")))
    return JsonResponse(problem.status, body, headers, _PROBLEM if wants else _JSON)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add headers before a response of aiohttp is sent; those of ALWAYS that are set stay."""
    headers = response.headers
    for name, value in ALWAYS.items():
        headers.setdefault(name, value)
    headers[hdrs.SERVER] = SERVER
    state = request.get(RATE_STATE)
    if state is not None:
        headers.update(state.headers())
    headers[HEADER] = request.get(REQUEST_ID, "")


_names: dict[type, tuple[tuple[str, bool], ...]] = {}


def _plain(value: Any) -> dict[str, Any] | str:
    if isinstance(value, UUID):
        return str(value)  # orjson does not know asyncpg's subclass of UUID
    kind: type[Any] = type(value)
    if kind not in _names:
        if not attrs.has(kind):
            raise TypeError(f"{kind.__name__} cannot be encoded as JSON")
        fields = attrs.fields(kind)
        _names[kind] = tuple((field.name, "absent" in field.metadata) for field in fields)
    members = ((name, getattr(value, name), may) for name, may in _names[kind])
    return {name: member for name, member, may in members if not (may and member is None)}
