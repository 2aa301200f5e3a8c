"""Types of texts in responses, with the JSON Schema keywords that describe them."""

from typing import Annotated, TypeAlias

import attrs


@attrs.frozen
class TextFormat:
    """JSON Schema keywords of a text, for ``Annotated``. The client does not check them."""

    format: str | None = None
    pattern: str | None = None
    enum: tuple[str, ...] | None = None

    @property
    def keywords(self) -> dict[str, object]:
        """The keywords that are given."""
        members = attrs.asdict(self, filter=lambda _, value: value is not None)
        return members | ({} if self.enum is None else {"enum": list(self.enum)})


Id: TypeAlias = Annotated[str, TextFormat(format="uuid")]
Credits: TypeAlias = Annotated[str, TextFormat(pattern=r"^-?[0-9]{1,15}\.[0-9]{4}$")]
Sha256: TypeAlias = Annotated[str, TextFormat(pattern=r"^[0-9a-f]{64}$")]
