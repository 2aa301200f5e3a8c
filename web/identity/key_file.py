"""Keys in a private file, which is read again after a rotation of the keys."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

import structlog

from actors.ports import Clock

Keys = TypeVar("Keys")
LOOK_EVERY_SECONDS: Final = 1.0
log = structlog.get_logger("keys")


class RotatedFile(Generic[Keys]):
    """A key file that is checked when its keys are needed, at most once a second.

    ``read`` parses the text of the file, and raises ValueError if the text is wrong. At the start
    this error, or an OSError, is passed to the caller. ``what``: what the keys are called in the
    log.
    """

    def __init__(self, path: Path, clock: Clock, read: Callable[[str], Keys], what: str) -> None:
        self._path = path
        self._clock = clock
        self._read = read
        self._what = what
        self._looked = clock.monotonic()
        self._text = path.read_text("ascii")
        self.last = read(self._text)

    def now(self) -> Keys:
        """Return the current keys. A missing or broken file changes nothing."""
        now = self._clock.monotonic()
        if now - self._looked >= LOOK_EVERY_SECONDS:
            self._looked = now
            self._look()
        return self.last

    def _look(self) -> None:
        try:
            text = self._path.read_text("ascii")
            if text == self._text:
                return
            self.last = self._read(text)
        except (OSError, ValueError) as error:
            log.error(f"{self._what} cannot be read; the old keys stay in use", reason=str(error))
            return
        self._text = text
        log.info(f"{self._what}: rotated")


def made_for(path: Path) -> bool:
    """Create the private folder of the path, and its parent; return True if the file is missing."""
    path.parent.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    return not path.exists()
