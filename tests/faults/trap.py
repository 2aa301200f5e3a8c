"""Traps: faults that happen at a certain point of a connection's traffic."""

from collections.abc import Iterable
from enum import Enum

import attrs

from tests.faults.line import Direction, Line


class Kind(Enum):
    CUT = "reset before it gets through"
    STRAND = "silent from there on"
    SWALLOW = "reset in place of the answer"
    WATCH = "nothing; it is counted"


@attrs.define(eq=False)
class Trap:
    """A fault where the traffic has ``text`` or, without a text, after ``after`` more bytes.

    The trap springs ``times`` times; at -1, always. ``sprung`` counts how often it sprang. A
    swallowed answer counts once the server has sent it.
    """

    kind: Kind
    text: bytes = b""
    after: int = 0
    back: bool = False  # True: at data that the server sends; False: at data of the client
    times: int = 1
    answer: bytes = b""  # text of the answer to swallow; if empty, whatever the server sends next
    sprung: int = 0
    _went_by: dict[Direction, int] = attrs.field(
        factory=dict[Direction, int]
    )  # bytes before the trap was set

    def set_at(self, lines: Iterable[Line]) -> None:
        """Set the trap; bytes that these existing connections have passed do not count."""
        for line in lines:
            self._went_by |= {way: way.passed for way in (line.forth, line.back)}

    def catches(self, way: Direction, data: bytes) -> bool:
        """Return whether the trap springs with this piece, and count it if so."""
        if self.times == 0 or way.back != self.back:
            return False
        lacks = self._lacks(way)
        caught = way.finds(self.text, data) if self.text else 0 <= lacks < len(data)
        self.times -= caught
        return caught

    def _lacks(self, way: Direction) -> int:
        return self.after + self._went_by.get(way, 0) - way.passed

    def through(self, way: Direction, data: bytes) -> int:
        """Return how many bytes of the piece get through before the fault."""
        if self.kind in (Kind.SWALLOW, Kind.WATCH):
            return len(data)
        return 0 if self.text else self._lacks(way)

    def spring(self, line: Line) -> None:
        """Cause the fault; call it once the first ``through`` bytes of the piece got through."""
        if self.kind is Kind.SWALLOW:
            line.swallowing = self
            return
        self.sprung += 1
        if self.kind is Kind.CUT:
            line.reset()
        elif self.kind is Kind.STRAND:
            line.strand()

    def swallows(self, way: Direction, data: bytes) -> bool:
        """Return whether this is the answer to swallow; the request has then been executed."""
        if not way.back or (self.answer and not way.finds(self.answer, data)):
            return False
        self.sprung += 1
        return True
