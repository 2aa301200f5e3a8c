"""Encoding of answers: JSON of attrs classes, and problems after RFC 9457."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar, cast
from uuid import UUID

import attrs
import orjson
from aiohttp import web

from rendertrust import money
from rendertrust.value_types import Credits
from web.http.problem import Problem

T = TypeVar("T")
AMOUNTS: Final = (Credits, Credits | None)  # pyright: ignore[reportOperatorIssue]
REQUEST_ID: Final = web.RequestKey("request_id", str)
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


def success(status: int, value: Any, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=encode(value), status=status, headers=headers, content_type=_JSON)


def refusal(request: web.BaseRequest, problem: Problem) -> web.Response:
    """Return the problem as JSON, or as ``application/problem+json`` if the client accepts it."""
    headers = dict(problem.headers)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers.setdefault("WWW-Authenticate", CHALLENGE)
    wants = _PROBLEM in request.headers.get("Accept", "")
    return web.Response(
        body=encode(problem.body(request.get(REQUEST_ID, ""))),
        status=problem.status,
        headers=headers,
        content_type=_PROBLEM if wants else _JSON,
    )


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
