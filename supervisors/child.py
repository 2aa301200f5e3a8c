"""What a supervisor is told about a child, and what it expects of one that is a supervisor."""

from collections.abc import Callable
from typing import Any, Protocol

import attrs

from actors.kernel import Actor, Ref, State
from actors.kernel.exit import Exit
from actors.kernel.ref import CAPACITY
from actors.kernel.system import System
from supervisors.snapshot import Snapshot
from supervisors.strategy import Restart


class StartFailed(Exception):
    """A child did not start; the text names it, and the place and the error it failed with."""


class ChildSupervisor(Protocol):
    """A supervisor seen from its parent. Launching and halting may happen many times."""

    @property
    def name(self) -> str:
        """Its name in the tree."""
        ...

    @property
    def state(self) -> State:
        """Where it stands."""
        ...

    def adopt(self, system: System, on_exit: Callable[[Exit], None]) -> None:
        """Before the first launch: what the tree shares, and whom to tell of giving up."""
        ...

    async def launch(self) -> Exit | None:
        """Start all children; the Exit when one fails, the others being stopped by then."""
        ...

    async def halt(self) -> None:
        """Stop all children; their addresses stay, with what is queued."""
        ...

    def bury(self, reason: str) -> None:
        """Down for good, with all children."""
        ...

    def snapshot(self, *, brief: bool = False) -> Snapshot:
        """A reading of this part of the tree; a brief one leaves dynamic children out."""
        ...


def _ref_of(child: "Child") -> Ref[Any]:
    return Ref(child.name, capacity=child.capacity)


@attrs.frozen
class Child:
    """One child: ``make`` gives a new actor for each start, or is a nested supervisor.

    ``stop_within`` and ``start_within`` are seconds, for actors (a nested supervisor's children
    have their own); with None its start may take any time. ``capacity`` bounds the mailbox, in
    messages. ``ref`` is the address, made with the child unless one is given, and then that one's
    capacity counts.
    """

    name: str
    make: Callable[[], Actor[Any]] | ChildSupervisor
    restart: Restart = Restart.PERMANENT
    stop_within: float = 5.0
    start_within: float | None = 10.0
    capacity: int = CAPACITY
    ref: Ref[Any] = attrs.field(default=attrs.Factory(_ref_of, takes_self=True))
