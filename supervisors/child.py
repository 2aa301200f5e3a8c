"""Children of a supervisor: their description, and the interface of a nested supervisor."""

from collections.abc import Callable
from typing import Any, Protocol

import attrs

from actors.kernel import Actor, Ref, State
from actors.kernel.exit import Exit
from actors.kernel.ref import CAPACITY
from actors.kernel.system import System
from supervisors.snapshot import Snapshot


class StartFailed(Exception):
    """A child failed to start; the text names the child, the place and the error."""


class ChildSupervisor(Protocol):
    """A nested supervisor, as its parent uses it. It may be launched and halted many times."""

    @property
    def name(self) -> str:
        """The name in the tree."""
        ...

    @property
    def state(self) -> State:
        """The lifecycle state."""
        ...

    def adopt(self, system: System, on_exit: Callable[[Exit], None]) -> None:
        """Receive what the tree shares, and whom to notify after giving up.

        Before the first launch.
        """
        ...

    async def launch(self) -> Exit | None:
        """Start all children; if one fails, stop the others and return its Exit."""
        ...

    async def halt(self) -> None:
        """Stop all children; their addresses stay, with their queued messages."""
        ...

    def bury(self, reason: str) -> None:
        """Take all children down for good."""
        ...

    def snapshot(self, *, brief: bool = False) -> Snapshot:
        """Return the state of this part of the tree; without dynamic children if ``brief``."""
        ...


def _ref_of(child: "Child") -> Ref[Any]:
    return Ref(child.name, capacity=child.capacity)


@attrs.frozen
class Child:
    """A child: ``make`` creates an actor for each start, or it is a nested supervisor.

    ``stop_within`` and ``start_within`` are seconds, for actors only (the children of a nested
    supervisor have their own); None: the start may take any time. ``capacity`` is the limit of the
    mailbox, in messages. ``ref``: the address; if it is given, it keeps its own capacity.
    """

    name: str
    make: Callable[[], Actor[Any]] | ChildSupervisor
    stop_within: float = 5.0
    start_within: float | None = 10.0
    capacity: int = CAPACITY
    ref: Ref[Any] = attrs.field(default=attrs.Factory(_ref_of, takes_self=True))
