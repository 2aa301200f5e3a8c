"""Fonts of PDF documents: Liberation Sans, which has Latin, Greek and Cyrillic letters.

ReportLab is imported with the first document, because few gateways ever write one.
"""

import unicodedata
from collections.abc import Container
from functools import cache
from pathlib import Path
from typing import Any, Final

import attrs

FOLDER: Final = Path(__file__).parent / "vendored"
UNKNOWN: Final = "?"  # stands for a character that the font lacks
# Classes of characters that need another order or shapes, which ReportLab does not give them.
TURNED: Final = frozenset({"R", "AL", "AN", "RLE", "RLO", "RLI", "LRE", "LRO", "LRI", "PDF", "PDI"})


@attrs.frozen
class Font:
    """A font that is registered with ReportLab; ``known``: the characters that it has."""

    name: str
    known: Container[int] = attrs.field(repr=False)

    def written(self, text: str) -> str:
        """Return the text as this font can write it, in one line."""
        flat = unicodedata.normalize("NFC", " ".join(text.split()))
        return "".join(map(self._character, flat))

    def width(self, text: str, size: float) -> float:
        """Return the width of a text in points."""
        from reportlab.pdfbase.pdfmetrics import stringWidth  # noqa: PLC0415

        return float(stringWidth(text, self.name, size))

    def cut(self, text: str, size: float, width: float) -> str:
        """Return the text, cut with an ellipsis if it is wider than ``width``."""
        if self.width(text, size) <= width:
            return text
        least, most = 0, len(text)
        while least < most:
            middle = (least + most + 1) // 2
            if self.width(text[:middle].rstrip() + "…", size) <= width:
                least = middle
            else:
                most = middle - 1
        return text[:least].rstrip() + "…"

    def _character(self, character: str) -> str:
        is_known = ord(character) in self.known
        return character if is_known and not _is_turned(character) else UNKNOWN


def _is_turned(character: str) -> bool:
    return (
        unicodedata.bidirectional(character) in TURNED
        or unicodedata.category(character) in ("Cc", "Cf")
        or bool(unicodedata.combining(character))
    )


@cache
def fonts() -> tuple[Font, Font]:
    """Return the regular and the bold font, read once."""
    return _font("LiberationSans-Regular"), _font("LiberationSans-Bold")


def _font(name: str) -> Font:
    from reportlab.pdfbase import pdfmetrics  # noqa: PLC0415
    from reportlab.pdfbase.ttfonts import TTFont  # noqa: PLC0415

    font: Any = TTFont(name, str(FOLDER / f"{name}.ttf"))
    pdfmetrics.registerFont(font)
    return Font(name, frozenset(font.face.charToGlyph))
