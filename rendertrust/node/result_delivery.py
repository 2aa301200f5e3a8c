"""Delivery of spooled results: uploads files, then reports results until they are acked."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

import aiohttp

from rendertrust.node import multipart_upload, presigned_uploads
from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.plugin import Failed
from rendertrust.node.spool import SHEET, Spool, SpooledFile, StoredFile
from rendertrust.node.unit_run import failed
from rendertrust.protocol import (
    FromNode,
    JobResult,
    PartsOffered,
    PartsWanted,
    Running,
    UrlsRequest,
)

PARALLEL: Final = 2
# timeout of a request for URLs of parts; the upload then waits for its next try
ANSWER_SECONDS: Final = 15.0


class Uploader:
    """Background tasks for uploads and for reports. A long upload does not delay reports.

    Call ``wake`` when a result was spooled or a URL arrived.
    """

    def __init__(
        self,
        spool: Spool,
        session: aiohttp.ClientSession,
        settings: AgentSettings,
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
        self._answers: dict[tuple[Running, str], asyncio.Future[PartsOffered]] = {}

    def wake(self) -> None:
        """Check the spool now."""
        self._something_to_upload.set()
        self._something_to_tell.set()

    def resend(self) -> None:
        """Report all ready results again over a new connection."""
        self._sent_at.clear()
        self._asked.clear()
        self.wake()

    def redirect(self, ref: Running) -> None:
        """Resume the upload of ``ref``, for which a new URL has arrived."""
        self._asked.discard(ref)
        self.wake()

    def take(self, ref: Running, offered: PartsOffered) -> None:
        """Pass the gateway's answer to the multipart upload that asked for URLs of parts."""
        answer = self._answers.get((ref, offered.what))
        if answer is not None and not answer.done():
            answer.set_result(offered)

    def uploading(self) -> list[Running]:
        """Return the units whose files are still being uploaded.

        The leases of these units need renewal.
        """
        return list(dict.fromkeys(spooled.ref for spooled in self._spool.uploads()))

    async def run(self) -> None:
        """Upload and report until cancelled."""
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

    async def _upload(self, spooled: SpooledFile) -> None:
        outcome = await self._send_file(spooled)
        if spooled.what == SHEET and not isinstance(outcome, presigned_uploads.PutStored):
            outcome = presigned_uploads.PutStored()  # the gateway decides without the sheet
        if isinstance(outcome, presigned_uploads.StoreUnreachable) and outcome.is_unasked:
            self._narrate(f"upload of {spooled.ref.job_id} waits: {outcome.reason}")
        elif isinstance(outcome, presigned_uploads.PutStored):
            sent = StoredFile(spooled.output.key, outcome.part_sums)
            self._spool.uploaded(spooled.ref, spooled.what, sent)
            self._something_to_tell.set()
        elif isinstance(outcome, presigned_uploads.PutRefused):
            self._give_up(spooled, Failed(failure="gateway", error=outcome.reason))
        elif time.time() - spooled.since > self._settings.upload_seconds_max:
            self._give_up(
                spooled, Failed(failure="network", error="the object store stayed unreachable")
            )
        elif isinstance(outcome, presigned_uploads.UrlExpired):
            ref = spooled.ref
            if self._send(UrlsRequest(job_id=ref.job_id, unit=ref.unit, attempt=ref.attempt)):
                self._asked.add(ref)
        else:
            self._narrate(f"upload of {spooled.ref.job_id} waits: {outcome.reason}")

    async def _send_file(self, spooled: SpooledFile) -> presigned_uploads.Outcome:
        """Upload a file: in parts if it is long and the gateway allows parts, else as a whole."""
        if not multipart_upload.in_parts(spooled):
            return await presigned_uploads.put(self._session, spooled.output, spooled.file)

        async def ask(wanted: PartsWanted) -> PartsOffered | None:
            return await self._leave(spooled.ref, wanted)

        return await multipart_upload.send(self._session, spooled, ask)

    async def _leave(self, ref: Running, wanted: PartsWanted) -> PartsOffered | None:
        """Request URLs of parts; return None if the gateway does not respond in time."""
        name = (ref, wanted.what)
        answer = self._answers[name] = asyncio.get_running_loop().create_future()
        asked = UrlsRequest(job_id=ref.job_id, unit=ref.unit, attempt=ref.attempt, wanted=wanted)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await answer if self._send(asked) else None
        except TimeoutError:
            return None
        finally:
            del self._answers[name]

    def _give_up(self, spooled: SpooledFile, failure: Failed) -> None:
        self._narrate(f"upload of {spooled.ref.job_id} failed: {failure.error}")
        self._spool.give_up(failed(spooled.ref, failure))
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
