"""What a node said last of a unit that it works on, for who asks why that failed."""

from collections import deque
from typing import Final

import attrs

LINES_MOST: Final = 80
LINE_MOST: Final = 400  # characters
SAID_MOST: Final = 16_000  # characters, of all lines together


@attrs.define
class LogTail:
    """The last lines; those that say nothing are left out."""

    _lines: deque[str] = attrs.field(factory=lambda: deque[str](maxlen=LINES_MOST), repr=False)

    def add(self, text: str) -> None:
        """Lines of a text."""
        said = [line[:LINE_MOST] for line in text.splitlines()[-LINES_MOST:]]
        self._lines.extend(line for line in said if line.strip())

    def rest_of(self, text: str) -> str:
        """Those lines of a text that were not said before, whole or cut where pieces end."""
        known = "".join(self._lines)
        return "\n".join(
            line for line in text.splitlines() if line.strip()[:LINE_MOST] not in known
        )

    def take(self) -> str:
        """All of it, the oldest first; nothing is left."""
        text = "\n".join(self._lines)[-SAID_MOST:]
        self._lines.clear()
        return text
