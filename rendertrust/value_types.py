"""Types of values in requests and responses, with the JSON Schema keywords that limit them."""

from typing import Annotated, Any, Final, TypeAlias, get_args

import attrs


@attrs.frozen
class Limits:
    """Limits of a value, for ``Annotated``.

    The gateway checks requests by these limits; the client does not. ``ge`` and ``le`` limit a
    number. ``description`` explains the ``pattern`` of a text to people.
    """

    format: str | None = None
    pattern: str | None = None
    enum: tuple[str, ...] | None = None
    min_length: int | None = None
    max_length: int | None = None
    ge: int | None = None
    le: int | None = None
    description: str | None = None

    @property
    def keywords(self) -> dict[str, Any]:
        """Return the limits as JSON Schema keywords, without the description."""
        members = {
            "format": self.format,
            "pattern": self.pattern,
            "enum": None if self.enum is None else list(self.enum),
            "minLength": self.min_length,
            "maxLength": self.max_length,
            "minimum": self.ge,
            "maximum": self.le,
        }
        return {name: value for name, value in members.items() if value is not None}


@attrs.frozen
class Doc:
    """Documentation of a field, for ``Annotated``.

    The API reference and ``--help`` show the text.
    """

    text: str


def one_of(choices: Any) -> Limits:
    """Return the limits of a text that must be one of the choices of a ``Literal``."""
    return Limits(enum=tuple(sorted(get_args(choices))))


# Metadata of a member that is left out of the JSON while it is None, because strict clients do not
# know the member.
ABSENT: Final = {"absent": True}

# Metadata of members that the API reference lacks. The gateway always sends these members, and
# members marked SENT are never null. The client does not require these members, so that it
# understands every gateway that follows the reference.
ADDED: Final = {"added": True}
SENT: Final = {"added": True, "sent": True}

Id: TypeAlias = Annotated[str, Limits(format="uuid")]
Credits: TypeAlias = Annotated[
    str, Limits(pattern=r"^-?[0-9]{1,15}\.[0-9]{4}$", description="credits with four decimals")
]
Sha256: TypeAlias = Annotated[
    str, Limits(pattern=r"^[0-9a-f]{64}$", description="SHA-256 in hexadecimal")
]
Amount: TypeAlias = Annotated[
    str,
    Limits(
        pattern=r"^(?=.*[1-9])[0-9]{1,14}(\.[0-9]{1,4})?$",
        description="a decimal string above 0 with at most 14 digits and 4 decimals, like 10.5",
    ),
]
Quoted: TypeAlias = Annotated[
    str,
    Limits(
        pattern=r"^[0-9]{1,15}(\.[0-9]{1,4})?$",
        description="a decimal string with at most 15 digits and 4 decimals, like 10.5",
    ),
]
