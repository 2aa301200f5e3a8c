"""Log of a unit's program, sent to the gateway in pieces."""

from collections.abc import Callable
from typing import Final

import attrs

from rendertrust.protocol import LOG_CHARACTERS_MAX, Log, Running

EVERY_SECONDS: Final = 1.0  # per piece, so that a chatty scene cannot displace other frames
KEPT_CHARACTERS: Final = 64 * 1024


@attrs.define
class UnitLog:
    """Sender of the log. Lost pieces show in the ``offset``, in bytes of UTF-8."""

    ref: Running
    send: Callable[[Log], object]
    clock: Callable[[], float]
    _waiting: str = ""
    _offset: int = 0
    _sequence: int = 0
    _sent_at: float = float("-inf")

    def hear(self, text: str) -> None:
        """Append text; drop the oldest if too much is waiting."""
        self._waiting += clean(text)
        self._forget(len(self._waiting) - KEPT_CHARACTERS)
        if self.clock() - self._sent_at >= EVERY_SECONDS:
            self.tell()

    def tell(self) -> None:
        """Send the next piece, if there is one and the connection takes it."""
        piece = self._waiting[:LOG_CHARACTERS_MAX]
        ref = self.ref
        if piece and self.send(
            Log(
                job_id=ref.job_id,
                unit=ref.unit,
                attempt=ref.attempt,
                sequence=self._sequence,
                offset=self._offset,
                text=piece,
            )
        ):
            self._sequence += 1
            self._sent_at = self.clock()
            self._forget(len(piece))

    def _forget(self, characters: int) -> None:
        if characters > 0:
            self._offset += len(self._waiting[:characters].encode())
            self._waiting = self._waiting[characters:]


def clean(text: str) -> str:
    """Replace characters that a relay frame may not contain."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()
