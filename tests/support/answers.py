"""Answers of the API with all their members, for doubles of a gateway."""

from typing import Any

import attrs


def whole(model: type[Any], members: dict[str, Any]) -> dict[str, Any]:
    """The members of an answer, and null for all others that the model has."""
    return {**dict.fromkeys(field.name for field in attrs.fields(model)), **members}
