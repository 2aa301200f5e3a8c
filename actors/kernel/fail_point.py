"""Fail points: named places at which a test can kill or pause this process, or let an actor fail.

    RENDERTRUST_CRASH_AT=after_commit.UnitComplete:1    SIGKILL at the first passage
    RENDERTRUST_PAUSE_AT=after_kept.SentRow:2           SIGSTOP at the second
    RENDERTRUST_RAISE_AT=scheduler.Dispatch:2-9         an exception at the second to the ninth

The code passes named points by calling ``reach`` and ``at``. In addition, every message that an
actor is about to handle passes a point: ``scheduler.Dispatch``, or ``scheduler`` for any message.
Only the first word of an actor's name counts: ``node`` for the session of any node. Passages are
counted over the whole process, across restarts of actors.

While none of the variables is set, handlers are not wrapped and ``reach`` returns at once.
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
    """Raised at the point that ``RENDERTRUST_RAISE_AT`` names."""


@attrs.define
class Plan:
    """An action at the passages ``first`` to ``last`` of one point."""

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
    """End the process at once, as if the machine lost power."""
    os.kill(os.getpid(), signal.SIGKILL)


def pause() -> None:
    """Pause the process until SIGCONT, so that a test can kill other processes first."""
    os.kill(os.getpid(), signal.SIGSTOP)


def fail() -> None:
    raise FailPointReached


def plans_of(environment: Mapping[str, str]) -> tuple[Plan, ...]:
    """Parse the three environment variables. Raises ValueError if a variable is malformed."""
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
    """Pass the point ``WHEN.Kind`` of each thing, where Kind is the name of its class."""
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


def with_fail_points(address: str, table: Table) -> Table:
    """Return an actor's handlers, wrapped to pass fail points; unchanged if no plan is set."""
    if not _plans:
        return table
    name = address.partition(" ")[0]
    return {kind: _wrapped(name, kind.__name__, handler) for kind, handler in table.items()}


def _wrapped(actor: str, message: str, handler: Handler) -> Handler:
    method, limit, overlap = handler

    @functools.wraps(method)
    async def handle(*words: Any) -> Any:
        _pass(actor)
        _pass(f"{actor}.{message}")
        return await method(*words)

    return handle, limit, overlap
