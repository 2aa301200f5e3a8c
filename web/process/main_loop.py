"""Run a gateway until a signal stops it or its supervision tree gives up."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from supervisors.child import StartFailed
from web.app import NOBODY, Application
from web.process.forced_exit import exit_now
from web.process.memory_tuning import settle_down
from web.process.service_manager import ServiceManager

STOPPING = (signal.SIGTERM, signal.SIGINT)
log = structlog.get_logger("gateway")


class StopSignals:
    """The first SIGTERM or SIGINT asks for an orderly stop; the second ends the process at once.

    The engines' tethers then notice the end of the process, and still stop the engines in order.
    SIGHUP calls ``reload``; without ``reload``, SIGHUP is ignored.
    """

    def __init__(self, manager: ServiceManager, reload: Callable[[], None] | None) -> None:
        self.asked = asyncio.Event()
        self._manager = manager
        self._reload = reload

    def install(self) -> None:
        loop = asyncio.get_running_loop()
        for number in STOPPING:
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)

    def _stop(self, number: signal.Signals) -> None:
        if self.asked.is_set():
            exit_now(128 + number)
        log.info("stopping", signal=number.name)
        self._manager.say(STOPPING=1, STATUS="Stopping")
        self.asked.set()

    def _hang_up(self) -> None:
        microseconds = int(asyncio.get_running_loop().time() * 1e6)
        self._manager.say(RELOADING=1, MONOTONIC_USEC=microseconds)
        if self._reload is not None:
            self._reload()
        self._manager.say(READY=1)


async def nothing() -> None:
    """Do nothing."""


async def run(
    application: Application,
    ready: Callable[[], None],
    tell: Callable[[str], None],
    *,
    manager: ServiceManager = NOBODY,
    reload: Callable[[], None] | None = None,
    beside: Callable[[], Coroutine[Any, Any, None]] = nothing,
) -> int:
    """Start, serve, stop, and return the exit code: 0 after a signal.

    The code is 1 if the gateway gave up, or that of a ``Fatal``. ``ready`` is called once the
    gateway serves; ``tell`` gets a line that explains an exit code other than 0. ``manager`` is
    notified of start and stop; ``reload`` is called on SIGHUP. ``beside`` runs beside the gateway
    once it serves.
    """
    stop = StopSignals(manager, reload)
    stop.install()

    def serves() -> None:
        ready()
        manager.say(READY=1, STATUS=f"Serving {application.url}")

    try:
        reason = await _run(application, serves, beside, stop)
    finally:
        await application.close()
    if reason is not None:
        tell(reason)
    return 0 if reason is None else application.root.exit_code


async def _run(
    application: Application,
    ready: Callable[[], None],
    beside: Callable[[], Coroutine[Any, Any, None]],
    stop: StopSignals,
) -> str | None:
    """Run the application; return why it gave up, or None after a signal."""
    root = application.root
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(stop.asked.wait())
        start = group.create_task(_start(application))
        await asyncio.wait((asked, start), return_when=asyncio.FIRST_COMPLETED)
        if not start.done():
            start.cancel()
            return None
        if (failure := start.result()) is not None:
            asked.cancel()
            return failure
        settle_down()
        ready()
        alongside = group.create_task(beside())
        failed = group.create_task(root.failed())
        await asyncio.wait((asked, failed), return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        alongside.cancel()
        if failed.done():
            return failed.result()
        failed.cancel()
    await root.stop()
    return None


async def _start(application: Application) -> str | None:
    try:
        await application.root.start()
    except StartFailed as failure:
        return str(failure)
    return None
