"""The supervisor: starts its children in order, and decides what happens when one ends."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Sequence

from actors.kernel import DeadLetters, Fatal, Restart, RestartLog, State
from actors.kernel.exit import Exit
from actors.kernel.shared_state import SharedState
from supervisors.child import Child, ChildSupervisor, StartFailed
from supervisors.child_slot import ChildSlot
from supervisors.restart_policy import Backoff, GiveUp, Intensity, RestartWindow, Strategy
from supervisors.snapshot import RestartAllowance, Snapshot

log = logging.getLogger(__name__)


class Supervisor:
    """Starts its children from left to right, and stops them from right to left.

    The root is started by ``start``; nested supervisors are started, stopped and restarted by their
    parents. ``uniform``, of the root only, returns numbers in [0, 1) for jitter in the whole tree;
    without it the delays are the same in every run.
    """

    def __init__(
        self,
        name: str,
        strategy: Strategy,
        intensity: Intensity,
        children: Sequence[Child | ChildSupervisor],
        *,
        backoff: Backoff | None = None,
        give_up: GiveUp = GiveUp.ESCALATE,
        uniform: Callable[[], float] | None = None,
    ) -> None:
        self.name = name
        self._strategy = strategy
        self._intensity = intensity
        self._children = [c if isinstance(c, Child) else Child(c.name, c) for c in children]
        self._backoff = backoff
        self._give_up = give_up
        self._shared = SharedState(uniform or random.Random(0).random)  # noqa: S311 - jitter
        self._on_exit: Callable[[Exit], None] = self._root_gave_up
        self._slots: list[ChildSlot] = []
        self._window = RestartWindow(intensity)
        # Ends and due restarts, at most two per child.
        self._events: deque[tuple[ChildSlot, Exit | None]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._failed: asyncio.Future[str] | None = None
        self._gave_up: BaseException | None = None
        self._state = State.NEW
        self._halting = False
        self._restarts = 0
        self._last_error: str | None = None

    # -- public methods of the root

    async def start(self) -> None:
        """Start the tree. Raises StartFailed if a child fails; everything is then stopped."""
        if self._state is not State.NEW:
            raise RuntimeError(f"{self.name} has been started before")
        self.adopt(self._shared, self._root_gave_up)
        failure = await self.launch()
        if failure is not None:
            self.bury(failure.reason)
            raise StartFailed(f"{self.name}: {failure.reason}") from failure.error

    async def stop(self) -> None:
        """Stop the tree for good: from right to left, each child within its time limit, then by
        force.
        """
        await self.halt()
        self.bury("stopped")

    async def failed(self) -> str:
        """Wait until this root gives up; return the reason, with the child and its last error."""
        return await self._failure()

    @property
    def exit_code(self) -> int:
        """The exit code of the process after this root gave up."""
        return self._gave_up.exit_code if isinstance(self._gave_up, Fatal) else 1

    @property
    def dead_letters(self) -> DeadLetters:
        """The dead letters of the whole tree."""
        return self._shared.dead_letters

    @property
    def restarts(self) -> RestartLog:
        """The restarts of the whole tree, including children that were given up."""
        return self._shared.restarts

    def snapshot(self, *, brief: bool = False) -> Snapshot:
        """Return the state of this part of the tree; ``brief``: totals of dynamic children."""
        return Snapshot(
            self.name,
            self._strategy.name.lower(),
            self._state,
            self._restarts,
            self._last_error,
            children=tuple(slot.snapshot(brief=brief) for slot in self._slots),
            allowance=self._allowance(),
        )

    def _allowance(self) -> RestartAllowance:
        """Return the restarts used; if each child has its own limit, those of the worst child."""
        now = self._task.get_loop().time() if self._task is not None else 0.0
        each = self._give_up is GiveUp.STAY_DOWN
        windows = [slot.window for slot in self._slots] if each else [self._window]
        used = max((window.used(now) for window in windows), default=0)
        return RestartAllowance(used, self._intensity.restarts, self._intensity.within)

    # -- called by its parent

    @property
    def state(self) -> State:
        return self._state

    def adopt(self, shared: SharedState, on_exit: Callable[[Exit], None]) -> None:
        """Receive what the tree shares, and create the children's slots."""
        self._shared = shared
        self._on_exit = on_exit
        self._slots = [
            ChildSlot(child, shared, self._intensity, self._report) for child in self._children
        ]

    async def launch(self) -> Exit | None:
        """Start the children from left to right; if one fails, stop those that run."""
        self._restarts += self._state is not State.NEW
        self._state = State.STARTING
        self._halting = False
        self._window = RestartWindow(self._intensity)
        try:
            failure = await self._start_all()
        except asyncio.CancelledError:
            await self._stop(self._slots)
            raise
        if failure is not None:
            await self._stop(self._slots)
            self._forget(self._slots)
            self._state = State.RESTARTING
            return failure
        self._state = State.RUNNING
        self._task = asyncio.get_running_loop().create_task(self._supervise(), name=self.name)
        return None

    async def halt(self) -> None:
        """Stop supervising, then stop the children from right to left."""
        self._halting = True
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait((task,))
        if self._state is State.RUNNING:
            self._state = State.STOPPING
        await self._stop(self._slots)
        self._forget(self._slots)
        if self._state is State.STOPPING:
            self._state = State.RESTARTING

    def bury(self, reason: str) -> None:
        """Take this supervisor and its children down for good."""
        self._state = State.DOWN
        for slot in reversed(self._slots):
            slot.bury(reason)

    # -- supervision

    async def _start_all(self) -> Exit | None:
        for slot in self._slots:
            if slot.down:
                continue
            end = await slot.start()
            if end is None and self._halting:
                end = Exit(normal=False, reason="stopped while starting")
            if end is not None:
                return Exit(normal=False, reason=f"{slot.name}: {end.reason}", error=end.error)
        return None

    async def _supervise(self) -> None:
        try:
            while self._state is State.RUNNING:
                if not self._events:
                    self._waiter = asyncio.get_running_loop().create_future()
                    await self._waiter
                slot, end = self._events.popleft()
                if end is None:
                    slot.pending = None
                    await self._revive(slot)
                else:
                    await self._ended(slot, end)
        except Exception as error:
            log.exception("%s failed itself", self.name)
            await self._escalate(Exit(normal=False, reason="supervisor failed", error=error))

    def _report(self, slot: ChildSlot, end: Exit | None) -> None:
        slot.ended = end is not None
        self._events.append((slot, end))
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _ended(self, slot: ChildSlot, end: Exit) -> None:
        """Handle a child that ended by itself, or failed to restart."""
        slot.ended = False
        self._last_error = f"{slot.name}: {end.reason}"
        if isinstance(end.error, Fatal):  # at every level up to the root, whatever the policy
            await self._escalate(Exit(normal=False, reason=self._last_error, error=end.error))
            return
        window = slot.window if self._give_up is GiveUp.STAY_DOWN else self._window
        if window.admit(asyncio.get_running_loop().time()):
            await self._restart(slot, end)
        else:
            await self._too_many(slot, end)

    async def _restart(self, slot: ChildSlot, end: Exit) -> None:
        group = self._strategy.affected(self._slots, slot)
        await self._stop(group)
        self._forget(group)
        delay = slot.delay(self._backoff, self._shared.uniform)
        log.warning("%s restarts %s in %.1f s", self.name, slot.name, delay)
        self._note(slot, end.reason, delay)
        if delay > 0:
            loop = asyncio.get_running_loop()
            slot.pending = loop.call_later(delay, self._report, slot, None)
        else:
            await self._revive(slot)

    async def _revive(self, slot: ChildSlot) -> None:
        """Start, from left to right, the idle children of the group that restarts with ``slot``."""
        for each in self._strategy.affected(self._slots, slot):
            if each.awaited:  # the children after it start with it, in order
                return
            if each.idle:
                failure = await each.start()
                if failure is not None:
                    self._report(each, failure)
                    return

    async def _too_many(self, slot: ChildSlot, end: Exit) -> None:
        limit = self._intensity
        reason = (
            f"{slot.name} ended more than {limit.restarts} times in {limit.within:g} s,"
            f" the last time by: {end.reason}"
        )
        log.error("%s gives up: %s", self.name, reason)
        self._note(slot, reason, None)
        if self._give_up is GiveUp.STAY_DOWN:
            slot.bury(reason)
            await self._revive(slot)
        else:
            await self._escalate(Exit(normal=False, reason=reason, error=end.error))

    def _note(self, slot: ChildSlot, reason: str, delay: float | None) -> None:
        """Add an entry to the restart log of the tree."""
        at = asyncio.get_running_loop().time()
        self._shared.restarts.add(Restart(at, self.name, slot.name, reason, delay))

    async def _escalate(self, end: Exit) -> None:
        self._last_error = end.reason
        await self._stop(self._slots)
        self._forget(self._slots)
        self._state = State.RESTARTING
        self._on_exit(end)

    async def _stop(self, slots: Sequence[ChildSlot]) -> None:
        for slot in reversed(slots):
            await slot.stop()

    def _forget(self, slots: Sequence[ChildSlot]) -> None:
        """Drop pending events of stopped children."""
        self._events = deque(event for event in self._events if event[0] not in slots)
        for slot in slots:
            slot.settle()

    def _failure(self) -> "asyncio.Future[str]":
        if self._failed is None:
            self._failed = asyncio.get_running_loop().create_future()
        return self._failed

    def _root_gave_up(self, end: Exit) -> None:
        self._gave_up = end.error
        self.bury(end.reason)
        failure = self._failure()
        if not failure.done():
            failure.set_result(end.reason)
