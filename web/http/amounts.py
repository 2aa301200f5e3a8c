"""Amounts of credits in the API: strings, never floats."""

from typing import Annotated

from msgspec import Meta

Credits = Annotated[str, Meta(pattern=r"^-?[0-9]{1,15}\.[0-9]{4}$")]
Quoted = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{1,15}(\.[0-9]{1,4})?$",
        description="a decimal string with at most 15 digits and 4 decimals, like 10.5",
    ),
]
Amount = Annotated[
    str,
    Meta(
        pattern=r"^(?=.*[1-9])[0-9]{1,14}(\.[0-9]{1,4})?$",
        description="a decimal string above 0 with at most 14 digits and 4 decimals, like 10.5",
    ),
]
