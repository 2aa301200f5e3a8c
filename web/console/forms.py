"""Parses the inputs of pages and actions: path ids, query and form."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID

import attrs
from aiohttp import web
from multidict import MultiDict, MultiMapping

from web.http.body import read_bytes
from web.http.converter import parameter_of, structure_query, uuid_of
from web.http.json_document import mended
from web.http.problem import Problem, invalid

MEDIA: Final = "application/x-www-form-urlencoded"
FIELDS_MAX: Final = 2_000
NOT_A_FORM: Final = Problem(415, f"A form must be sent as {MEDIA}")


def ids_of(words: Mapping[str, str], absent: str) -> dict[str, UUID] | Problem:
    """Return the UUIDs of the path, by the names in ``words``; 404 if one is malformed."""
    ids: dict[str, UUID] = {}
    for name, text in words.items():
        found = uuid_of(text)
        if found is None:
            return Problem(404, absent)
        ids[name] = found
    return ids


def readable(asked: MultiMapping[str]) -> MultiDict[str]:
    """Return the query as a page can show it; characters that cannot be stored become U+FFFD."""
    return MultiDict((mended(name), mended(value)) for name, value in asked.items())


def query_of(asked: MultiMapping[str], kind: Any) -> Any:
    """Return the query as ``kind``, or a Problem."""
    if kind is None:
        return None
    read = structure_query(asked, kind)
    return invalid(read) if isinstance(read, list) else read


def params_of(asked: MultiMapping[str], kind: Any) -> Mapping[str, str]:
    """Return the query parameters that the page knows; others are dropped from its address."""
    if kind is None:
        return {}
    names = (parameter_of(field.name) for field in attrs.fields(kind))
    return {name: asked[name] for name in names if asked.get(name)}


async def form_of(request: web.Request, within: float) -> MultiDict[str] | Problem:
    """Return the fields of a form, which may repeat names."""
    raw = await read_bytes(request, within)
    if isinstance(raw, Problem):
        return raw
    if raw and request.content_type != MEDIA:
        return NOT_A_FORM
    try:
        pairs = parse_qsl(
            raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX
        )
    except ValueError:
        return Problem(422, "The form is malformed")
    return MultiDict(pairs)
