"""The dynamic supervisor: any number of temporary children, started while the tree runs."""

import asyncio
from collections.abc import Callable
from typing import Any

from actors.kernel import Fatal, Ref, State
from actors.kernel.cell import Cell
from actors.kernel.exit import Exit
from actors.kernel.shared_state import SharedState
from supervisors.child import Child, StartFailed
from supervisors.snapshot import ChildTotals, Snapshot

LIMIT = 20_000


class DynamicSupervisor:
    """Supervisor of temporary children: one that ends is not restarted.

    There are at most ``limit`` children at a time. A halt stops all children concurrently.
    """

    def __init__(self, name: str, *, limit: int = LIMIT) -> None:
        self.name = name
        self._limit = limit
        self._cells: dict[Ref[Any], Cell] = {}
        self._shared: SharedState | None = None
        self._on_exit: Callable[[Exit], None] = _nobody
        self._state = State.NEW
        self._restarts = 0
        self._last_error: str | None = None
        self._kind = ""
        self._gone = ChildTotals()  # totals of the children that have ended

    async def start_child(self, child: Child) -> Ref[Any]:
        """Start a child and return its address.

        Raises StartFailed if its start fails, if there are ``limit`` children, or if this
        supervisor is not running.
        """
        cell = self._place(child)
        try:
            failure = await cell.launch()
        except asyncio.CancelledError:
            await cell.kill()
            self._lose(cell, "its start was cancelled")
            raise
        if failure is not None:
            self._ended(cell, failure)
            raise StartFailed(f"{child.name}: {failure.reason}") from failure.error
        self._kind = cell.kind
        return child.ref

    async def terminate(self, ref: Ref[Any]) -> None:
        """Stop a child within its time limit, then by force; no effect if the child has ended."""
        cell = self._cells.get(ref)
        if cell is not None:
            await cell.halt()
            self._lose(cell, "terminated")

    def children(self) -> tuple[Ref[Any], ...]:
        """Return the addresses of the running children, oldest first."""
        return tuple(self._cells)

    @property
    def state(self) -> State:
        """The supervisor's lifecycle state."""
        return self._state

    def adopt(self, shared: SharedState, on_exit: Callable[[Exit], None]) -> None:
        """Receive the tree's shared state, and the function to call after a ``Fatal`` in a child;
        other ends are not reported.
        """
        self._shared, self._on_exit = shared, on_exit

    async def launch(self) -> Exit | None:
        """Become ready for children."""
        self._restarts += self._state is not State.NEW
        self._state = State.RUNNING
        return None

    async def halt(self) -> None:
        """Stop all children at once, and wait for them together."""
        if self._state is State.RUNNING:
            self._state = State.STOPPING
        cells = [*reversed(self._cells.values())]
        await asyncio.gather(*(cell.halt() for cell in cells))
        for cell in cells:
            self._lose(cell, "stopped")
        if self._state is State.STOPPING:
            self._state = State.RESTARTING

    def bury(self, reason: str) -> None:
        """Take all children down, and accept no further children for good."""
        self._state = State.DOWN
        for cell in list(self._cells.values()):
            self._lose(cell, reason)

    def snapshot(self, *, brief: bool = False) -> Snapshot:
        """Return the state of this supervisor and its children.

        For ten thousand children this takes 100 ms. With ``brief``, the snapshot has totals instead
        of children, and takes 5 ms.
        """
        return Snapshot(
            self.name,
            "dynamic",
            self._state,
            self._restarts,
            self._last_error,
            children=() if brief else tuple(_reading(cell) for cell in self._cells.values()),
            totals=self._totals() if brief else None,
        )

    def _totals(self) -> ChildTotals:
        cells, gone = self._cells.values(), self._gone
        depths = [len(cell.ref.mailbox.items) for cell in cells]
        return ChildTotals(
            kind=self._kind,
            living=len(depths),
            depth=sum(depths),
            deepest=max(depths, default=0),
            handled=gone.handled + sum(cell.gauge.handled for cell in cells),
            busy=gone.busy + sum(cell.gauge.busy for cell in cells),
            dead_letters=gone.dead_letters + sum(cell.ref.mailbox.lost for cell in cells),
        )

    def _place(self, child: Child) -> Cell:
        if self._shared is None or self._state is not State.RUNNING:
            raise StartFailed(f"{child.name}: {self.name} is not running")
        if len(self._cells) >= self._limit:
            raise StartFailed(f"{child.name}: {self.name} has {self._limit} children already")
        if not callable(child.make):
            raise StartFailed(f"{child.name}: {self.name} takes actors only")

        def ended(end: Exit) -> None:
            self._ended(cell, end)

        cell = Cell(
            child.ref,
            child.make,
            shared=self._shared,
            on_exit=ended,
            start_within=child.start_within,
            stop_within=child.stop_within,
        )
        self._cells[child.ref] = cell
        return cell

    def _ended(self, cell: Cell, end: Exit) -> None:
        """Handle a child that ended by itself, or failed to start."""
        self._lose(cell, end.reason)
        if end.normal:
            return
        reason = self._last_error = f"{cell.ref.name}: {end.reason}"
        if isinstance(end.error, Fatal):  # the parent then stops all children of this supervisor
            self._on_exit(Exit(normal=False, reason=reason, error=end.error))

    def _lose(self, cell: Cell, reason: str) -> None:
        known = self._cells.pop(cell.ref, None)
        cell.bury(reason)
        if known is not None:
            self._kind = cell.kind or self._kind
            self._gone = ChildTotals(
                handled=self._gone.handled + cell.gauge.handled,
                busy=self._gone.busy + cell.gauge.busy,
                dead_letters=self._gone.dead_letters + cell.ref.mailbox.lost,
            )


def _nobody(_: Exit) -> None:
    """Do nothing: there is no parent before ``adopt``."""


def _reading(cell: Cell) -> Snapshot:
    figures = cell.statistics()
    return Snapshot(
        cell.ref.name, cell.kind, figures.state, figures.restarts, figures.last_error, figures
    )
