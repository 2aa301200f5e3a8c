"""Children of a supervisor: their description, and the interface of a nested supervisor."""

from collections.abc import Callable
from typing import Any, Protocol

import attrs

from actors.kernel import Actor, Ref, State
from actors.kernel.exit import Exit
from actors.kernel.ref import CAPACITY
from actors.kernel.shared_state import SharedState
from supervisors.snapshot import Snapshot


class StartFailed(Exception):
    """A child failed to start; the text names the child, its supervisor and the error."""


class ChildSupervisor(Protocol):
    """A nested supervisor, as its parent uses it.

    A nested supervisor may be launched and halted many times.
    """

    @property
    def name(self) -> str:
        """The supervisor's name in the tree."""
        ...

    @property
    def state(self) -> State:
        """The supervisor's lifecycle state."""
        ...

    def adopt(self, shared: SharedState, on_exit: Callable[[Exit], None]) -> None:
        """Receive the tree's shared state, and the function to call after giving up.

        Called before the first launch.
        """
        ...

    async def launch(self) -> Exit | None:
        """Start all children; if a child fails to start, stop the other children and return its
        Exit.
        """
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
    """A child: ``make`` is a function that creates an actor for each start, or a nested supervisor.

    ``stop_within`` and ``start_within`` are seconds, for actors only, as the children of a nested
    supervisor have their own limits. If ``start_within`` is None, the start may take any time.
    ``capacity`` is the limit of the mailbox, in messages. ``ref``: the address; an address that is
    given keeps its own capacity.
    """

    name: str
    make: Callable[[], Actor[Any]] | ChildSupervisor
    stop_within: float = 5.0
    start_within: float | None = 10.0
    capacity: int = CAPACITY
    ref: Ref[Any] = attrs.field(default=attrs.Factory(_ref_of, takes_self=True))
