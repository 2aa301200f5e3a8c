"""Amounts of credits as the API writes them: text, never a float."""

from typing import Annotated

from msgspec import Meta

Credits = Annotated[str, Meta(pattern=r"^-?[0-9]{1,15}\.[0-9]{4}$")]
