"""Forms in the encoding of Stripe's clients: ``line_items[0][price_data][currency]=usd``."""

import re
from collections.abc import Iterable
from typing import Any

_KEY = re.compile(r"\[([^\[\]]*)\]")
DEPTH_MAX = 8


def nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Parse a form into nested objects; list indices are keys too. ValueError on conflicts."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        path = [name.partition("[")[0], *_KEY.findall(name)]
        if len(path) > DEPTH_MAX:
            raise ValueError(f"{name} is too deep")
        place = found
        for part in path[:-1]:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise ValueError(f"{name} is a value and an object")
        place[path[-1]] = value
    return found
