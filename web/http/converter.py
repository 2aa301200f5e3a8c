"""Converts bodies and query strings to attrs classes, strictly, and reports up to 20 faults."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from heapq import nsmallest
from itertools import islice
from typing import Annotated, Any, Literal, TypeVar, cast, get_args, get_origin
from uuid import UUID

import attrs
from cattrs import Converter
from cattrs.cols import list_structure_factory
from cattrs.errors import (
    AttributeValidationNote,
    BaseValidationError,
    ForbiddenExtraKeysError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn
from email_validator import EmailNotValidError, validate_email
from msgspec import Meta
from multidict import MultiMapping

from rendertrust.value_types import Limits
from web.http.json_document import INTEGER_MAX, writable
from web.http.problem import FAULTS_MAX, Fault

T = TypeVar("T")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_INTEGER = re.compile(
    r"-?(?=[0-9])0*+([0-9]*+)", re.ASCII
)  # a possessive pattern takes linear time for many zeros
_DIGITS_MAX = len(str(INTEGER_MAX))

Email = Annotated[str, Meta(max_length=254, extra_json_schema={"format": "email"})]


class InvalidValue(ValueError):
    """A value that its field refuses; the text is for people, the code for programs."""

    def __init__(self, message: str, code: str = "value") -> None:
        super().__init__(message)
        self.code = code


def structure(document: Mapping[str, Any], kind: type[T]) -> T | list[Fault]:
    """Return the body as an instance of ``kind``, or its faults, at most FAULTS_MAX."""
    return _structured(_STRICT, document, kind)


def structure_query(query: MultiMapping[str], kind: type[T]) -> T | list[Fault]:
    """Return a query string as an instance of ``kind``; unknown parameters are ignored.

    A field named ``from_`` is the parameter ``from``, which Python reserves.
    """
    fields = attrs.fields(cast("type[Any]", kind))
    named = {field.name: parameter_of(field.name) for field in fields}
    faults = [
        Fault(name, "duplicate", "is given more than once")
        for name in named.values()
        if len(query.getall(name, ())) > 1
    ]
    faults += [
        Fault(ascii(name)[1:-1], "value", "must not contain NUL or lone surrogates")
        for name, value in query.items()
        if not (writable(name) and writable(value))
    ]
    if faults:
        return faults
    known = {field: query[name] for field, name in named.items() if name in query}
    try:
        return _LAX.structure(known, kind)
    except BaseValidationError as error:
        found = islice(_faults(error, ""), FAULTS_MAX)
        return [attrs.evolve(fault, field=parameter_of(fault.field)) for fault in found]


def parameter_of(field: str) -> str:
    """Return the name of a field as a query parameter."""
    return field.removesuffix("_")


def uuid_of(text: str) -> UUID | None:
    """Return the UUID that ``text`` has in the usual form, otherwise None."""
    return UUID(text) if _UUID.fullmatch(text) else None


def _structured(converter: Converter, source: Mapping[str, Any], kind: type[T]) -> T | list[Fault]:
    try:
        return converter.structure(source, kind)
    except BaseValidationError as error:
        return list(islice(_faults(error, ""), FAULTS_MAX))


def _faults(error: BaseException, place: str) -> Iterator[Fault]:
    """Yield a fault for each leaf of cattrs' tree of exceptions, with its path."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        for inner in group.exceptions:
            yield from _faults(inner, _inner_place(inner, place))
    elif isinstance(error, ForbiddenExtraKeysError):
        for name in nsmallest(FAULTS_MAX, error.extra_fields):
            yield Fault(_join(place, name), "unknown", "is not a field of this request")
    elif isinstance(error, KeyError):
        yield Fault(place, "missing", "is required")
    elif isinstance(error, InvalidValue):
        yield Fault(place, error.code, str(error))
    else:
        raise error  # a bug, not a fault of the request


def _inner_place(error: BaseException, place: str) -> str:
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return _join(place, note.name)
        if isinstance(note, IterableValidationNote):
            return f"{place}[{note.index}]"
    return place


def _join(place: str, name: str) -> str:
    name = name if len(name) <= 100 else name[:100] + "…"
    return f"{place}.{name}" if place else name


# ── parsers by type ───────────────────────────────────────────────────────────────────────────────


def _text(value: Any, _: Any) -> str:
    if type(value) is not str:
        raise InvalidValue("must be a string", "type")
    return value


def _flag(value: Any, _: Any) -> bool:
    if type(value) is not bool:
        raise InvalidValue("must be true or false", "type")
    return value


def _whole(value: Any, _: Any) -> int:
    if type(value) is float:
        raise InvalidValue("must be an integer, written without fraction or exponent", "type")
    if type(value) is not int:
        raise InvalidValue("must be an integer", "type")
    if abs(value) > INTEGER_MAX:
        raise InvalidValue("is outside 64 bits")
    return value


def _number(value: Any, _: Any) -> float:
    if type(value) not in (int, float):
        raise InvalidValue("must be a number", "type")
    if not math.isfinite(value):
        raise InvalidValue("must be finite")
    return float(value)


def _uuid(value: Any, _: Any) -> UUID:
    uuid = uuid_of(_text(value, str))
    if uuid is None:
        raise InvalidValue("must be a UUID")
    return uuid


def _time(value: Any, _: Any) -> datetime:
    try:
        time = datetime.fromisoformat(_text(value, str))
    except ValueError as error:
        raise InvalidValue("must be a time in ISO 8601") from error
    if time.tzinfo is None:
        raise InvalidValue("must name its time zone, like 2026-03-01T00:00:00Z")
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise InvalidValue("must be between the years 1 and 9999 in UTC") from error


def _mapping(value: Any, _: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise InvalidValue("must be an object", "type")
    return cast("dict[str, Any]", value)


def _whole_text(value: Any, _: Any) -> int:
    found = _INTEGER.fullmatch(value)
    if found is None:
        raise InvalidValue("must be an integer", "type")
    digits = found[1] or "0"
    if len(digits) > _DIGITS_MAX or int(digits) > INTEGER_MAX:
        raise InvalidValue("is outside 64 bits")
    return -int(digits) if value.startswith("-") else int(digits)


def _flag_text(value: Any, _: Any) -> bool:
    if value not in ("true", "false"):
        raise InvalidValue("must be true or false", "type")
    return bool(value == "true")


def _bounded(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    """Return the parser of a type with limits; the published schema has the same limits."""
    base, *metas = get_args(kind)
    inner = converter.get_structure_hook(base)
    bounds = [meta for meta in metas if isinstance(meta, Meta | Limits)]

    def read(value: Any, _: Any) -> Any:
        if type(value) is list:
            for meta in bounds:
                _counted(
                    value, meta
                )  # the number is checked before the items are read, as there may be a million
        value = inner(value, base)
        for meta in bounds:
            value = _checked(value, meta)
        return value

    return read


def _counted(value: Any, meta: Meta | Limits) -> None:
    unit = "character" if type(value) is str else "item"
    if meta.min_length is not None and len(value) < meta.min_length:
        raise InvalidValue(f"must have at least {_several(meta.min_length, unit)}")
    if meta.max_length is not None and len(value) > meta.max_length:
        raise InvalidValue(f"must have at most {_several(meta.max_length, unit)}")


def _checked(value: Any, meta: Meta | Limits) -> Any:
    number: Any = value
    _counted(value, meta)
    if meta.ge is not None and number < meta.ge:
        raise InvalidValue(f"must be at least {meta.ge}")
    if meta.le is not None and number > meta.le:
        raise InvalidValue(f"must be at most {meta.le}")
    if meta.pattern is not None and not re.fullmatch(meta.pattern, value, re.ASCII):
        raise InvalidValue(f"must be {meta.description}")
    if isinstance(meta, Meta) and (meta.extra_json_schema or {}).get("format") == "email":
        return _email(value)
    return value


def _several(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _email(value: str) -> str:
    try:
        return validate_email(value, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise InvalidValue(f"is not an e-mail address: {error}") from error


def _list(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    """Return the parser of a JSON array; cattrs alone accepts any iterable, even a string."""
    inner = list_structure_factory(kind, converter)

    def read(value: Any, _: Any) -> Any:
        if type(value) is not list:
            raise InvalidValue("must be an array", "type")
        return inner(value, kind)

    return read


def _literal(kind: Any) -> Callable[[Any, Any], Any]:
    allowed = get_args(kind)

    def read(value: Any, _: Any) -> Any:
        if type(value) is not str or value not in allowed:
            raise InvalidValue(f"must be one of {', '.join(filter(None, allowed))}")
        return value

    return read


def _record(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    inner = make_dict_structure_fn(
        kind, converter, _cattrs_detailed_validation=True, _cattrs_forbid_extra_keys=True
    )

    def read(value: Any, _: Any) -> Any:
        if type(value) is not dict:
            raise InvalidValue("must be an object", "type")
        return inner(cast("dict[str, Any]", value), kind)

    return read


def _is(origin: Any) -> Callable[[Any], bool]:
    return lambda kind: get_origin(kind) is origin


def _has_meta(kind: Any) -> bool:
    metas = get_args(kind)[1:]
    return get_origin(kind) is Annotated and any(isinstance(a, Meta | Limits) for a in metas)


def _strict() -> Converter:
    converter = Converter(detailed_validation=True, forbid_extra_keys=True)
    for kind, hook in ((str, _text), (bool, _flag), (int, _whole), (float, _number)):
        converter.register_structure_hook(kind, hook)
    converter.register_structure_hook(UUID, _uuid)
    converter.register_structure_hook(datetime, _time)
    converter.register_structure_hook_func(_is(dict), _mapping)
    converter.register_structure_hook_factory(_is(list), _list)
    converter.register_structure_hook_factory(_is(Literal), _literal)
    converter.register_structure_hook_factory(attrs.has, _record)
    converter.register_structure_hook_factory(_has_meta, _bounded)
    return converter


def _lax() -> Converter:
    converter = Converter(detailed_validation=True)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(int, _whole_text)
    converter.register_structure_hook(bool, _flag_text)
    converter.register_structure_hook(UUID, _uuid)
    converter.register_structure_hook(datetime, _time)
    converter.register_structure_hook_factory(_is(Literal), _literal)
    converter.register_structure_hook_factory(_has_meta, _bounded)
    return converter


_STRICT = _strict()
_LAX = _lax()
