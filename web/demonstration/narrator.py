"""The demo's output: labelled lines, and on a terminal a progress bar."""

import json
import sys
from typing import Any, Protocol, TextIO

BAR_WIDTH = 30


class Narration(Protocol):
    """Writes the demo's output, for people or as JSON."""

    def say(self, label: str, text: str) -> None:
        """Report an event."""
        ...

    def progress(self, label: str, fraction: float) -> None:
        """Report progress, 0 to 1."""
        ...

    def conclude(self, facts: dict[str, Any]) -> None:
        """Report the end, with a summary for programs."""
        ...


class JsonNarrator:
    """Writes one JSON object per line: ``event`` and ``text``, or ``progress``.

    The last object has the event ``done``, and the summary.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._percent = -1

    def say(self, label: str, text: str) -> None:
        self._write({"event": label or "note", "text": text})

    def progress(self, label: str, fraction: float) -> None:
        """Report once per percent."""
        if int(fraction * 100) != self._percent:
            self._percent = int(fraction * 100)
            self._write({"event": label, "progress": fraction})

    def conclude(self, facts: dict[str, Any]) -> None:
        self._write({"event": "done", **facts})

    def _write(self, members: dict[str, Any]) -> None:
        self._stream.write(json.dumps(members, ensure_ascii=False) + "\n")
        self._stream.flush()


class Narrator:
    """Writes text to one stream; into a pipe whole lines, and progress in steps of ten percent."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._terminal = self._stream.isatty()
        self._open_line = False
        self._last_step = -1
        self._last_percent = -1

    def say(self, label: str, text: str) -> None:
        """Write ``label   text``; further lines of the text are indented below the first."""
        self._end_line()
        lines = text.splitlines() or [""]
        self._write(f"  {label:<10}{lines[0]}\n")
        for line in lines[1:]:
            self._write(f"  {'':<10}{line}\n")

    def progress(self, label: str, fraction: float) -> None:
        """Show progress, 0 to 1."""
        percent = int(fraction * 100)
        if percent == self._last_percent:
            return
        self._last_percent = percent
        if self._terminal:
            bar = "█" * round(fraction * BAR_WIDTH)
            self._write(f"\r  {label:<10}{bar:<{BAR_WIDTH}} {percent:3d} %")
            self._open_line = True
        elif percent // 10 > self._last_step:
            self._last_step = percent // 10
            self._write(f"  {label:<10}{percent} %\n")

    def conclude(self, facts: dict[str, Any]) -> None:
        """End the line; the demo has already reported every part of the summary."""
        self._end_line()

    def _end_line(self) -> None:
        if self._open_line:
            self._write("\n")
        self._open_line = False

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
