"""A form that was refused, on its own page again: what was typed, and a word beside each field."""

from collections.abc import Mapping
from typing import Final

import attrs

from web.http.problem import Problem

STATUSES: Final = frozenset({400, 402, 404, 409, 422})  # of what somebody can mend in the form
CHARACTERS_MAX: Final = 2_000  # of what was typed in a field


@attrs.frozen
class Refusal:
    """``said`` is about the form as a whole, '' where ``faults`` of its fields say all.

    ``values`` is the form as it came.
    """

    said: str
    faults: Mapping[str, str]
    values: Mapping[str, str] = attrs.field(repr=False)


def refusal_of(problem: Problem, values: Mapping[str, str]) -> Refusal:
    """What a page says of it."""
    faults = {fault.field: fault.message for fault in problem.errors}
    typed = {name: text[:CHARACTERS_MAX] for name, text in values.items()}
    return Refusal("" if faults else problem.detail, faults, typed)
