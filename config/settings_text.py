"""Text of settings files: TOML that a person can read, with only what differs from the defaults."""

import json
import tomllib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs

from config.declaration import Setting
from config.settings import SETTINGS

KNOWN: Final = {one.name: one for one in SETTINGS}


@attrs.frozen
class ChosenValue:
    """A value for a setting, with a comment for people. ``open``: not a secret in this case."""

    name: str
    value: Any = attrs.field(repr=False)
    comment: str = ""
    open: bool = False

    @property
    def is_secret(self) -> bool:
        return KNOWN[self.name].is_secret and not self.open


def settings_text(values: Iterable[ChosenValue], head: str) -> str:
    """Return a settings file for production with these values, in the order of the declarations.

    ``head`` is a comment above the settings. Values that are defaults are left out. Raises
    ValueError if the text would not be read as these values.
    """
    given = {each.name: each for each in values}
    named = [(given[one.name], one) for one in SETTINGS if one.name in given]
    kept = [each for each, one in named if each.value != default_of(one, "production")]
    lines, section = [f"# {line}".rstrip() for line in head.splitlines()], ""
    for each in kept:
        own, _, option = each.name.rpartition(".")
        if own != section:
            section = own
            lines += ["", f"[{section}]"]
        lines += [f"# {each.comment}"] if each.comment else []
        lines.append(f"{option} = {literal(each.value)}")
    text = "\n".join(lines) + "\n"
    if tomllib.loads(text) != tree_of(kept):
        raise ValueError("a value cannot be written as TOML")
    return text


def default_of(one: Setting, environment: str) -> Any:
    """Return the default of a setting in an environment."""
    return one.declared.by_environment.get(environment, one.default)


def tree_of(values: Sequence[ChosenValue]) -> dict[str, Any]:
    """Return the values by section, as a reader of the file gets them."""
    found = dict[str, Any]()
    for each in values:
        section, _, option = each.name.rpartition(".")
        (found.setdefault(section, {}) if section else found)[option] = each.value
    return found


def literal(value: bool | int | float | str) -> str:
    """Return a value as TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):  # a JSON string is a TOML string, but for one control character
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    return repr(value)
