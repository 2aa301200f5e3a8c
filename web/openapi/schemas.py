"""JSON Schemas of the attrs classes of requests and answers."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias, cast, get_args

import attrs
import msgspec

from rendertrust.value_types import Doc, Limits
from web.http.converter import parameter_of

Schema: TypeAlias = dict[str, Any]
TEMPLATE: Final = "#/components/schemas/{name}"
MODELS: Final = "rendertrust."
# Models whose names in the document and in the client differ.
NAMES: Final[Mapping[str, str]] = {
    "ApiKey": "Key",
    "ApiKeys": "KeyList",
    "AttemptLog": "Attempt",
    "CreatedApiKey": "CreatedKey",
    "Deliveries": "DeliveryList",
    "EarningTotals": "ShareTotals",
    "Earnings": "Shares",
    "Hooks": "HookList",
    "JobSpec": "JobIdea",
    "KeptUpload": "Kept",
    "KeptUploads": "Storage",
    "LentNode": "Lent",
    "LogCheckpoint": "NewestCheckpoint",
    "OrganisationPage": "Whole",
    "ResultUrl": "Result",
    "Sessions": "SessionList",
    "Tokens": "TokenPair",
    "TrustedPeople": "TrustedList",
    "Units": "UnitList",
    "Waiting": "Reason",
}


class SameName(Exception):
    """Two classes would become one component: rename one, or separate requests from answers."""


def components(requests: Iterable[Any], answers: Iterable[Any]) -> dict[str, Schema]:
    """Return the schemas of all classes that ``requests`` and ``answers`` lead to, by name.

    Requests accept no members other than those shown. Answers have all members shown, and may get
    further members in later versions. Raises SameName.
    """
    read, written = reached(requests), reached(answers)
    for kind in read & written:
        raise SameName(f"{kind.__name__} is both read and written")
    named = _named(read | written)
    _, made = msgspec.json.schema_components(list(named.values()), ref_template=TEMPLATE)
    return {
        name: _finished(made[kind.__name__], kind, closed=kind in read)
        for name, kind in sorted(named.items())
    }


def schema_of(kind: Any) -> Schema:
    """Return the schema of one type, with references to components."""
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=TEMPLATE)
    whole: Schema = _anchored(schema)
    return whole


def members_of(kind: Any) -> dict[str, tuple[Schema, bool]]:
    """Return the schema of each parameter of a query's class, and whether it is required."""
    _, made = msgspec.json.schema_components([kind], ref_template=TEMPLATE)
    finished = _finished(made[kind.__name__], kind, closed=True)
    required = finished.get("required", ())
    return {
        parameter_of(name): (_without_null(schema), name in required)
        for name, schema in finished["properties"].items()
    }


def reached(kinds: Iterable[Any]) -> set[type[Any]]:
    """Return every attrs class that the types contain, directly or through fields."""
    found: set[type[Any]] = set()
    ahead = list(kinds)
    while ahead:
        kind = ahead.pop()
        if isinstance(kind, type) and attrs.has(kind) and kind not in found:
            found.add(kind)
            ahead += [field.type for field in attrs.fields(kind)]
        ahead += get_args(kind)
    return found


def _named(kinds: Iterable[type[Any]]) -> dict[str, type[Any]]:
    named: dict[str, type[Any]] = {}
    for kind in kinds:
        name = kind.__name__
        other = named.setdefault(NAMES.get(name, name) if _is_model(kind) else name, kind)
        if other is not kind:
            raise SameName(f"{kind.__module__} and {other.__module__} both have {kind.__name__}")
    return named


def _is_model(kind: type[Any]) -> bool:
    return kind.__module__.startswith(MODELS)


def _finished(schema: Schema, kind: type[Any], *, closed: bool) -> Schema:
    """Add what msgspec does not know: that times have a zone, and whether a class is read or
    written.
    """
    done: Schema = _anchored(schema)
    done.pop("title", None)
    if "description" in done:
        done["description"] = markdown(done["description"])
    properties = done["properties"]
    for field in attrs.fields(kind):
        if keywords := _keywords(field.type):
            properties[field.name] = _described(properties[field.name], keywords)
        if "added" in field.metadata:  # the default is for the client only
            properties[field.name].pop("default", None)
        if "sent" in field.metadata:
            properties[field.name] = _without_null(properties[field.name])
        if (text := _documentation(field.type)) is not None:
            properties[field.name] = {**properties[field.name], "description": markdown(text)}
    if closed:
        done["additionalProperties"] = False
    else:
        fields = attrs.fields(kind)
        done["required"] = [field.name for field in fields if "absent" not in field.metadata]
    return done


def _keywords(kind: Any) -> Schema:
    """Return the limits of the texts and numbers in a type that msgspec does not know."""
    if kind is datetime:
        return {"format": "date-time"}
    for inner in get_args(kind):
        if keywords := inner.keywords if isinstance(inner, Limits) else _keywords(inner):
            return dict(keywords)
    return {}


def _documentation(kind: Any) -> str | None:
    """Return the documentation of a field; without one, the description of its type's limits."""
    found = [inner for inner in get_args(kind) if isinstance(inner, Doc)]
    if found:
        return found[0].text
    limits = [inner.description for inner in get_args(kind) if isinstance(inner, Limits)]
    return next(filter(None, (*limits, *map(_documentation, get_args(kind)))), None)


def _described(schema: Any, keywords: Schema) -> Any:
    """Return the schema with the keywords at each text and number in it."""
    if isinstance(schema, list):
        return [_described(inner, keywords) for inner in schema]
    if not isinstance(schema, Mapping):
        return schema
    given = cast("Schema", schema)
    done = {name: _described(inner, keywords) for name, inner in given.items()}
    return done | keywords if given.get("type") in ("string", "integer") else done


def _anchored(schema: Any) -> Any:
    """Return a copy whose patterns match the whole text, as our validation does.

    Enumerations of strings get their type, and references the names in ``NAMES``.
    """
    if isinstance(schema, list):
        return [_anchored(inner) for inner in schema]
    if not isinstance(schema, Mapping):
        return schema
    done = {name: _anchored(inner) for name, inner in cast("Schema", schema).items()}
    if isinstance(target := done.get("$ref"), str):
        name = target.removeprefix(TEMPLATE.format(name=""))
        done["$ref"] = TEMPLATE.format(name=NAMES.get(name, name))
    if all(isinstance(value, str) for value in done.get("enum", (None,))):
        done["type"] = "string"
    pattern = done.get("pattern")
    if isinstance(pattern, str) and not pattern.startswith("^"):
        done["pattern"] = f"^(?:{pattern})$" if "|" in pattern else f"^{pattern}$"
    return done


def _without_null(schema: Schema) -> Schema:
    """Return the schema of an optional parameter without null, which a query cannot express."""
    kept = [inner for inner in schema.get("anyOf", ()) if inner != {"type": "null"}]
    if len(kept) != 1:
        return schema
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    return {**kept[0], **rest}


def markdown(text: str) -> str:
    """Convert a docstring's literals to Markdown."""
    return text.replace("``", "`")
