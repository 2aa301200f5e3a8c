"""Builder of complete API answers, for test doubles of a gateway."""

from typing import Any

import attrs


def whole(model: type[Any], members: dict[str, Any]) -> dict[str, Any]:
    """Return ``members`` with every other field of the model set to None."""
    return {**dict.fromkeys(field.name for field in attrs.fields(model)), **members}
