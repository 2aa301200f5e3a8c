"""Declaration of a setting at its field: type, default, bounds and meaning."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeVar

import attrs

PREFIX: Final = "RENDERTRUST_"
_DECLARED: Final = "rendertrust"  # the key in a field's metadata
T = TypeVar("T")


@attrs.frozen
class Declared:
    """The parts of a setting's declaration other than its type and default."""

    meaning: str
    bounds: tuple[float, float] | None
    by_environment: Mapping[str, Any]  # defaults of development and production, if these differ


def setting(
    default: T,
    meaning: str,
    bounds: tuple[float, float] | None = None,
    *,
    development: T | None = None,
    production: T | None = None,
    secret: bool = False,
) -> T:
    """Return the attrs field of a setting.

    ``meaning`` is the documentation of the setting. ``bounds`` are the least and the greatest
    number allowed. ``development`` and ``production`` replace the default in the environment of
    that name. Values of a ``secret`` setting are left out of representations, and masked where
    settings are shown.
    """
    given = {"development": development, "production": production}
    other = {name: value for name, value in given.items() if value is not None}
    metadata = {_DECLARED: Declared(meaning, bounds, other)}
    field: T = attrs.field(default=default, repr=not secret, metadata=metadata)
    return field


@attrs.frozen
class Setting:
    """A setting of a gateway. ``name`` includes the section, as in ``server.port``."""

    name: str
    default: Any
    declared: Declared
    is_secret: bool

    @property
    def variable(self) -> str:
        """Return the name of the setting's environment variable: RENDERTRUST_SERVER_PORT for
        ``server.port``.
        """
        return PREFIX + self.name.replace(".", "_").upper()

    def of(self, settings: Any) -> Any:
        section, dot, option = self.name.partition(".")
        return getattr(getattr(settings, section), option) if dot else getattr(settings, section)


def settings_in(cls: type[Any], section: str = "") -> Iterator[Setting]:
    """Yield the settings that a class and its sections declare, in the order of declaration."""
    for field in attrs.fields(cls):
        if field.type is not None and attrs.has(field.type):
            yield from settings_in(field.type, f"{field.name}.")
        else:
            declared: Declared = field.metadata[_DECLARED]
            yield Setting(section + field.name, field.default, declared, not field.repr)
