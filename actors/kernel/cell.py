"""The cell of an address, which starts, stops and restarts instances of its actor."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from actors.kernel.actor import Actor
from actors.kernel.errors import Mishap
from actors.kernel.exit import KILLED, Exit, crash
from actors.kernel.instance import Instance
from actors.kernel.ref import Ref
from actors.kernel.shared_state import SharedState
from actors.kernel.statistics import Gauge, State, Statistics

KILL_SECONDS = 1.0  # how long a cancelled handler may take before it is abandoned
log = logging.getLogger(__name__)


class Cell:
    """Starts, stops and kills instances of an actor; its supervisor decides about restarts.

    ``on_exit`` is called when a running instance ends by itself. ``on_exit`` is not called after
    ``halt`` or ``kill``, nor after a failed start, which ``launch`` reports.
    """

    __slots__ = (
        "gauge",
        "instance",
        "kind",
        "make",
        "on_exit",
        "ref",
        "shared",
        "start_within",
        "stop_within",
        "task",
    )

    def __init__(
        self,
        ref: Ref[Any],
        make: Callable[[], Actor[Any]],
        *,
        shared: SharedState,
        on_exit: Callable[[Exit], None],
        start_within: float | None,
        stop_within: float,
    ) -> None:
        self.ref = ref
        self.make = make
        self.shared = shared
        self.on_exit = on_exit
        self.start_within = start_within
        self.stop_within = stop_within
        self.gauge = Gauge()
        self.kind = ""
        self.instance: Instance | None = None
        self.task: asyncio.Task[None] | None = None
        ref.mailbox.dead_letters = shared.dead_letters

    async def launch(self) -> Exit | None:
        """Start an instance, and wait for its ``started``; return the Exit if that fails."""
        if self.gauge.state is not State.NEW:
            self.gauge.restarts += 1
        self.gauge.state = State.STARTING
        try:
            actor = self.make()
        except Exception as error:
            self.gauge.state = State.RESTARTING
            return self._note(crash(error, f"making {self.ref.name}", detail=True))
        self.kind = type(actor).__name__
        instance = Instance(actor, self.ref, self.gauge, self.shared, self.stop_within)
        self.instance = instance
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Exit] = loop.create_future()
        self.task = loop.create_task(self._run(instance, ended), name=self.ref.name)
        await asyncio.wait(
            (instance.started, ended),
            timeout=self.start_within,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if instance.started.done():
            return None
        if ended.done():
            return ended.result()
        await self.kill()
        return self._note(Exit(normal=False, reason=f"not started within {self.start_within} s"))

    async def _run(self, instance: Instance, ended: "asyncio.Future[Exit]") -> None:
        end = KILLED
        try:
            end = await instance.live()
        finally:
            self._note(end)
            ended.set_result(end)
            if self.instance is instance:  # false if this instance was abandoned
                self._vacate(end)

    def _vacate(self, end: Exit) -> None:
        by_itself = self.gauge.state is State.RUNNING
        self.instance = None
        self.gauge.state = State.RESTARTING
        if by_itself:
            self.on_exit(end)

    async def halt(self) -> None:
        """Let the instance finish the current message and end; kill it after ``stop_within``."""
        task, instance = self.task, self.instance
        if task is None or instance is None or task.done():
            return
        self.gauge.state = State.STOPPING
        instance.request_stop()
        await asyncio.wait((task,), timeout=self.stop_within)
        if not task.done():
            await self.kill()

    async def kill(self) -> None:
        """Cancel the current handler, and abandon it if it does not end within a second."""
        task, instance = self.task, self.instance
        if task is None or instance is None or task.done():
            return
        self.gauge.state = State.STOPPING
        instance.kill()
        task.cancel()
        await asyncio.wait((task,), timeout=KILL_SECONDS)
        if not task.done():
            log.error("%s did not end when it was cancelled", self.ref.name)
            instance.abandon()
            self._vacate(KILLED)

    @property
    def state(self) -> State:
        """The lifecycle state of the address."""
        return self.gauge.state

    def bury(self, reason: str) -> None:
        """Take the address down for good.

        Queued asks fail, queued tells become dead letters, and watchers are notified.
        """
        self.gauge.state = State.DOWN
        self.ref.mailbox.close(reason)

    def statistics(self) -> Statistics:
        """Return the actor's current figures."""
        gauge, mailbox = self.gauge, self.ref.mailbox
        return Statistics(
            state=gauge.state,
            depth=len(mailbox.items),
            peak=mailbox.peak,
            handled=gauge.handled,
            handle_seconds=gauge.busy,
            restarts=gauge.restarts,
            last_error=gauge.last_error,
            dead_letters=mailbox.lost,
            samples=gauge.samples[: gauge.runs],
            capacity=mailbox.capacity,
            is_handling=self.instance is not None and self.instance.is_handling,
        )

    def _note(self, end: Exit) -> Exit:
        if not end.normal:
            self.gauge.last_error = end.reason
            bug = None if isinstance(end.error, Mishap) else end.error
            log.error("%s: %s", self.ref.name, end.reason, exc_info=bug)
        return end
