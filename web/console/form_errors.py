"""A form that was refused, on its own page again: what was typed, and a word beside each field."""

from collections.abc import Mapping
from typing import Final

import attrs

from web.http.problem import Fault, Problem, sentence

STATUSES: Final = frozenset({400, 402, 404, 409, 422})  # of what somebody can mend in the form
CHARACTERS_MAX: Final = 2_000  # of what was typed in a field
WORDS: Final = {
    "a decimal string": "an amount",
    "an integer": "a whole number",
    "is required": "is missing",
}


class TypedValues(dict[str, str]):
    """What stood in each field; '' where nothing did."""

    def __missing__(self, name: str) -> str:
        return ""


@attrs.frozen
class FormErrors:
    """``said`` is about the form as a whole, '' where ``faults`` of its fields say all.

    ``values`` is the form as it came.
    """

    said: str
    faults: Mapping[str, str]
    values: TypedValues = attrs.field(repr=False)


def plain(fault: Fault) -> str:
    """What is wrong with a field, in words for people who read no API: it follows its name."""
    said = fault.message
    for api, people in WORDS.items():
        said = said.replace(api, people)
    return said


def named(fault: Fault) -> str:
    """The same as a sentence, where its field's label does not stand beside it."""
    words = fault.field.replace("_", " ").replace(".", ", ")
    return sentence(f"{words} {plain(fault)}".strip())


def refusal_of(problem: Problem, values: Mapping[str, str]) -> FormErrors:
    """What a page says of it."""
    faults = {fault.field: plain(fault) for fault in problem.errors}
    typed = TypedValues((name, text[:CHARACTERS_MAX]) for name, text in values.items())
    return FormErrors("" if faults else problem.detail, faults, typed)
