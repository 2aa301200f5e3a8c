"""Refused forms: the page is shown again with the typed values and a message beside each field."""

from collections.abc import Mapping
from typing import Final

import attrs

from web.http.problem import Fault, Problem, sentence

STATUSES: Final = frozenset(
    {400, 402, 404, 409, 422}
)  # statuses of errors that the form's user can correct
CHARACTERS_MAX: Final = 2_000  # limit of a field's repeated value
WORDS: Final = {
    "a decimal string": "an amount",
    "an integer": "a whole number",
    "is required": "is missing",
}


class TypedValues(dict[str, str]):
    """The typed values; '' for absent fields."""

    def __missing__(self, name: str) -> str:
        return ""


@attrs.frozen
class FormErrors:
    """The errors of a form. ``said`` is about the whole form, or '' if ``faults`` says everything.

    ``values`` is the form as it was sent.
    """

    said: str
    faults: Mapping[str, str]
    values: TypedValues = attrs.field(repr=False)


def plain(fault: Fault) -> str:
    """Return a fault in plain words, without terms of the API; it follows the field's name."""
    said = fault.message
    for api, people in WORDS.items():
        said = said.replace(api, people)
    return said


def named(fault: Fault) -> str:
    """Return the fault as a sentence, where the field's label is not beside it."""
    words = fault.field.replace("_", " ").replace(".", ", ")
    return sentence(f"{words} {plain(fault)}".strip())


def refusal_of(problem: Problem, values: Mapping[str, str]) -> FormErrors:
    """Return what a page shows about the refusal."""
    faults = {fault.field: plain(fault) for fault in problem.errors}
    typed = TypedValues((name, text[:CHARACTERS_MAX]) for name, text in values.items())
    return FormErrors("" if faults else problem.detail, faults, typed)
