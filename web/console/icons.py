"""Icons. Pages show each icon beside a word with the same meaning."""

from typing import Final

from markupsafe import Markup

# SVG paths in a view box of 16 by 16, drawn as lines.
PATHS: Final = {
    "check": "M3 8.5 6.5 12 13 4.5",
    "plus": "M8 3v10M3 8h10",
    "minus": "M3 8h10",
    "cross": "M4 4l8 8M12 4l-8 8",
    "dot": "M8 5.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z",
    "ring": "M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3z",
    "play": "M5 3.5v9l7-4.5z",
    "pause": "M5.5 3.5v9M10.5 3.5v9",
    "clock": "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM8 5v3.2l2.2 1.6",
    "warn": "M8 2.5 14 13H2zM8 6.5v3M8 11.2v.1",
    "stop": "M5.2 2.5h5.6l2.7 2.7v5.6l-2.7 2.7H5.2l-2.7-2.7V5.2zM8 5v3.5M8 10.8v.1",
    "again": "M13 8a5 5 0 1 1-1.6-3.7M13 2.5v3h-3",
    "info": "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM8 7.3v3.4M8 5.2v.1",
    "home": "M2.5 7.5 8 3l5.5 4.5M4 6.8V13h8V6.8",
    "jobs": "M2.5 4h11M2.5 8h11M2.5 12h7",
    "fleet": "M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5v.1M5 11v.1",
    "tree": "M3 3h4v3H3zM9 8h4v3H9zM5 6v3.5h4",
    "ledger": "M3.5 2.5h9v11h-9zM5.5 5.5h5M5.5 8h5M5.5 10.5h3",
    "users": (
        "M6 3a2.3 2.3 0 1 0 0 4.6A2.3 2.3 0 0 0 6 3zM2 13c0-2.4 1.8-4 4-4s4 1.6 4 4M10.5"
        " 3.4a2.2 2.2 0 0 1 0 4M11.5 9.3c1.5.5 2.5 1.9 2.5 3.7"
    ),
    "user": "M8 3a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zM3 13.4c0-2.6 2.2-4 5-4s5 1.4 5 4",
    "copy": "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
    "coin": (
        "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM9.8 6.2C9.3 5.6 8.7 5.3 8"
        " 5.3c-1.5 0-2.5 1.2-2.5 2.7S6.5 10.7 8 10.7c.7 0 1.3-.3 1.8-.9"
    ),
    "mail": "M2.5 4h11v8h-11zM2.5 4.5 8 9l5.5-4.5",
    "gear": (
        "M8 5.8a2.2 2.2 0 1 0 0 4.4 2.2 2.2 0 0 0 0-4.4zM8 2v1.8M8 12.2V14M2 8h1.8M12.2"
        " 8H14M3.8 3.8l1.2 1.2M11 11l1.2 1.2M3.8 12.2 5 11M11 5l1.2-1.2"
    ),
    "pulse": "M1.5 8.5h3l2-5 3 9 2-4h3",
    "link": (
        "M6.5 9.5l3-3M7 4.5l1.5-1.5a2.5 2.5 0 0 1 3.5 3.5L10.5 8M9 11.5 7.5 13A2.5 2.5 0"
        " 0 1 4 9.5L5.5 8"
    ),
    "moon": "M13 9.5A5.5 5.5 0 0 1 6.5 3 5.5 5.5 0 1 0 13 9.5z",
    "keys": "M2 4h12v8H2zM4.5 6.5v.1M7 6.5v.1M9.5 6.5v.1M12 6.5v.1M5 9.5h6",
    "out": "M6.5 3h-4v10h4M6 8h8M11 5l3 3-3 3",
    "picture": "M2.5 3h11v10h-11zM2.5 11l3.5-3.5 2.5 2.5 2-2 3 3M10.5 5.7v.1",
    "gateway": (
        "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11zM2.5 8h11M8 2.5c2 1.7 2.5 3.6 2.5"
        " 5.5s-.5 3.8-2.5 5.5c-2-1.7-2.5-3.6-2.5-5.5S6 4.2 8 2.5z"
    ),
    "book": (
        "M8 4.5C6.5 3.4 4.5 3 2.5 3v9c2 0 4 .4 5.5 1.5 1.5-1.1 3.5-1.5 5.5-1.5V3c-2"
        " 0-4 .4-5.5 1.5zM8 4.5v9"
    ),
    "up": "M4 10l4-4 4 4",
    "down": "M4 6l4 4 4-4",
    "download": "M8 2.5v7M4.8 6.5 8 9.7l3.2-3.2M3 13h10",
    "upload": "M8 9.7v-7M4.8 5.9 8 2.7l3.2 3.2M3 13h10",
    "pencil": "M3 13l.6-2.6L10.8 3.2l2 2L5.6 12.4zM9.4 4.6l2 2",
    "left": "M10 4 6 8l4 4",
    "right": "M6 4l4 4-4 4",
    "menu": "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
}
_LINE: Final = Markup(
    '<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">'
    '<path d="{}"/></svg>'
)


def icon(name: str) -> Markup:
    """Return an icon, hidden from screen readers; raise KeyError if there is none."""
    return _LINE.format(PATHS[name])
