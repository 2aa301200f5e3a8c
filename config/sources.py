"""Source of each setting's value, for people who ask where it comes from."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from config.declaration import Setting
from config.loader import read_file, secrets_beside
from config.redaction import redact
from config.settings import SETTINGS, Settings

LINK = re.compile(r"\[([^\[\]]+)\]\(#[\w-]+\)")  # a link in docs/OPERATIONS.md
IN_FILE = "file "  # before the path of the file that sets a value
DEFAULT, START = "default", "given at the start"


@attrs.frozen
class Value:
    """A setting for display. ``text`` of a secret is a mask, or '' if it is not set."""

    name: str
    text: str
    source: str
    meaning: str
    is_secret: bool
    variable: str


def sources_of(settings: Settings, file: Path | None) -> Mapping[str, str]:
    """Return each setting's source.

    Call this function right after the settings are loaded, because it reads ``file`` and the
    environment again. Raises SettingsError.
    """
    files = [(each, _flat(read_file(each))) for each in (secrets_beside(file), file) if each]
    return {one.name: _source(one, settings, files) for one in SETTINGS}


def _source(
    one: Setting, settings: Settings, files: Sequence[tuple[Path, Mapping[str, Any]]]
) -> str:
    layers = (
        (f"environment, {one.variable}", os.environ.get(one.variable)),
        *((f"{IN_FILE}{file}", given.get(one.name)) for file, given in files),
        (
            f"default of {settings.environment}",
            one.declared.by_environment.get(settings.environment),
        ),
        (DEFAULT, one.default),
    )
    source, said = next(layer for layer in layers if layer[1] is not None)
    return source if _is_same(one.of(settings), said) else START


def values_of(settings: Settings, sources: Mapping[str, str]) -> list[Value]:
    """Return all settings in the order of their declaration, with secrets masked."""
    return [
        Value(
            one.name,
            _shown(one.of(settings), is_secret=one.is_secret),
            sources.get(one.name, DEFAULT),
            LINK.sub(r"\1", one.declared.meaning),
            one.is_secret,
            one.variable,
        )
        for one in SETTINGS
    ]


def _shown(value: Any, *, is_secret: bool) -> str:
    if is_secret:
        return "\u2022" * 8 if value else ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return redact(str(value))


def _flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    found = dict[str, Any]()
    for name, value in tree.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{inner}": each for inner, each in value.items()}
        else:
            found[name] = value
    return found


def _is_same(value: Any, said: Any) -> bool:
    """Return True if the value ``said`` by a source is the effective value.

    Always return True for yes-or-no settings that a variable sets, and for lists.
    """
    if (isinstance(value, bool) and not isinstance(said, bool)) or isinstance(value, tuple):
        return True
    try:
        return bool(value == type(value)(said))
    except (TypeError, ValueError):
        return False
