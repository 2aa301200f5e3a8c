"""The node's units.

A unit waits for a slot, runs in the slot, and ends with a result in the spool.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from rendertrust.job_types import is_check
from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.attester import Attester
from rendertrust.node.cache import Cache
from rendertrust.node.decline_reasons import FULL, STRANGERS
from rendertrust.node.input_urls import InputUrls
from rendertrust.node.plugin import Failed, Plugin, Result
from rendertrust.node.rmtree import clear
from rendertrust.node.spool import Spool
from rendertrust.node.unit_run import UnitRun, failed, folder_name, keep, ref_of, run
from rendertrust.protocol import FromNode, JobDispatch, JobResult, Running, Urls

# interval of repeated requests for the files' URLs, because a response may be lost
ASK_AGAIN_SECONDS: Final = 10.0


class Slots:
    """Runner of dispatched units.

    The runner spools results, and calls ``on_spooled`` after each result.
    """

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        plugins: Mapping[str, Plugin],
        *,
        spool: Spool,
        cache: Cache,
        settings: AgentSettings,
        work: Path,
        send: Callable[[FromNode], bool],
        on_spooled: Callable[[], None],
        narrate: Callable[[str], None],
        count: Callable[[str], None] = lambda _: None,
        pools: frozenset[str] | None = None,
        attester: Attester | None = None,
    ) -> None:
        self._tasks = tasks
        self._plugins = plugins
        self._spool = spool
        self._cache = cache
        self._settings = settings
        self._work = work
        self._send = send
        self._on_spooled = on_spooled
        self._narrate, self._count = narrate, count
        self._pools = pools
        self._attester = attester
        self._free = asyncio.Semaphore(settings.slots)
        # Checks do not wait for a slot, because verdicts are due soon while frames may take long.
        self._checking = asyncio.Semaphore(1)
        self.units: dict[Running, UnitRun] = {}
        self.done = 0

    @property
    def busy(self) -> int:
        """Return the number of slots in use; checks use no slot."""
        return sum(unit.is_running and not _is_check(unit) for unit in self.units.values())

    def accept(self, frame: JobDispatch) -> None:
        """Accept a dispatch. A repeated dispatch does not run the unit again."""
        ref = ref_of(frame)
        if ref in self.units:
            self.units[ref].tell()
            return
        if (done := self._spool.is_ready(ref)) is not None:
            self._send(done)
            return
        if ref in self._spool.held():
            return
        plugin = self._plugins.get(frame.job_type)
        if plugin is None:
            unknown = Failed(failure="gateway", error=f"no {frame.job_type} on this node")
            self.refuse(ref, unknown)
            self._narrate(f"{_named(frame)}: {_told(unknown)}")
        elif self._pools is not None and frame.pool not in self._pools:
            self.refuse(ref, STRANGERS)
        elif len(self.units) >= self._settings.queued_units_max:
            self.refuse(ref, FULL)
        else:
            self._start(frame, plugin)

    def refuse(self, ref: Running, failure: Failed) -> None:
        """Report a unit as failed with ``failure``, without running it."""
        self._spool.put(failed(ref, failure))
        self._count(_outcome(failure))
        self._on_spooled()

    def cancel(self, ref: Running, reason: str | None = None) -> None:
        """Cancel a unit or forget its result. ``reason`` is the gateway's reason for the recall."""
        running = self._matching(ref)
        if reason is not None:
            number = "" if ref.unit is None else f" unit {ref.unit}"
            self._narrate(f"the gateway recalled {ref.job_id}{number}: {reason}")
        for unit in running:
            unit.cancel()
        if self._spool.settle(ref):
            self._on_spooled()
        if not running:  # the gateway may wait for this answer to free the slot
            self._say_cancelled(ref)

    def address(self, ref: Running, frame: Urls) -> None:
        """Pass the gateway's URLs to a unit."""
        if (unit := self.units.get(ref)) is not None:
            unit.addresses.take(frame)

    def give_back_waiting(self, failure: Failed) -> None:
        """Return the units that have not begun."""
        for unit in list(self.units.values()):
            if not unit.is_running:
                unit.cancel(failure)

    def stop(self, failure: Failed) -> None:
        """End all units with ``failure``."""
        for unit in list(self.units.values()):
            unit.cancel(failure)

    def tell(self) -> None:
        """Report the progress of all running units. The reports renew the units' leases."""
        for unit in self.units.values():
            if unit.is_running:
                unit.tell()

    def _matching(self, ref: Running) -> list[UnitRun]:
        return [
            unit
            for held, unit in self.units.items()
            if held.job_id == ref.job_id
            and (ref.unit is None or held.unit == ref.unit)
            and (ref.attempt is None or held.attempt == ref.attempt)
        ]

    def _start(self, frame: JobDispatch, plugin: Plugin) -> None:
        unit = UnitRun(
            dispatch=frame,
            addresses=InputUrls(ref_of(frame), self._send, ASK_AGAIN_SECONDS),
            on_status=self._send,
            status_seconds_least=self._settings.progress_seconds_least,
            clock=asyncio.get_running_loop().time,
        )
        self.units[unit.ref] = unit
        unit.job = self._tasks.create_task(self._carry(unit, plugin))

    async def _carry(self, unit: UnitRun, plugin: Plugin) -> None:
        """Handle a unit from its dispatch to its end.

        A cancelled unit ends without an exception.
        """
        work = self._work / folder_name(unit.ref)
        unit.has_begun = True
        try:
            if unit.is_cancelled:
                raise asyncio.CancelledError
            await self._work_on(unit, plugin, work)
        except asyncio.CancelledError:
            if not unit.is_cancelled:
                raise
            self._settle_cancelled(unit)
        finally:
            self.done += 1
            del self.units[unit.ref]
            self._on_spooled()
            await asyncio.to_thread(clear, work)

    async def _work_on(self, unit: UnitRun, plugin: Plugin, work: Path) -> None:
        async with self._checking if _is_check(unit) else self._free:
            version = unit.dispatch.blender
            inside = f" in Blender {version}" if version else ""
            self._narrate(f"{_named(unit.dispatch)}: started{inside}")
            result = await run(unit, plugin, self._cache, work, self._settings.threads_each)
            unit.log.tell_all()
            await keep(unit, result, self._spool, self._attester)
        self._narrate(f"{_named(unit.dispatch)}: {_told(result)}")
        self._count(_outcome(result))

    def _settle_cancelled(self, unit: UnitRun) -> None:
        self._count("cancelled" if unit.failure_if_cancelled is None else "given back")
        if unit.failure_if_cancelled is not None:
            self._spool.put(failed(unit.ref, unit.failure_if_cancelled))
            return
        self._narrate(f"{_named(unit.dispatch)}: cancelled")
        self._say_cancelled(unit.ref)

    def _say_cancelled(self, ref: Running) -> None:
        self._send(
            JobResult(job_id=ref.job_id, unit=ref.unit, attempt=ref.attempt, status="cancelled")
        )


def _is_check(unit: UnitRun) -> bool:
    return is_check(unit.dispatch.job_type)


def _named(frame: JobDispatch) -> str:
    number = "" if frame.unit is None else f" unit {frame.unit}"
    return f"{frame.job_type} {frame.job_id}{number}"


def _outcome(result: Result) -> str:
    if isinstance(result, Failed):
        return "given back" if result.given_back else "beyond it" if result.lacks else "failed"
    return "completed"


def _told(result: object) -> str:
    return f"failed: {result.error}" if isinstance(result, Failed) else "done"
