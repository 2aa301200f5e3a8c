"""Types of texts in responses, with the JSON Schema keywords that describe them."""

from typing import Annotated, Any, TypeAlias

import attrs


@attrs.frozen
class TextFormat:
    """JSON Schema keywords of a text, for ``Annotated``. The client does not check them."""

    format: str | None = None
    pattern: str | None = None
    enum: tuple[str, ...] | None = None

    @property
    def keywords(self) -> dict[str, Any]:
        """The keywords that are given."""
        enum = None if self.enum is None else list(self.enum)
        members = {"format": self.format, "pattern": self.pattern, "enum": enum}
        return {name: value for name, value in members.items() if value is not None}


Id: TypeAlias = Annotated[str, TextFormat(format="uuid")]
Credits: TypeAlias = Annotated[str, TextFormat(pattern=r"^-?[0-9]{1,15}\.[0-9]{4}$")]
Sha256: TypeAlias = Annotated[str, TextFormat(pattern=r"^[0-9a-f]{64}$")]
