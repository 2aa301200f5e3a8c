"""Source of each setting's value, for people who look for its reason."""

import os
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final

import attrs

from config.redaction import redact
from config.settings import PREFIX, Settings, read_file

DEFAULT, START = "default", "given at the start"
_LINE: Final = re.compile(r'(\w+) = (?:"[^"]*"|[^ #]+)\s*(?:#\s*(.*))?')
_SECTION: Final = re.compile(r"\[(\w+)\]")


@attrs.frozen
class Value:
    """A setting for display. ``text`` of a secret is a mask, or '' if it is not set."""

    name: str
    text: str
    source: str
    meaning: str
    is_secret: bool

    @property
    def variable(self) -> str:
        """Return the environment variable that sets it."""
        return variable_of(self.name)


def variable_of(name: str) -> str:
    """Return the environment variable: ``server.port`` is RENDERTRUST_SERVER_PORT."""
    return PREFIX + name.replace(".", "_").upper()


def sources_of(settings: Settings, file: Path | None) -> Mapping[str, str]:
    """Return each setting's source. Call it when they are loaded. Raises SettingsError."""
    folder = Path(str(resources.files("config")))
    given = {} if file is None else _flat(read_file(file))
    own = _flat(read_file(folder / f"{settings.environment}.toml"))
    usual = _flat(read_file(folder / "defaults.toml"))
    found = dict[str, str]()
    for name, value, _ in _options(settings):
        layers = (
            (f"environment, {variable_of(name)}", os.environ.get(variable_of(name))),
            (f"file {file}", given.get(name)),
            (f"default of {settings.environment}", own.get(name)),
            (DEFAULT, usual.get(name)),
        )
        source, said = next((layer for layer in layers if layer[1] is not None), (START, None))
        found[name] = source if _is_same(value, said) else START
    return found


def values_of(settings: Settings, sources: Mapping[str, str]) -> list[Value]:
    """Return all settings in the order of the sections, with secrets masked."""
    meanings = meanings_of((resources.files("config") / "defaults.toml").read_text())
    return [
        Value(
            name,
            _shown(value, is_secret=is_secret),
            sources.get(name, DEFAULT),
            meanings.get(name, ""),
            is_secret,
        )
        for name, value, is_secret in _options(settings)
    ]


def meanings_of(defaults: str) -> Mapping[str, str]:
    """Return the settings' descriptions from the comments in ``defaults.toml``."""
    found, section = dict[str, str](), ""
    for line in defaults.splitlines():
        if head := _SECTION.match(line):
            section = f"{head[1]}."
        elif option := _LINE.match(line):
            found[section + option[1]] = option[2] or ""
    return found


def _options(settings: Settings) -> Iterator[tuple[str, Any, bool]]:
    """Yield (name, value, True if secret) for each setting."""
    for field in attrs.fields(Settings):
        value = getattr(settings, field.name)
        if not attrs.has(type(value)):
            yield field.name, value, not field.repr
            continue
        for option in attrs.fields(type(value)):
            yield f"{field.name}.{option.name}", getattr(value, option.name), not option.repr


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
    """Return True if a layer has the effective value; assumed for switches, which vary in form."""
    if isinstance(value, bool) or said is None:
        return said is not None
    try:
        return bool(value == type(value)(said))
    except (TypeError, ValueError):
        return False
