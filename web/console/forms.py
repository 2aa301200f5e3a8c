"""Forms and queries of pages: parsers, and the errors of a refused form, which are shown on its
page.
"""

import re
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
from web.http.problem import Fault, Problem, invalid, sentence

MEDIA: Final = "application/x-www-form-urlencoded"
FIELDS_MAX: Final = 2_000
NOT_A_FORM: Final = Problem(415, f"A form must be sent as {MEDIA}")
STATUSES: Final = frozenset(
    {400, 402, 404, 409, 422}
)  # statuses of errors that the form's user can correct
ID_DIGITS: Final = 32
BEGINNING_LEAST: Final = 4  # digits of an id that may stand for it
BEGINNING: Final = re.compile(r"[0-9a-fA-F-]+")
CHARACTERS_MAX: Final = 2_000  # most characters of a field's value that the page shows again
WORDS: Final = {
    "a decimal string": "an amount",
    "an integer": "a whole number",
    "is required": "is missing",
}


def ids_of(words: Mapping[str, str], absent: Problem) -> dict[str, UUID] | Problem:
    """Return the UUIDs in the path, by their names in ``words``; 404 if one is malformed."""
    ids: dict[str, UUID] = {}
    for name, text in words.items():
        found = uuid_of(text)
        if found is None:
            return absent
        ids[name] = found
    return ids


def ids_beginning(text: str) -> tuple[UUID, UUID] | None:
    """Return the first and the last id that begin with the text; None if it is no beginning of an
    id, or too short.
    """
    digits = text.replace("-", "")
    if not BEGINNING.fullmatch(text) or not BEGINNING_LEAST <= len(digits) < ID_DIGITS:
        return None
    return UUID(digits.ljust(ID_DIGITS, "0")), UUID(digits.ljust(ID_DIGITS, "f"))


def readable(asked: MultiMapping[str]) -> MultiDict[str]:
    """Return the query in a form that a page can show.

    Characters that cannot be stored become U+FFFD.
    """
    return MultiDict((mended(name), mended(value)) for name, value in asked.items())


def query_of(asked: MultiMapping[str], kind: Any) -> Any:
    """Return the query as ``kind``, or a Problem."""
    if kind is None:
        return None
    read = structure_query(asked, kind)
    return invalid(read) if isinstance(read, list) else read


def params_of(asked: MultiMapping[str], kind: Any) -> Mapping[str, str]:
    """Return the query parameters that the page knows; other parameters are dropped from the page's
    address.
    """
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


class TypedValues(dict[str, str]):
    """The values that a user typed into a form; '' for absent fields.

    ``pairs``: all names and values, as boxes that were checked share a name.
    """

    pairs: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def of(cls, sent: Mapping[str, str]) -> "TypedValues":
        """Return the values of a form as sent."""
        typed = cls((name, text[:CHARACTERS_MAX]) for name, text in sent.items())
        typed.pairs = frozenset(sent.items())
        return typed

    def __missing__(self, name: str) -> str:
        return ""


@attrs.frozen
class FormErrors:
    """The errors of a form.

    ``said`` is about the whole form; it is '' if ``faults`` has an error for each wrong field.
    ``values``: the form as it was sent.
    """

    said: str
    faults: Mapping[str, str]
    values: TypedValues = attrs.field(repr=False)


def plain(fault: Fault) -> str:
    """Return a fault in plain words, without terms of the API.

    Pages show the words after the field's name, and end the sentence.
    """
    said = fault.message.rstrip(".")
    for api, people in WORDS.items():
        said = said.replace(api, people)
    return said


def named(fault: Fault) -> str:
    """Return the fault as a sentence, for places without the field's label."""
    words = fault.field.replace("_", " ").replace(".", ", ")
    return sentence(f"{words} {plain(fault)}".strip())


def refusal_of(problem: Problem, values: Mapping[str, str]) -> FormErrors:
    """Return the errors that the form's page shows for a refusal."""
    faults = {fault.field: plain(fault) for fault in problem.errors}
    return FormErrors("" if faults else problem.detail, faults, TypedValues.of(values))
