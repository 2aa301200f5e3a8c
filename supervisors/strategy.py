"""Restart strategies: who is restarted, and when."""

from collections.abc import Sequence
from enum import Enum, auto
from typing import TypeVar

T = TypeVar("T")


class Strategy(Enum):
    """Which children a supervisor restarts when one of them has ended."""

    ONE_FOR_ONE = auto()  # that one
    ONE_FOR_ALL = auto()  # all of them
    REST_FOR_ONE = auto()  # that one and those started after it

    def affected(self, children: Sequence[T], ended: T) -> Sequence[T]:
        """The children to restart, in the order of their start."""
        if self is Strategy.ONE_FOR_ONE:
            return (ended,)
        if self is Strategy.ONE_FOR_ALL:
            return tuple(children)
        return tuple(children[children.index(ended) :])


class Restart(Enum):
    """Which ends of a child are followed by a restart."""

    PERMANENT = auto()  # every end
    TRANSIENT = auto()  # crashes

    def wanted(self, *, normal: bool) -> bool:
        """Whether a child that ended so is to be started again."""
        return self is Restart.PERMANENT or not normal


class GiveUp(Enum):
    """What happens when a child ends more often than the restart intensity permits."""

    ESCALATE = auto()  # the supervisor stops its children and ends; its own parent decides
    STAY_DOWN = auto()  # that child alone is down for good, and reported
