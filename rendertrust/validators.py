"""attrs validators for relay frames; they check type, length and range at once.

Each validator raises ValueError with the field's name and the fault. The text never contains the
value, which may be secret or hostile.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]
DEPTH_MAX = 16


def _refuse(attribute: "attrs.Attribute[Any]", reason: str) -> ValueError:
    return ValueError(f"{attribute.name}: {reason}")


def is_clean(value: str) -> bool:
    """Return True if ``value`` has no NUL and no lone surrogate.

    Databases and UTF-8 refuse such characters.
    """
    if value.isascii():
        return "\0" not in value
    return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)


def text(most: int, *, least: int = 1) -> Validator:
    """Accept a clean string of ``least`` to ``most`` characters."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, str):
            raise _refuse(attribute, "must be a string")
        if not least <= len(value) <= most:
            raise _refuse(attribute, f"must have {least} to {most} characters")
        if not is_clean(value):
            raise _refuse(attribute, "must not contain NUL or lone surrogates")

    return check


def hexadecimal(length: int) -> Validator:
    """Accept exactly ``length`` lower-case hexadecimal digits."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, str) or len(value) != length or set(value) - set(_HEX):
            raise _refuse(attribute, f"must be {length} lower-case hexadecimal digits")

    return check


_HEX = "0123456789abcdef"


def device_class_form(most: int) -> Validator:
    """Accept the kind of a device, and after it parts like an instruction set and a build."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, str):
            raise _refuse(attribute, "must be a string")
        if len(value) > most or _DEVICE_CLASS.fullmatch(value) is None:
            raise _refuse(
                attribute,
                f"must be at most {most} characters like cpu/x86_64/avx2/e13b728c6880: a kind that "
                "begins with a lower-case letter, and after each slash letters, digits or .:_=+-",
            )

    return check


_DEVICE_CLASS = re.compile("[a-z][a-z0-9.:_=+-]*(/[A-Za-z0-9.:_=+-]+)*")


def hexadecimals(most: int, length: int) -> Validator:
    """Accept a tuple of at most ``most`` strings of exactly ``length`` hexadecimal digits."""
    return _tuple_of(hexadecimal(length), most)


def integer(least: int, most: int) -> Validator:
    """Accept a whole number from ``least`` to ``most``, but not true or 1.0."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if type(value) is not int or not least <= value <= most:
            raise _refuse(attribute, f"must be a whole number from {least} to {most}")

    return check


def number(least: float, most: float) -> Validator:
    """Accept a finite number from ``least`` to ``most``."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if type(value) not in (int, float) or not least <= value <= most:  # NaN compares false
            raise _refuse(attribute, f"must be a number from {least} to {most}")

    return check


def one_of(*choices: str) -> Validator:
    """Accept one of ``choices``."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, str) or value not in choices:
            raise _refuse(attribute, f"must be one of {', '.join(choices)}")

    return check


def several(kind: type, most: int) -> Validator:
    """Accept a tuple of at most ``most`` values of ``kind``."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, tuple) or len(value) > most:
            raise _refuse(attribute, f"must be a list of at most {most}")
        if not all(isinstance(item, kind) for item in value):
            raise _refuse(attribute, f"must contain only {kind.__name__}")

    return check


def texts(most: int, length: int) -> Validator:
    """Accept a tuple of at most ``most`` clean strings of 1 to ``length`` characters."""
    return _tuple_of(text(length), most)


def integers(most: int, least: int, greatest: int) -> Validator:
    """Accept a tuple of at most ``most`` whole numbers from ``least`` to ``greatest``."""
    return _tuple_of(integer(least, greatest), most)


def _tuple_of(check_one: Validator, most: int) -> Validator:
    def check(instance: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, tuple) or len(value) > most:
            raise _refuse(attribute, f"must be a list of at most {most}")
        for item in value:
            check_one(instance, attribute, item)

    return check


def headers(most: int, length: int) -> Validator:
    """Accept a mapping of at most ``most`` HTTP headers.

    Names and values must be printable, and have at most ``length`` characters each.
    """

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, Mapping) or len(value) > most:
            raise _refuse(attribute, f"must be an object of at most {most} members")
        for word in (*value.keys(), *value.values()):
            if not isinstance(word, str) or len(word) > length or not word.isprintable():
                raise _refuse(
                    attribute, f"must have printable strings of at most {length} characters"
                )

    return check


def json_object(most: int) -> Validator:
    """Accept a JSON object with at most ``most`` names and values in total.

    Numbers must be finite, strings clean, and nesting is limited to DEPTH_MAX.
    """

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, Mapping):
            raise _refuse(attribute, "must be an object")
        if (fault := _fault_in(value, most)) is not None:
            raise _refuse(attribute, fault)

    return check


def _fault_in(value: Any, most: int) -> str | None:
    """Return what is wrong with a JSON value; None if nothing is wrong.

    The function walks level by level to avoid recursion.
    """
    level: list[Any] = [value]
    seen = 0
    for _ in range(DEPTH_MAX):
        below: list[Any] = []
        for item in level:
            if not _is_json_leaf(item) and not isinstance(item, (Mapping, Sequence)):
                return "must hold JSON values only, finite and clean"
            below.extend(_children(item))
        seen += len(below)
        if seen > most:
            return f"must hold at most {most} values"
        if not below:
            return None
        level = below
    return f"must not be nested deeper than {DEPTH_MAX}"


def _children(item: Any) -> Sequence[Any]:
    if isinstance(item, Mapping):
        return [*item.keys(), *item.values()]
    return [] if isinstance(item, (str, bytes)) or not isinstance(item, Sequence) else item


def _is_json_leaf(item: Any) -> bool:
    if isinstance(item, str):
        return is_clean(item)
    if isinstance(item, float):
        return math.isfinite(item)
    return item is None or isinstance(item, (bool, int))
