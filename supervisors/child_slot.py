"""The slot of a child in its supervisor: its current run and pending restart."""

import asyncio
from collections.abc import Callable

from actors.kernel import State
from actors.kernel.cell import Cell
from actors.kernel.exit import Exit
from actors.kernel.shared_state import SharedState
from supervisors.child import Child, ChildSupervisor
from supervisors.restart_policy import Backoff, Intensity, RestartWindow
from supervisors.snapshot import Snapshot


class ChildSlot:
    """One child.

    ``ended`` is True from the child's end until the supervisor has handled that end.
    """

    def __init__(
        self,
        child: Child,
        shared: SharedState,
        intensity: Intensity,
        on_exit: "Callable[[ChildSlot, Exit], None]",
    ) -> None:
        self.child = child
        self.name = child.name
        self.window = RestartWindow(intensity)
        self.failures = 0  # failures of the child in a row
        self.pending: asyncio.TimerHandle | None = None  # a restart that the back-off delays
        self.ended = False
        self._began = 0.0
        self._runs: Cell | ChildSupervisor
        if callable(child.make):
            self._runs = Cell(
                child.ref,
                child.make,
                shared=shared,
                on_exit=lambda end: on_exit(self, end),
                start_within=child.start_within,
                stop_within=child.stop_within,
            )
        else:
            self._runs = child.make
            child.make.adopt(shared, lambda end: on_exit(self, end))

    @property
    def down(self) -> bool:
        """True if the child is down for good."""
        return self._runs.state is State.DOWN

    @property
    def idle(self) -> bool:
        """True if the child does not run but should."""
        return self._runs.state in {State.NEW, State.RESTARTING}

    @property
    def awaited(self) -> bool:
        """True while the child's end has not been handled, or its restart is delayed."""
        return self.ended or self.pending is not None

    async def start(self) -> Exit | None:
        """Start the child; return the Exit if the start fails."""
        failure = await self._runs.launch()
        self._began = asyncio.get_running_loop().time()
        return failure

    async def stop(self) -> None:
        """Stop the child if it runs; its address stays."""
        await self._runs.halt()

    def bury(self, reason: str) -> None:
        """Take the child down for good."""
        self.settle()
        self._runs.bury(reason)

    def settle(self) -> None:
        """Forget the child's end, and cancel a delayed restart."""
        self.ended = False
        if self.pending is not None:
            self.pending.cancel()
            self.pending = None

    def delay(self, backoff: Backoff | None, uniform: Callable[[], float]) -> float:
        """Count one more failure; return the seconds to wait before the next start.

        The count begins again if the child ran for at least ``backoff.most`` seconds.
        """
        if backoff is None:
            return 0.0
        ran = asyncio.get_running_loop().time() - self._began
        self.failures = 1 if ran >= backoff.most else self.failures + 1
        return backoff.delay(self.failures, uniform())

    def snapshot(self, *, brief: bool = False) -> Snapshot:
        """Return the child's current state."""
        if not isinstance(self._runs, Cell):
            return self._runs.snapshot(brief=brief)
        figures = self._runs.statistics()
        return Snapshot(
            self.name,
            self._runs.kind,
            figures.state,
            figures.restarts,
            figures.last_error,
            figures,
        )
