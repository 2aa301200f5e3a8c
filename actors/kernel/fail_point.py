"""Fail points: named places at which a test has this process die, or stand still, or an actor
fail.

    RENDERTRUST_CRASH_AT=after_commit.UnitComplete:1    SIGKILL at the first passage
    RENDERTRUST_PAUSE_AT=after_kept.SentRow:2           SIGSTOP at the second
    RENDERTRUST_RAISE_AT=scheduler.Dispatch:2-9         an exception at the second to the ninth

Points with names are passed by ``reach`` and ``at``. Beside them every message that an actor is
about to handle is a point: ``scheduler.Dispatch``, and ``scheduler`` for any message; ``node`` for
the session of whichever node. Passages are counted over the whole process, restarts of actors
included.
While none of the variables is set, handlers are called as they are and ``reach`` returns at once.
"""

import functools
import os
import re
import signal
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import attrs

from actors.kernel.handler import Handler, Table

CRASH_AT: Final = "RENDERTRUST_CRASH_AT"
PAUSE_AT: Final = "RENDERTRUST_PAUSE_AT"
RAISE_AT: Final = "RENDERTRUST_RAISE_AT"
SHAPE: Final = re.compile(r"([\w.]+):([1-9]\d*)(?:-([1-9]\d*))?")


class FailPointReached(Exception):
    """Raised where ``RENDERTRUST_RAISE_AT`` says."""


@attrs.define
class Plan:
    """What happens at the passages ``first`` to ``last`` of one point."""

    point: str
    first: int
    last: int
    act: Callable[[], None]
    passages: int = 0

    def reach(self, point: str) -> None:
        if point == self.point:
            self.passages += 1
            if self.first <= self.passages <= self.last:
                self.act()


def crash() -> None:
    """End as a machine ends that loses its power: without a word to anybody."""
    os.kill(os.getpid(), signal.SIGKILL)


def pause() -> None:
    """Stand still until somebody says SIGCONT: what is around may die meanwhile."""
    os.kill(os.getpid(), signal.SIGSTOP)


def fail() -> None:
    raise FailPointReached


def plans_of(environment: Mapping[str, str]) -> tuple[Plan, ...]:
    """The plans that are set; ValueError for one that would never come true."""
    plans: list[Plan] = []
    for variable, act in ((CRASH_AT, crash), (PAUSE_AT, pause), (RAISE_AT, fail)):
        text = environment.get(variable, "")
        if not text:
            continue
        found = SHAPE.fullmatch(text)
        if found is None:
            raise ValueError(f"{variable} is {text!r}; it must be POINT:N or POINT:N-M")
        point, first, last = found.groups()
        plans.append(Plan(point, int(first), int(last or first), act))
    return tuple(plans)


_plans = plans_of(os.environ)


def reach(when: str, things: Iterable[object]) -> None:
    """Pass the points ``WHEN.Kind`` of these things, in order."""
    if _plans:
        for thing in things:
            _pass(f"{when}.{type(thing).__name__}")


def at(point: str) -> None:
    """Pass the point of this name."""
    if _plans:
        _pass(point)


def _pass(point: str) -> None:
    for plan in _plans:
        plan.reach(point)


def laced(address: str, table: Table) -> Table:
    """The handlers of an actor, each behind its points; the same table while none is set."""
    if not _plans:
        return table
    name = address.partition(" ")[0]
    return {kind: _laced(name, kind.__name__, handler) for kind, handler in table.items()}


def _laced(actor: str, message: str, handler: Handler) -> Handler:
    method, limit = handler

    @functools.wraps(method)
    async def handle(*words: Any) -> Any:
        _pass(actor)
        _pass(f"{actor}.{message}")
        return await method(*words)

    return handle, limit
