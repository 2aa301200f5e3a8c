"""Redaction of secrets by their form, by their name, and by their value.

Code that creates or reads a secret may register it (``hide``). Everything that is logged passes
through ``cleaned``.
"""

import contextlib
import enum
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias
from urllib.parse import quote, unquote, urlsplit
from uuid import UUID

import attrs

HIDDEN: Final = "[hidden]"
VALUE_CHARACTERS_MIN: Final = 6  # hiding a shorter value would hide ordinary words, too
DEPTH_MAX: Final = 8  # levels of nested containers; deeper containers are shown by their repr
INTEGER_MAX: Final = 2**53 - 1  # JSON parsers disagree about larger numbers

Plain: TypeAlias = "str | int | float | bool | datetime | UUID | list[Any] | dict[str, Any] | None"

_CALLED = (
    r"passw(?:or)?d|passphrase|secret|token|api[_-]?key|access[_-]?key(?:[_-]?id)?|private[_-]?key"
    r"|authorization|cookie|credentials?|signature|dsn|x-amz-[a-z-]{1,40}"
)
_NAME = re.compile(rf"(?i)(?:{_CALLED})")
_NO_SECRETS = frozenset({"token_type"})
_HARMLESS = re.compile(r"[a-z0-9/.-]*")  # texts that match no pattern below, such as most paths
# The first group of each pattern is kept. All patterns take linear time, because the texts are
# untrusted.
_SHAPES = (
    # token=… password: "…" 'secret': '…' X-Amz-Signature%3D… and \"api_key\": \"…\" in JSON in JSON
    re.compile(
        rf"(?is)((?:{_CALLED})\\{{0,8}}[\"']?\s{{0,4}}(?:=|:|%3d)\s{{0,4}}(?:(?:bearer|basic)\s{{1,4}})?)"
        r"(?!\[hidden\])"
        r"(?:b?(?P<e>\\{0,8})(?P<q>[\"'])(?:(?!(?<!\\)(?P=e)(?P=q)).)*+(?:(?P=e)(?P=q))?"
        r"|[^&\s\"',;(){}\[\]]+)"
    ),
    re.compile(r"()(?<![\w-])eyJ[\w-]{5,}\.[\w-]+\.[\w-]*"),  # JSON web tokens
    # keys of Stripe and of this gateway
    re.compile(r"()(?<![A-Za-z0-9])(?:whsec|sk|rk|rtk|rti|rtr|rts|rtv)_[\w.+/=-]{4,}"),
    # A password in a DSN: up to the last @, because the password may contain an @.
    re.compile(r"(?i)(\b[a-z][a-z0-9+.-]{0,20}://[^\s:/@]{0,100}:)[^\s\"'<>]{1,512}(?=@)"),
    re.compile(r"(?i)(\bbearer\s{1,4})(?!\[hidden\])[\w.~+/-]+=*"),
    re.compile(r"(\bBasic\s{1,4})[A-Za-z0-9+/]{8,}={0,2}"),
    re.compile(r"(-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----)[^-]*"),
    re.compile(r"()\$argon2[a-z]{0,2}\$[^\s\"']+"),
)


@attrs.define
class Known:
    """The registered secrets of this process, and a pattern that matches any of them."""

    values: frozenset[str] = frozenset()
    pattern: re.Pattern[str] | None = None


KNOWN: Final = Known()


def hide(*values: str) -> None:
    """Register values as secrets; values that are too short are ignored."""
    forms = {form for value in values for form in _forms(value)}
    KNOWN.values |= forms
    if KNOWN.values:  # the longest first, as a value may be a prefix of another
        longest = sorted(KNOWN.values, key=len, reverse=True)
        KNOWN.pattern = re.compile("|".join(re.escape(value) for value in longest))


def _forms(value: str) -> tuple[str, ...]:
    """Return the forms that a value has in text, URLs, reprs and JSON."""
    if len(value) < VALUE_CHARACTERS_MIN:
        return ()
    return (value, quote(value, safe=""), repr(value)[1:-1], json.dumps(value)[1:-1])


def hide_settings(settings: Any) -> None:
    """Register all values of an attrs object, including nested ones, that its ``repr`` omits."""
    for field in attrs.fields(type(settings)):
        value = getattr(settings, field.name)
        if attrs.has(type(value)):
            hide_settings(value)
        elif isinstance(value, tuple):
            for each in value:
                hide_settings(each)
        elif not field.repr and isinstance(value, str):
            hide(value)
            with contextlib.suppress(ValueError):  # the value is not a URL
                hide(unquote(urlsplit(value).password or ""))


def redact(text: str) -> str:
    """Replace tokens, passwords, keys and signatures in the text."""
    if KNOWN.pattern is not None:
        text = KNOWN.pattern.sub(HIDDEN, text)
    if _HARMLESS.fullmatch(text):
        return text
    for pattern in _SHAPES:
        text = pattern.sub(lambda found: found[1] + HIDDEN, text)
    return text


def cleaned(value: Any, depth: int = 0) -> Plain:
    """Return the value as JSON data, without secrets at any depth."""
    if value is None or isinstance(value, bool | float | datetime | UUID):
        return value
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, enum.Enum):
        return redact(str(value))
    if isinstance(value, int):
        return value if abs(value) <= INTEGER_MAX else str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return redact(bytes(value).decode("utf-8", "backslashreplace"))
    return _in_depth(value, depth) if depth < DEPTH_MAX else redact(shown(value))


def cleaned_items(event: Mapping[Any, Any], depth: int = 0) -> dict[str, Any]:
    """Clean a mapping's items; items whose name denotes a secret are hidden."""
    return {
        redact(str(name)): HIDDEN if called_a_secret(name, value) else cleaned(value, depth)
        for name, value in event.items()
    }


def called_a_secret(name: Any, value: Any) -> bool:
    """Return True if an item's name denotes a secret."""
    if value is None or isinstance(value, bool | int) or name in _NO_SECRETS:
        return False
    text = name.decode("latin-1") if isinstance(name, bytes) else str(name)
    return _NAME.search(text) is not None


def shown(value: Any) -> str:
    """Return the value's repr; if that fails, the name of its class."""
    try:
        return repr(value)
    except Exception:  # a value's own `__repr__` may raise anything
        return f"<{type(value).__name__} that cannot be shown>"


def _in_depth(value: Any, depth: int) -> Plain:
    if isinstance(value, Mapping):
        return cleaned_items(value, depth + 1)
    if isinstance(value, list | tuple | set | frozenset):
        return [cleaned(item, depth + 1) for item in value]
    if attrs.has(type(value)):
        fields = [field for field in attrs.fields(type(value)) if field.repr]
        return cleaned_items({f.name: getattr(value, f.name, None) for f in fields}, depth + 1)
    return redact(shown(value))
