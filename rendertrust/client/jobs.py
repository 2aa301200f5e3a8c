"""Jobs: files are sent, work is submitted, followed, fetched, and disputed."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from rendertrust.api.earnings import Dispute, Disputes
from rendertrust.api.jobs import Job, JobList, Placed, ResultUrl
from rendertrust.api.ledger import ReceiptFile
from rendertrust.api.uploads import Upload
from rendertrust.client.bundles import Bundle, send
from rendertrust.client.content import Progress, unheard
from rendertrust.client.downloads import fetch
from rendertrust.client.errors import BadRequest, NotProved
from rendertrust.client.job_poller import JobPoller
from rendertrust.client.pages import window
from rendertrust.client.response_decoder import read
from rendertrust.client.transport import ApiCall
from rendertrust.client.units import JOBS as _JOBS
from rendertrust.client.units import (
    Needs,
    Order,
    Pool,
    Priority,
    UnitsApi,
    cut_of,
    order_of,
    place_of,
)
from rendertrust.client.units import job_path as _path
from rendertrust.receipt_check import WITHDRAWN, verify_receipt

_DISPUTES = "/api/v1/disputes"


class JobsApi(UnitsApi):
    """A part of ``AsyncClient``."""

    async def upload(self, path: Path | str, *, progress: Progress = unheard) -> Upload:
        """Send a file; nothing is sent that the gateway has from this user already.

        ``progress(done, total)`` counts bytes. OSError: it cannot be read. FileChanged: somebody
        wrote to it meanwhile. TransferFailed: the object store did not take it.
        """
        return await self._uploads.send(Path(path), progress)

    async def upload_all(
        self, scene: str, files: Mapping[str, Path | str], *, progress: Progress = unheard
    ) -> Bundle:
        """Send a scene with the files that it links; what the gateway has is not sent again.

        ``files``: a path for each as the node shall see it, relative and with ``/``, and where it
        lies here; ``scene`` is the path of the scene. ``progress`` counts all of them together.
        ValueError: a path leads elsewhere. Otherwise as ``upload``.
        """
        places = {path: Path(place) for path, place in files.items()}
        return await send(self._uploads, scene, places, progress)

    async def dispatch(
        self,
        job_type: str,
        payload_ref: str,
        params: Mapping[str, Any] | None = None,
        *,
        queue: bool = False,
        manifest: str | None = None,
        frames: str | None = None,
        chunk: int | None = None,
        tiles: str | None = None,
        order: Order | None = None,
        priority: Priority | None = None,
        max_credits: str | None = None,
        pool: Pool | None = None,
        needs: Needs | None = None,
        as_is: bool = False,
        quoted: str | None = None,
        idempotency_key: str | None = None,
    ) -> Placed:
        """Submit a job. However often it is tried, there is one job for one ``idempotency_key``.

        ``queue``: wait for a node instead of being refused. ``manifest``: the files of the job, as
        ``upload_all`` sent them. With ``frames`` (``1-48``, ``1-100x2``) the job has a unit for
        each, or for each ``chunk`` of so many; ``tiles`` (``2x2``) renders each frame in parts. It
        pauses before it would cost more than ``max_credits``. ``pool``: whose nodes may see it;
        ``mine`` costs nothing. ``needs``: what a node must have. Invalid: also where ``preflight``
        found what must be mended first; ``as_is`` renders it all the same. BadRequest: no node can
        do it now. InsufficientCredits: the price is more than what is available. ``quoted``: the
        ``price`` of a quote; Conflict: it would cost more by now, and nothing is held.
        """
        body = order_of(job_type, payload_ref, params, manifest)
        body |= cut_of(frames, chunk, tiles, order, priority=priority, max_credits=max_credits)
        body |= place_of(pool, needs)
        body |= {name: True for name, said in (("queue", queue), ("as_is", as_is)) if said}
        body |= {} if quoted is None else {"quoted": quoted}
        return read(Placed, await self._once(f"{_JOBS}/dispatch", body, idempotency_key))

    async def jobs(
        self,
        status: str | None = None,
        *,
        limit: int = 50,
        offset: int = 0,
        after: str | None = None,
    ) -> JobList:
        """One's own jobs, newest first; of one ``status`` alone when it is given."""
        query = window(limit, offset, after, status=status)
        return read(JobList, await self._get(_JOBS, query))

    def each_job(self, status: str | None = None) -> AsyncIterator[Job]:
        """All of them, newest first, page after page."""
        return self._walk(JobList, _JOBS, lambda page: page.jobs, status=status)

    async def job(self, job_id: str | UUID) -> Job:
        """One job. NotFound: it does not exist, or is another's."""
        return read(Job, await self._get(_path(job_id)))

    async def cancel(self, job_id: str | UUID) -> Job:
        """Cancel a job that no node has begun. BadRequest: too late. A cancelled one stays so."""
        try:
            return read(Job, await self._login.send(ApiCall("POST", _path(job_id) + "/cancel")))
        except BadRequest:
            # The answer to an earlier try may have been lost on its way.
            job = await self.job(job_id)
            if job.status == "CANCELLED":
                return job
            raise

    async def retry(self, job_id: str | UUID) -> Placed:
        """Do a job again that failed or was cancelled, at today's price; once, however often.

        Conflict: it is neither. InsufficientCredits: the price is more than what is available.
        """
        return read(Placed, await self._login.send(ApiCall("POST", _path(job_id) + "/retry")))

    async def result(self, job_id: str | UUID) -> ResultUrl:
        """Where the result can be fetched without a token. NotFound: there is none (yet)."""
        return read(ResultUrl, await self._get(_path(job_id) + "/result"))

    async def download(
        self,
        job_id: str | UUID,
        path: Path | str,
        *,
        stem: str | None = None,
        progress: Progress = unheard,
    ) -> Path:
        """Fetch the result to ``path``, whole and checked or not at all; where it is.

        In a folder it is named ``stem``, else the job's id, with the suffix of its kind. What was
        cut off goes on where it stopped, by another call too, from a hidden ``.part`` beside it.
        OSError: it cannot be written. TransferFailed: the object store does not give it.
        """
        return await fetch(
            self._transport,
            lambda: self.result(job_id),
            Path(path),
            stem=stem or str(job_id),
            progress=progress,
        )

    def watch(self, job_id: str | UUID, *, within: float | None = None) -> AsyncIterator[Job]:
        """The job as it is now, then at each change, until it has ended.

        Raises StillRunning after ``within`` s. A gateway that restarts meanwhile is waited for.
        """
        path = _path(job_id)

        async def look() -> Job:
            return read(Job, await self._get(path))

        return JobPoller(str(job_id), look, self._transport.sleep, within).changes()

    async def wait(self, job_id: str | UUID, *, within: float | None = None) -> Job:
        """The job as it ended, well or not. Raises StillRunning after ``within`` s."""
        async for job in self.watch(job_id, within=within):
            if job.ended:
                return job
        raise AssertionError("a watch ends with the job")

    async def receipt(self, job_id: str | UUID, *, unit: int | None = None) -> ReceiptFile:
        """What was done for the charge of a job of one unit, or of one ``unit``, verified.

        NotFound: there is none: it is not complete, or its node signed nothing. NotProved: it does
        not hold. What the gateway says is withdrawn is no fault of the answer: see ``withdrawn``.
        """
        part = "" if unit is None else f"/units/{unit}"
        document = await self._get(f"{_path(job_id)}{part}/receipt")
        answer, verdict = read(ReceiptFile, document), verify_receipt(document)
        faults = [step for step in verdict.steps if not step.holds and step.name != WITHDRAWN]
        for fault in faults:
            raise NotProved(f"The receipt does not hold: {fault.name}: {fault.said}")
        if answer.receipt["work"]["job"] != str(UUID(str(job_id))):
            raise NotProved("The receipt is of another job")
        return answer

    async def dispute(
        self,
        job_id: str | UUID,
        reason: str,
        *,
        unit: int = 0,
        comparison: Mapping[str, Any] | None = None,
    ) -> Dispute:
        """Say that a unit was not worth its charge. Conflict: it cannot be disputed any more.

        ``comparison``: what ``rendertrust verify --scene`` found; a verifier decides then.
        """
        body: dict[str, Any] = {"reason": reason}
        if comparison is not None:
            body["comparison"] = dict(comparison)
        call = ApiCall("POST", f"{_path(job_id)}/units/{unit}/dispute", body)
        return read(Dispute, await self._login.send(call))

    async def disputes(
        self, state: str | None = None, *, limit: int = 50, offset: int = 0
    ) -> Disputes:
        """One's own disputes, newest first; of one ``state`` alone when it is given."""
        query = window(limit, offset, state=state)
        return read(Disputes, await self._get(_DISPUTES, query))

    def each_dispute(self, state: str | None = None) -> AsyncIterator[Dispute]:
        """All of them, newest first, page after page."""
        return self._walk(Disputes, _DISPUTES, lambda page: page.disputes, state=state)
