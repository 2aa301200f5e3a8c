"""Answers from JSON: tolerant of fields that are added, strict about those that are promised."""

import math
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import cattrs

from rendertrust.client.errors import BadAnswer

Kind = TypeVar("Kind")


def _time(value: object, _: type[datetime]) -> datetime:
    if not isinstance(value, str):
        raise TypeError("no time")
    time = datetime.fromisoformat(value)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _exactly(value: object, kind: type[Kind]) -> Kind:
    if type(value) is not kind:
        raise TypeError(f"no {kind.__name__}")
    return value


def _number(value: object, _: type[float]) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError("no number")
    return float(value)


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(detailed_validation=False)
    converter.register_structure_hook(datetime, _time)
    converter.register_structure_hook(float, _number)
    for kind in (str, int, bool):
        converter.register_structure_hook(kind, _exactly)
    return converter


_CONVERTER: Final = _converter()


def read(kind: type[Kind], body: Any) -> Kind:
    """``body``, which was JSON, as a ``kind``; BadAnswer when it is none."""
    try:
        return _CONVERTER.structure(body, kind)
    except Exception as error:  # whatever a hostile or foreign answer makes of the converter
        raise BadAnswer(f"The answer is no {kind.__name__}: {error!r}"[:300]) from error
