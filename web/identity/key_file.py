"""Keys in a file that its owner alone can read, and that changes when they are rotated."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

import structlog

from actors.ports import Clock

Keys = TypeVar("Keys")
LOOK_EVERY_SECONDS: Final = 1.0
log = structlog.get_logger("keys")


class RotatedFile(Generic[Keys]):
    """Looked at each second. ``read`` makes keys of its text, and raises ValueError where they are
    none; at the start that is the caller's to hear, as OSError is. ``what`` they are, in the log.
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
        """Those of now. A file that went away or is broken changes nothing."""
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
            log.error(f"{self._what} cannot be read: nothing changes", reason=str(error))
            return
        self._text = text
        log.info(f"{self._what}: rotated")


def made_for(path: Path) -> bool:
    """Make the folders of ``data/gateway/file``, the inner one private; whether it is to be made,
    too.
    """
    path.parent.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    return not path.exists()
