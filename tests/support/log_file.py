"""The gateway's log in tests: configured as in production, but written to a file."""

import json
import logging
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog

from config.redaction import KNOWN
from web.process.log_writer import LogWriter
from web.process.logging_setup import configure


class Log:
    """The log that ``logged`` captures while its ``with`` block runs."""

    def __init__(self, lines: LogWriter, path: Path) -> None:
        self._lines, self._path = lines, path

    def text(self) -> str:
        """Close the log and return all that was written."""
        self._lines.close(within=5)
        return self._path.read_text()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


@contextmanager
def logged(folder: Path) -> Generator[Log]:
    """Send this process's log to a file; restore the previous configuration at the end."""
    root = logging.getLogger()
    kept, level, hook = root.handlers[:], root.level, sys.excepthook
    values, pattern = KNOWN.values, KNOWN.pattern
    path = folder / "log"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    lines = LogWriter(descriptor=descriptor)
    try:
        configure("debug", lines)
        yield Log(lines, path)
    finally:
        lines.close(within=5)
        os.close(descriptor)
        root.handlers[:], sys.excepthook = kept, hook
        root.setLevel(level)
        structlog.reset_defaults()
        KNOWN.values, KNOWN.pattern = values, pattern
