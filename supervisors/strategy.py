"""Restart strategies."""

from collections.abc import Sequence
from enum import Enum, auto
from typing import TypeVar

T = TypeVar("T")


class Strategy(Enum):
    """Which children a supervisor restarts when one of them has ended."""

    ONE_FOR_ONE = auto()  # that one
    ONE_FOR_ALL = auto()  # all children
    REST_FOR_ONE = auto()  # that one, and those started after it

    def affected(self, children: Sequence[T], ended: T) -> Sequence[T]:
        """Return the children to restart, in the order of their start."""
        if self is Strategy.ONE_FOR_ONE:
            return (ended,)
        if self is Strategy.ONE_FOR_ALL:
            return tuple(children)
        return tuple(children[children.index(ended) :])


class Restart(Enum):
    """Which ends of a child lead to a restart."""

    PERMANENT = auto()  # every end
    TRANSIENT = auto()  # crashes

    def wanted(self, *, normal: bool) -> bool:
        """Return True if a child that ended this way is restarted."""
        return self is Restart.PERMANENT or not normal


class GiveUp(Enum):
    """A supervisor's reaction to a child that exceeds the restart intensity."""

    ESCALATE = auto()  # the supervisor stops its children and ends; its parent decides
    STAY_DOWN = auto()  # only that child is down for good, and reported
