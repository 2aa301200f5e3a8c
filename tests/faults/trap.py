"""Something that happens to a connection at one point of what is said over it."""

from collections.abc import Iterable
from enum import Enum

import attrs

from tests.faults.line import Line, Way


class Kind(Enum):
    CUT = "reset before it gets through"
    STRAND = "silent from there on"
    SWALLOW = "reset in place of the answer"
    WATCH = "nothing; it is counted"


@attrs.define(eq=False)
class Trap:
    """At a text, or ``after`` so many bytes of a connection from now; it springs ``times`` times.

    ``sprung``: how often it has. What is swallowed counts when the answer is there.
    """

    kind: Kind
    text: bytes = b""
    after: int = 0
    back: bool = False  # in what the server says
    times: int = 1
    answer: bytes = b""  # what of the server's words is swallowed; its next ones if empty
    sprung: int = 0
    _went_by: dict[Way, int] = attrs.field(factory=dict[Way, int])  # before it was set

    def set_at(self, lines: Iterable[Line]) -> None:
        """These connections are there already."""
        for line in lines:
            self._went_by |= {way: way.passed for way in (line.forth, line.back)}

    def catches(self, way: Way, data: bytes) -> bool:
        """Whether it springs with this piece; each time is counted down."""
        if self.times == 0 or way.back != self.back:
            return False
        lacks = self._lacks(way)
        caught = way.finds(self.text, data) if self.text else 0 <= lacks < len(data)
        self.times -= caught
        return caught

    def _lacks(self, way: Way) -> int:
        return self.after + self._went_by.get(way, 0) - way.passed

    def through(self, way: Way, data: bytes) -> int:
        """How much of the piece gets through before it happens."""
        if self.kind in (Kind.SWALLOW, Kind.WATCH):
            return len(data)
        return 0 if self.text else self._lacks(way)

    def spring(self, line: Line) -> None:
        """What happens, after that much got through."""
        if self.kind is Kind.SWALLOW:
            line.swallowing = self
            return
        self.sprung += 1
        if self.kind is Kind.CUT:
            line.reset()
        elif self.kind is Kind.STRAND:
            line.strand()

    def swallows(self, way: Way, data: bytes) -> bool:
        """Whether this is the answer: then what was asked for is done."""
        if not way.back or (self.answer and not way.finds(self.answer, data)):
            return False
        self.sprung += 1
        return True
