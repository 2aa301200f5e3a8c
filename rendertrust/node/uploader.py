"""Brings spooled results to the gateway: file first, then word, until it is acked."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import aiohttp
import attrs

from rendertrust.node import uploads
from rendertrust.node.plugin import Failed
from rendertrust.node.settings import Settings
from rendertrust.node.spool import Spool, Spooled
from rendertrust.node.unit import failed
from rendertrust.protocol import FromNode, JobResult, Running, UrlsRequest

PARALLEL: Final = 2


class Uploader:
    """Two background tasks, so that a long upload holds up no word; ``wake`` them when something
    was spooled or a URL came.
    """

    def __init__(
        self,
        spool: Spool,
        session: aiohttp.ClientSession,
        settings: Settings,
        *,
        send: Callable[[FromNode], bool],
        narrate: Callable[[str], None],
    ) -> None:
        self._spool = spool
        self._session = session
        self._settings = settings
        self._send = send
        self._narrate = narrate
        self._something_to_upload = asyncio.Event()
        self._something_to_tell = asyncio.Event()
        self._asked: set[Running] = set()
        self._sent_at: dict[Running, float] = {}

    def wake(self) -> None:
        """Look at the spool again, now."""
        self._something_to_upload.set()
        self._something_to_tell.set()

    def resend(self) -> None:
        """Tell everything that is ready again: the connection is new."""
        self._sent_at.clear()
        self._asked.clear()
        self.wake()

    def redirect(self, ref: Running) -> None:
        """A fresh URL came for ``ref``."""
        self._asked.discard(ref)
        self.wake()

    def uploading(self) -> list[Running]:
        """Units that are done but not told yet: their leases want renewing."""
        return [spooled.ref for spooled in self._spool.uploads()]

    async def run(self) -> None:
        """Upload and tell, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_uploading())
            tasks.create_task(self._keep_telling())

    async def _keep_uploading(self) -> None:
        while True:
            self._something_to_upload.clear()
            await self._upload_all()
            if not await self._is_woken(self._something_to_upload):
                self._asked.clear()

    async def _keep_telling(self) -> None:
        while True:
            self._something_to_tell.clear()
            self._tell_all()
            await self._is_woken(self._something_to_tell)

    async def _is_woken(self, event: asyncio.Event) -> bool:
        try:
            async with asyncio.timeout(self._settings.resend_seconds):
                return await event.wait()
        except TimeoutError:
            return False

    async def _upload_all(self) -> None:
        waiting = [s for s in self._spool.uploads() if s.ref not in self._asked]
        for start in range(0, len(waiting), PARALLEL):
            async with asyncio.TaskGroup() as tasks:
                for spooled in waiting[start : start + PARALLEL]:
                    tasks.create_task(self._upload(spooled))

    async def _upload(self, spooled: Spooled) -> None:
        outcome = await uploads.put(self._session, spooled.output, spooled.file)
        if isinstance(outcome, uploads.Stored):
            # Where it lies: a fresh URL may have been for another key.
            told = attrs.evolve(spooled.result, result_ref=spooled.output.key)
            self._spool.uploaded(told)
            self._something_to_tell.set()
        elif isinstance(outcome, uploads.Refused):
            self._give_up(spooled, Failed(failure="gateway", error=outcome.reason))
        elif time.time() - spooled.since > self._settings.upload_seconds_max:
            self._give_up(
                spooled, Failed(failure="network", error="the object store stayed out of reach")
            )
        elif isinstance(outcome, uploads.Expired):
            ref = spooled.ref
            if self._send(UrlsRequest(job_id=ref.job_id, unit=ref.unit, attempt=ref.attempt)):
                self._asked.add(ref)
        else:
            self._narrate(f"upload of {spooled.ref.job_id} waits: {outcome.reason}")

    def _give_up(self, spooled: Spooled, failure: Failed) -> None:
        self._narrate(f"upload of {spooled.ref.job_id} failed: {failure.error}")
        self._spool.uploaded(failed(spooled.ref, failure))
        self._something_to_tell.set()

    def _tell_all(self) -> None:
        now = time.monotonic()
        ready = self._spool.ready()
        for result in ready:
            ref = _ref(result)
            again_at = self._sent_at.get(ref, float("-inf")) + self._settings.resend_seconds
            if now >= again_at and self._send(result):
                self._sent_at[ref] = now
        self._sent_at = {
            ref: self._sent_at[ref] for ref in map(_ref, ready) if ref in self._sent_at
        }
        self._spool.prune(self._settings.spool_seconds_max)


def _ref(result: JobResult) -> Running:
    return Running(job_id=result.job_id, unit=result.unit, attempt=result.attempt)
