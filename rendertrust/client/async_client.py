"""AsyncClient: the API of a gateway as methods, for programs that use asyncio."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import attrs

from rendertrust import api, frame_range
from rendertrust.client import job_uploads
from rendertrust.client.api_connection import PAGE_LIMIT_MAX, ApiConnection, window
from rendertrust.client.arguments import (
    Container,
    Id,
    MemberRole,
    NodeVerb,
    PayoutTo,
    change_body,
    given,
    uuid,
    video_body,
)
from rendertrust.client.backoff import Retries
from rendertrust.client.downloads import Where, fetch, read_preview, unit_result
from rendertrust.client.errors import BadRequest, NotFound, StillRunning
from rendertrust.client.event_follower import EventFollower
from rendertrust.client.frame_downloads import FrameDownloads, FrameFiles
from rendertrust.client.job_poller import JobPoller
from rendertrust.client.job_uploads import Bundle
from rendertrust.client.local_files import Progress, unheard
from rendertrust.client.log_monitor import LogMonitor, MemoryPins, Pins
from rendertrust.client.login import Login, MemoryTokenStore, TokenStore
from rendertrust.client.response_decoder import read_receipt
from rendertrust.client.transport import Transport, Waiting
from rendertrust.client.uploads import Uploads
from rendertrust.job_spec import JobSpec, Priority
from rendertrust.proof_check import Verdict

RETRIES: Final = Retries()
_KEYS, _SESSIONS = "/api/v1/auth/keys", "/api/v1/auth/sessions"
_CREDITS = "/api/v1/credits"
_HISTORY, _HOLDS = f"{_CREDITS}/history", f"{_CREDITS}/holds"
_JOBS, _UPLOADS, _DISPUTES = "/api/v1/jobs", "/api/v1/uploads", "/api/v1/disputes"
_HOOKS, _DELIVERIES = "/api/v1/webhooks/endpoints", "/api/v1/webhooks/deliveries"
_NODES, _OPERATOR = "/api/v1/nodes", "/api/v1/operators/me"
_EARNINGS, _PAYOUTS = f"{_OPERATOR}/earnings", f"{_OPERATOR}/payouts"
_ORGANISATIONS, _TRUSTED = "/api/v1/organisations", "/api/v1/trusted"
# Members of a ``JobSpec`` that a preflight uses.
_CHECKED = ("payload_ref", "manifest", "params", "frames", "pool")


class AsyncClient:
    """A client of one gateway: ``async with AsyncClient(url) as client: …``.

    Every method may raise a ``RenderTrustError``: ``Refused`` or a subclass if the gateway refuses,
    ``NoAnswer`` if no try gets a reply. An id that is not a UUID raises ValueError.
    """

    def __init__(
        self,
        url: str,
        *,
        tokens: api.Tokens | None = None,
        keeper: TokenStore | None = None,
        api_key: str | None = None,
        retries: Retries = RETRIES,
        waiting: Waiting | None = None,
        pins: Pins | None = None,
    ) -> None:
        """Prepare a client. The client connects with the first request.

        ``keeper`` keeps tokens and ``pins`` the newest checkpoint between runs. With an ``api_key``
        you need no login. ``waiting`` is called before each pause between two tries.
        """
        self._transport = Transport(url, retries, waiting)
        keeper = MemoryTokenStore(tokens) if keeper is None else keeper
        self._login = Login(self._transport, keeper, api_key)
        self._connection = ApiConnection(self._login)
        self._uploads = Uploads(self._login)
        ask, pins = self._connection, MemoryPins() if pins is None else pins
        self._log_monitor = LogMonitor(ask.get_open_json, ask.get_json, pins)

    @property
    def url(self) -> str:
        """Return the gateway's address."""
        return self._transport.url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; do not use the client afterwards."""
        await self._transport.close()

    # Account: login, API keys, sessions

    async def register(
        self, email: str, name: str, password: str, *, invitation: str | None = None
    ) -> api.Registered:
        """Create an account and log in. Raises Conflict if the address already has an account, and
        Forbidden if accounts cannot be opened, or not without a valid ``invitation``.
        """
        return await self._login.register(email, name, password, invitation)

    async def login(self, email: str, password: str, *, otp: str | None = None) -> api.Tokens:
        """Log in. ``otp``: a code of your authenticator app or a recovery code, if you have one.

        Raises NotAuthenticated if the address, the password or ``otp`` is wrong; its ``code`` is
        ``second_factor_required`` if only ``otp`` is missing.
        """
        return await self._login.log_in(email, password, otp)

    async def give_second_factor(self, otp: str) -> None:
        """Give your second factor again, which counts for ten minutes. Raises Forbidden if ``otp``
        is wrong or was used.
        """
        body = {"otp": otp}
        await self._connection.send("POST", "/api/v1/auth/second-factor", body, repeatable=False)

    async def logout(self) -> None:
        """Log out, here and at the gateway. Does nothing if the session has already ended."""
        await self._login.log_out()

    async def create_key(
        self, name: str, scopes: Sequence[str], *, expires_at: datetime | None = None
    ) -> api.CreatedApiKey:
        """Create an API key.

        Only this reply shows the key; if the reply is lost, revoke the key. Raises Forbidden with
        the code ``recent_factor_needed`` if you must give your second factor again.
        """
        expires = None if expires_at is None else expires_at.isoformat()
        body = given(name=name, scopes=list(scopes), expires_at=expires)
        return await self._connection.post(api.CreatedApiKey, _KEYS, body, repeatable=False)

    async def keys(self, *, limit: int = 50, offset: int = 0) -> api.ApiKeys:
        """List your API keys, newest first; ``limit`` is 1 to 100."""
        return await self._connection.get(api.ApiKeys, _KEYS, window(limit, offset))

    def each_key(self) -> AsyncIterator[api.ApiKey]:
        """Iterate over all your API keys."""
        return self._connection.each(api.ApiKeys, _KEYS, lambda page: page.keys)

    async def revoke_key(self, key_id: Id) -> None:
        """Revoke an API key. Raises NotFound if the key is already revoked or not yours."""
        await self._connection.send("DELETE", f"{_KEYS}/{uuid(key_id)}", repeatable=False)

    async def change_password(self, old: str, new: str) -> None:
        """Change your password and end all other sessions. Raises Forbidden if ``old`` is wrong."""
        body = {"old_password": old, "new_password": new}
        await self._connection.send("POST", "/api/v1/auth/password", body, repeatable=False)

    async def sessions(self, *, limit: int = 50, offset: int = 0) -> api.Sessions:
        """List your sessions, the most recently used first."""
        return await self._connection.get(api.Sessions, _SESSIONS, window(limit, offset))

    def each_session(self) -> AsyncIterator[api.Session]:
        """Iterate over all your sessions."""
        return self._connection.each(api.Sessions, _SESSIONS, lambda page: page.sessions)

    async def end_session(self, sid: Id) -> None:
        """End one of your sessions.

        Raises NotFound if the session has already ended or is not yours.
        """
        await self._connection.send("DELETE", f"{_SESSIONS}/{uuid(sid)}", repeatable=False)

    async def access_token(self) -> str:
        """Return the API key, or a token that the gateway has just accepted, for other programs."""
        return await self._login.access_token()

    # Credits

    async def balance(self) -> api.Balance:
        """Return your credits: booked, held and available."""
        return await self._connection.get(api.Balance, f"{_CREDITS}/balance")

    async def history(
        self, *, limit: int = 50, offset: int = 0, after: str | None = None
    ) -> api.History:
        """List the entries of your account, newest first; ``limit`` is 1 to 100."""
        return await self._connection.get(api.History, _HISTORY, window(limit, offset, after))

    def each_entry(self) -> AsyncIterator[api.Entry]:
        """Iterate over all entries of your account, newest first."""
        return self._connection.each(api.History, _HISTORY, lambda page: page.entries)

    async def deduct(
        self,
        amount: str,
        reference_id: str,
        description: str = "",
        *,
        idempotency_key: str | None = None,
    ) -> api.Entry:
        """Deduct credits once per ``reference_id``.

        Raises Conflict if another amount was deducted for the same ``reference_id``,
        InsufficientCredits if you have fewer credits.
        """
        body = {"amount": amount, "reference_id": reference_id, "description": description}
        path = f"{_CREDITS}/deduct"
        return await self._connection.post_once(api.Entry, path, body, idempotency_key)

    async def holds(self, *, limit: int = 50, offset: int = 0) -> api.Holds:
        """List the open holds on your credits, newest first."""
        return await self._connection.get(api.Holds, _HOLDS, window(limit, offset))

    def each_hold(self) -> AsyncIterator[api.Hold]:
        """Iterate over all open holds on your credits."""
        return self._connection.each(api.Holds, _HOLDS, lambda page: page.holds)

    async def usage(self, days: int = 30) -> api.Usage:
        """Return your charges per day; ``days`` is 1 to 366 and includes today."""
        return await self._connection.get(api.Usage, f"{_CREDITS}/usage", {"days": str(days)})

    async def offers(self) -> api.Offers:
        """List the amounts of credits that you can buy."""
        return await self._connection.get(api.Offers, f"{_CREDITS}/skus")

    async def checkout(self, sku: str, *, idempotency_key: str | None = None) -> api.Checkout:
        """Begin a purchase, once per ``idempotency_key``. The credits arrive when you have paid.

        Raises Invalid if ``sku`` is not for sale.
        """
        path = f"{_CREDITS}/checkout"
        return await self._connection.post_once(api.Checkout, path, {"sku": sku}, idempotency_key)

    # Uploads

    async def upload(self, path: Path | str, *, progress: Progress = unheard) -> api.Upload:
        """Upload a file, unless the gateway already has the same content from you.

        ``progress(done, total)`` counts bytes. Raises OSError if the file cannot be read,
        FileChanged if the file is modified during the upload, TransferFailed if the object store
        refuses the file.
        """
        return await self._uploads.send(Path(path), progress)

    async def upload_all(
        self, scene: str, files: Mapping[str, Path | str], *, progress: Progress = unheard
    ) -> Bundle:
        """Upload a scene and its linked files; ``progress`` counts the bytes of all files together.

        ``files`` maps each path on the node (relative, with ``/``) to a local file; ``scene`` is
        one of these paths. Raises ValueError if a path leads out of the job's folder, and the
        exceptions of ``upload``.
        """
        places = {path: Path(place) for path, place in files.items()}
        return await job_uploads.send(self._uploads, scene, places, progress)

    async def uploads(self, *, limit: int = 50, offset: int = 0) -> api.KeptUploads:
        """List your stored uploads, largest first, with your quota."""
        return await self._connection.get(api.KeptUploads, _UPLOADS, window(limit, offset))

    def each_upload(self) -> AsyncIterator[api.KeptUpload]:
        """Iterate over all your stored uploads, largest first."""
        return self._connection.each(api.KeptUploads, _UPLOADS, lambda page: page.uploads)

    async def delete_upload(self, upload_id: Id) -> None:
        """Delete an upload. Raises Conflict if an open, disputed or disputable job needs it."""
        await self._connection.send("DELETE", f"{_UPLOADS}/{uuid(upload_id)}")

    # Jobs

    async def preflight(
        self, spec: JobSpec, *, again: bool = False, within: float | None = None
    ) -> api.Preflight:
        """Have a node check the scene of a job and estimate the time of its frames, for free.

        A scene is checked once; with ``again``, a node checks the scene again. The method waits for
        the result. After ``within`` seconds (0: at once) the method returns a preflight that is
        still ``PENDING``. Raises RateLimited if you have used up this hour's preflights.
        """
        body = {name: value for name, value in spec.body().items() if name in _CHECKED}
        path = f"{_JOBS}/preflight"
        first = body | given(again=again or None)
        found = await self._connection.post(api.Preflight, path, first)
        if found.status != "PENDING" or within == 0:
            return found
        try:
            await self.wait(found.job_id, within=within)
        except StillRunning:
            return found
        return await self._connection.post(api.Preflight, path, body)

    async def quote(self, spec: JobSpec) -> api.Quote:
        """Return the cost of this job, and the credits that ``dispatch`` would hold.

        Without a ``payload_ref`` the files are not checked. Raises Invalid if the job is invalid.
        If your credits do not suffice, ``enough`` in the quote is False.
        """
        return await self._connection.post(api.Quote, f"{_JOBS}/quote", spec.body())

    async def dispatch(self, spec: JobSpec, *, idempotency_key: str | None = None) -> api.Placed:
        """Submit a job, once per ``idempotency_key``.

        Raises BadRequest if no node can do the job, Unavailable if all such nodes are full, unless
        ``spec.queue``. Raises Invalid if the job is invalid, or if a preflight found an error,
        unless ``spec.as_is``. Raises InsufficientCredits if the price is more than you have,
        Conflict if the price is above ``spec.quoted``.
        """
        path = f"{_JOBS}/dispatch"
        return await self._connection.post_once(api.Placed, path, spec.body(), idempotency_key)

    async def jobs(
        self,
        status: str | None = None,
        *,
        limit: int = 50,
        offset: int = 0,
        after: str | None = None,
    ) -> api.JobList:
        """List your jobs, newest first, optionally only with one ``status``."""
        query = window(limit, offset, after, status=status)
        return await self._connection.get(api.JobList, _JOBS, query)

    def each_job(self, status: str | None = None) -> AsyncIterator[api.Job]:
        """Iterate over all your jobs, newest first, optionally only with one ``status``."""
        return self._connection.each(api.JobList, _JOBS, lambda page: page.jobs, status=status)

    async def job(self, job_id: Id) -> api.Job:
        """Return a job. Raises NotFound if the job does not exist or is not yours."""
        return await self._connection.get(api.Job, f"{_JOBS}/{uuid(job_id)}")

    def watch(self, job_id: Id, *, within: float | None = None) -> AsyncIterator[api.Job]:
        """Yield the job now and when it has changed, until the job has ended.

        Raises StillRunning after ``within`` seconds. Waits up to two minutes for a gateway that
        restarts.
        """
        job_id = uuid(job_id)
        look = partial(self.job, job_id)
        return JobPoller(job_id, look, self._transport.sleep, within).changes()

    async def wait(self, job_id: Id, *, within: float | None = None) -> api.Job:
        """Return the job once the job has ended. Raises StillRunning after ``within`` seconds."""
        async for job in self.watch(job_id, within=within):
            if job.ended:
                return job
        raise AssertionError("a watch ends with the job")

    async def cancel(self, job_id: Id) -> api.Job:
        """Cancel a job. Raises BadRequest if a node has begun the job, or the job has ended."""
        try:
            return await self._connection.post(api.Job, f"{_JOBS}/{uuid(job_id)}/cancel")
        except BadRequest:
            # The reply to an earlier try may have been lost.
            job = await self.job(job_id)
            if job.status == "CANCELLED":
                return job
            raise

    async def retry(self, job_id: Id) -> api.Placed:
        """Submit a failed or cancelled job again, once, at the current price.

        Raises Conflict if the job has neither failed nor been cancelled, InsufficientCredits if the
        price is more than you have.
        """
        return await self._connection.post(api.Placed, f"{_JOBS}/{uuid(job_id)}/retry")

    async def pause(self, job_id: Id) -> api.Job:
        """Start no further units of a job. Raises Conflict if the job has ended."""
        return await self._connection.post(api.Job, f"{_JOBS}/{uuid(job_id)}/pause")

    async def resume(self, job_id: Id) -> api.Job:
        """Resume a paused job. Raises Conflict if the job has ended or has reached its cap."""
        return await self._connection.post(api.Job, f"{_JOBS}/{uuid(job_id)}/resume")

    async def stop(self, job_id: Id) -> api.Job:
        """End a job. Complete units stay paid, and the holds for all other units are released.

        Results that are being checked are charged once verified. Until then, the job is ``PAUSED``
        and ``stopped``. Raises Conflict if the job has already ended.
        """
        return await self._connection.post(api.Job, f"{_JOBS}/{uuid(job_id)}/stop")

    async def change(
        self,
        job_id: Id,
        *,
        priority: Priority | None = None,
        max_credits: str | None = None,
        uncapped: bool = False,
    ) -> api.Job:
        """Change the priority or the cap of an open job; ``uncapped`` removes the cap.

        Raises ValueError if nothing is to change, Conflict if the job has ended or has already
        committed more than ``max_credits``.
        """
        path, body = (
            f"{_JOBS}/{uuid(job_id)}",
            change_body(priority, max_credits, uncapped=uncapped),
        )
        return await self._connection.patch(api.Job, path, body)

    async def video(
        self,
        job_id: Id,
        *,
        container: Container = "MP4",
        fps: float | str | None = None,
        idempotency_key: str | None = None,
    ) -> api.Placed:
        """Submit a job that makes a video of the frames of an ended job.

        ``fps`` (24, 23.976, ``"24000/1001"``) defaults to the scene's frame rate. Raises
        FrameRateError (a ValueError) if ``fps`` cannot be read, Conflict if the job has not ended
        or has no frames.
        """
        path, body = f"{_JOBS}/{uuid(job_id)}/video", video_body(container, fps)
        return await self._connection.post_once(api.Placed, path, body, idempotency_key)

    # Units of a job

    async def units(self, job_id: Id, *, limit: int = 50, after: int = -1) -> api.Units:
        """List the units of a job with a number above ``after``.

        Raises NotFound if the job does not exist.
        """
        query = {"limit": str(limit), "after": str(after)}
        return await self._connection.get(api.Units, f"{_JOBS}/{uuid(job_id)}/units", query)

    async def each_unit(self, job_id: Id) -> AsyncIterator[api.Unit]:
        """Iterate over all units of a job, by number."""
        after: int | None = -1
        while after is not None:
            page = await self.units(job_id, limit=PAGE_LIMIT_MAX, after=after)
            for unit in page.units:
                yield unit
            after = page.next

    async def unit(self, job_id: Id, number: int) -> api.Unit:
        """Return a unit. Raises NotFound if the job has no unit of that number."""
        page = await self.units(job_id, limit=1, after=number - 1)
        for unit in page.units:
            if unit.number == number:
                return unit
        raise NotFound(
            404, f"Job has no unit {number}; the job has {page.count} units, numbered from 0"
        )

    async def retry_unit(self, job_id: Id, number: int) -> api.Unit:
        """Render a failed unit again, or all failed tiles of a frame.

        The unit's price is held again. If the unit already waits or runs, nothing happens. Raises
        Conflict if the unit is complete or underquoted, the job was cancelled or stopped, or its
        input has expired, InsufficientCredits if the price is more than you have.
        """
        path = f"{_JOBS}/{uuid(job_id)}/units/{number}/retry"
        return await self._connection.post(api.Unit, path)

    # Events and logs

    def events(
        self, job_id: Id, *, after: int = 0, progress: bool = False
    ) -> AsyncIterator[api.JobEvent]:
        """Yield each event of a job with a number above ``after`` once, until the job has ended.

        Waits up to two minutes for a gateway that does not answer. ``progress`` adds events on the
        progress of units, which have no number. Raises NotFound if the job does not exist or is not
        yours, Conflict if ``after`` is beyond the newest event, for example after the restore of a
        backup.
        """
        path = f"{_JOBS}/{uuid(job_id)}/events"
        return EventFollower(self._connection, path, progress, after).events()

    async def event_page(self, job_id: Id, *, after: int = 0, limit: int = 100) -> api.EventPage:
        """List the events of a job so far, with a number above ``after``."""
        query = {"after": str(after), "limit": str(limit)}
        return await self._connection.get(api.EventPage, f"{_JOBS}/{uuid(job_id)}/events", query)

    async def job_log(self, job_id: Id, unit: int | None = None) -> tuple[api.AttemptLog, ...]:
        """Return the last log lines of attempts at a job's units, or only at one ``unit``.

        The last 20 failed and the last 20 successful attempts come first, in the order of their
        ends, then running attempts. Logs are kept as long as results. Raises NotFound if the job
        does not exist.
        """
        query = {} if unit is None else {"unit": str(unit)}
        path = f"{_JOBS}/{uuid(job_id)}/log"
        return (await self._connection.get(api.JobLog, path, query)).attempts

    # Results

    async def preview(self, job_id: Id, frame: int | None = None) -> bytes:
        """Return a small JPEG of a frame; without ``frame``, of the newest frame.

        Raises NotFound if the frame has no preview yet, BadAnswer if the reply is not a small JPEG.
        """
        query = {} if frame is None else {"frame": str(frame)}
        path = f"{_JOBS}/{uuid(job_id)}/preview"
        return await read_preview(self._connection.stream(path, query))

    async def result(self, job_id: Id) -> api.ResultUrl:
        """Return a presigned URL of a job's result.

        Raises NotFound if the job has no result yet.
        """
        return await self._connection.get(api.ResultUrl, f"{_JOBS}/{uuid(job_id)}/result")

    async def download(
        self, job_id: Id, path: Path | str, *, stem: str | None = None, progress: Progress = unheard
    ) -> Path:
        """Download the result to ``path``, complete and verified or not at all.

        Return the file's path.

        If ``path`` is a folder, the file is named ``stem`` (default: the job's id) plus a suffix
        for its type. An interrupted download resumes, also in a later call, from a hidden ``.part``
        file in the same folder. Raises OSError if the file cannot be written, TransferFailed if the
        object store does not deliver the content.
        """
        where = partial(self.result, job_id)
        return await self._fetch(where, path, stem or str(job_id), progress)

    async def download_unit(
        self,
        job_id: Id,
        number: int,
        path: Path | str,
        *,
        stem: str | None = None,
        progress: Progress = unheard,
    ) -> Path:
        """Download the result of one unit as ``download`` does; a chunk of frames is a zip.

        Raises NotReady if the unit is not complete.
        """
        where = partial(self._unit_result, job_id, number)
        return await self._fetch(where, path, stem or f"{job_id}-{number}", progress)

    async def download_frames(
        self,
        job_id: Id,
        folder: Path | str,
        *,
        frames: str | None = None,
        stem: str = "frame",
        tiles: bool = False,
        progress: Progress = unheard,
    ) -> FrameFiles:
        """Download all complete frames, or only ``frames`` (``1-10,20``), to ``folder``.

        Frames that are already in the folder are skipped, and chunks are unpacked. Files are named
        ``frame-0001.png``; ``#`` in ``stem`` stands for digits as in Blender: ``shot_####`` gives
        ``shot_0001.png``. ``tiles`` adds tiles of incomplete frames (``tiles/frame-0001-0.exr``).
        ``progress`` counts the bytes of all files together. Raises FrameRangeError (a ValueError)
        if ``frames`` cannot be read, and the exceptions of ``download``.
        """
        wanted = None if frames is None else frozenset(frame_range.parse(frames))
        where = partial(self._unit_result, job_id)
        work = FrameDownloads(self._transport, where, Path(folder), stem, progress, wanted, tiles)
        return await work.fetched([unit async for unit in self.each_unit(job_id)])

    async def archive(self, job_id: Id) -> api.ResultUrl:
        """Return a URL of a zip of all complete frames.

        The zip's folder ``tiles/`` has tiles of incomplete frames.

        Raises Conflict if the job has not ended or has one unit, NotFound if no unit is complete.
        """
        return await self._connection.get(api.ResultUrl, f"{_JOBS}/{uuid(job_id)}/archive")

    async def download_archive(
        self, job_id: Id, path: Path | str, *, stem: str | None = None, progress: Progress = unheard
    ) -> Path:
        """Download the zip of ``archive``, in the way of ``download``."""
        where = partial(self.archive, job_id)
        return await self._fetch(where, path, stem or str(job_id), progress)

    async def evidence(self, job_id: Id, number: int = 0) -> api.ResultUrl:
        """Return a URL of a unit's evidence: all render passes, which verifiers compare.

        Raises NotFound if the unit has no evidence. A unit has evidence only if the gateway
        requested evidence for a check.
        """
        path = f"{_JOBS}/{uuid(job_id)}/units/{number}/evidence"
        return await self._connection.get(api.ResultUrl, path)

    async def download_evidence(
        self, job_id: Id, path: Path | str, *, unit: int = 0, progress: Progress = unheard
    ) -> Path:
        """Download a unit's evidence, a layered OpenEXR file, as ``download`` does."""
        where = partial(self.evidence, job_id, unit)
        return await self._fetch(where, path, f"{job_id}-{unit}-evidence", progress)

    async def manifest(self, job_id: Id) -> api.ResultUrl:
        """Return a URL of a job's manifest, whose SHA-256 is in its receipts.

        Raises NotFound if the job has only a scene, or the manifest has expired.
        """
        return await self._connection.get(api.ResultUrl, f"{_JOBS}/{uuid(job_id)}/manifest")

    async def download_manifest(self, job_id: Id, path: Path | str) -> Path:
        """Download a job's manifest, a JSON file, as ``download`` does."""
        return await self._fetch(partial(self.manifest, job_id), path, f"{job_id}-files")

    async def _fetch(
        self, where: Where, path: Path | str, stem: str, progress: Progress = unheard
    ) -> Path:
        return await fetch(self._transport, where, Path(path), stem=stem, progress=progress)

    async def _unit_result(self, job_id: Id, number: int) -> api.ResultUrl:
        return unit_result(job_id, await self.unit(job_id, number))

    # Receipts, disputes and the log

    async def receipt(self, job_id: Id, *, unit: int | None = None) -> api.ReceiptFile:
        """Return the verified receipt of a ``unit``, or of a job of one unit.

        A receipt that the gateway has withdrawn passes here; see its member ``withdrawn``. Raises
        NotFound if the unit is not complete or its node signed nothing, NotProved if the receipt is
        invalid.
        """
        part = "" if unit is None else f"/units/{unit}"
        document = await self._connection.get_json(f"{_JOBS}/{uuid(job_id)}{part}/receipt")
        return read_receipt(document, uuid(job_id))

    async def dispute(
        self, job_id: Id, reason: str, *, unit: int = 0, comparison: Mapping[str, Any] | None = None
    ) -> api.Dispute:
        """Dispute the charge of a unit.

        Raises Conflict if the charge cannot be disputed, or no longer. With a ``comparison`` from
        ``rendertrust verify --scene``, a verifier decides.
        """
        body = given(reason=reason, comparison=None if comparison is None else dict(comparison))
        path = f"{_JOBS}/{uuid(job_id)}/units/{unit}/dispute"
        return await self._connection.post(api.Dispute, path, body)

    async def disputes(
        self, state: str | None = None, *, limit: int = 50, offset: int = 0
    ) -> api.Disputes:
        """List your disputes, newest first, optionally only in one ``state``."""
        query = window(limit, offset, state=state)
        return await self._connection.get(api.Disputes, _DISPUTES, query)

    def each_dispute(self, state: str | None = None) -> AsyncIterator[api.Dispute]:
        """Iterate over all your disputes, newest first, optionally only in one ``state``."""
        return self._connection.each(
            api.Disputes, _DISPUTES, lambda page: page.disputes, state=state
        )

    async def log_checkpoint(self, *, accept: bool = False) -> api.LogCheckpoint:
        """Return the log's newest checkpoint, verified against the checkpoint seen before.

        Raises Forked, which has evidence against the gateway, if the log contradicts the known log.
        With ``accept``, a fork or an unreadable pin raises nothing: the newest checkpoint replaces
        the pin.
        """
        return await self._log_monitor.newest(accept=accept)

    async def entry_proof(self, entry_id: int | Id, *, opening: bool = False) -> api.EntryProof:
        """Return a verified proof that your entry is in the log.

        ``opening`` includes private parts.

        Raises NotProved if the proof is invalid, Forked if the log is not the log seen before.
        """
        return (await self._log_monitor.proof(entry_id, opening=opening))[0]

    async def verify_entry(self, entry_id: int | Id) -> Verdict:
        """Verify an entry's proof step by step.

        The verdict is ``witnessed`` if the log was seen before.
        """
        return (await self._log_monitor.proof(entry_id, opening=False))[1]

    # Webhooks

    async def hooks(self) -> api.Hooks:
        """List your webhook endpoints, oldest first."""
        return await self._connection.get(api.Hooks, _HOOKS)

    async def create_hook(self, url: str, types: Sequence[str] = ("job.*",)) -> api.HookWithSecret:
        """Send events of your jobs to ``url``. Only this reply shows the secret.

        ``types``: event types; ``job.*`` and ``unit.*`` stand for all events of jobs and of units.
        The receiver reads events with ``rendertrust.webhooks``. Raises Conflict if you have too
        many endpoints.
        """
        body = {"url": url, "types": list(types)}
        return await self._connection.post(api.HookWithSecret, _HOOKS, body, repeatable=False)

    async def change_hook(
        self,
        hook_id: Id,
        *,
        url: str | None = None,
        types: Sequence[str] | None = None,
        enabled: bool | None = None,
    ) -> api.Hook:
        """Change an endpoint's address or event types, or switch the endpoint on or off."""
        body = given(url=url, types=None if types is None else list(types), enabled=enabled)
        return await self._connection.patch(api.Hook, f"{_HOOKS}/{uuid(hook_id)}", body)

    async def rotate_hook(self, hook_id: Id) -> api.HookWithSecret:
        """Replace an endpoint's secret. For a day, the old secret signs deliveries, too."""
        path = f"{_HOOKS}/{uuid(hook_id)}/rotate"
        return await self._connection.post(api.HookWithSecret, path, repeatable=False)

    async def delete_hook(self, hook_id: Id) -> None:
        """Delete an endpoint; its pending deliveries fail."""
        await self._connection.send("DELETE", f"{_HOOKS}/{uuid(hook_id)}", repeatable=False)

    async def deliveries(
        self, hook_id: Id, *, limit: int = 50, after: Id | None = None
    ) -> api.Deliveries:
        """List the deliveries to an endpoint, newest first."""
        query = {"limit": str(limit)} | ({} if after is None else {"after": str(after)})
        path = f"{_HOOKS}/{uuid(hook_id)}/deliveries"
        return await self._connection.get(api.Deliveries, path, query)

    async def replay(self, delivery_id: Id) -> api.Delivery:
        """Deliver an event again, under the same id."""
        path = f"{_DELIVERIES}/{uuid(delivery_id)}/replay"
        return await self._connection.post(api.Delivery, path)

    # Nodes and earnings

    async def nodes(self, *, limit: int = 50, offset: int = 0) -> api.NodeList:
        """List your nodes, newest first. An admin sees all nodes."""
        return await self._connection.get(api.NodeList, _NODES, window(limit, offset))

    def each_node(self) -> AsyncIterator[api.Node]:
        """Iterate over all your nodes, newest first."""
        return self._connection.each(api.NodeList, _NODES, lambda page: page.nodes)

    async def node(self, node_id: Id) -> api.Node:
        """Return a node. Raises NotFound if the node does not exist or is not yours."""
        return await self._connection.get(api.Node, f"{_NODES}/{uuid(node_id)}")

    async def node_checks(self, node_id: Id, *, limit: int = 100) -> api.NodeChecks:
        """List the checks of a node's results, newest first. Raises NotFound as ``node`` does."""
        path, query = f"{_NODES}/{uuid(node_id)}/checks", {"limit": str(limit)}
        return await self._connection.get(api.NodeChecks, path, query)

    async def node_connections(self, node_id: Id) -> api.NodeConnections:
        """List a node's recent connections, and how each connection ended."""
        path = f"{_NODES}/{uuid(node_id)}/connections"
        return await self._connection.get(api.NodeConnections, path)

    async def check_queue(self) -> api.CheckQueue:
        """Return the queue of checks, its age and the verifiers' load, of all gateways.

        Raises Forbidden unless you are an admin or auditor.
        """
        return await self._connection.get(api.CheckQueue, "/api/v1/admin/checks")

    async def tell_node(self, node_id: Id, verb: NodeVerb, reason: str = "") -> api.Node:
        """Drain, quarantine, release or revoke a node. A repeated call changes nothing.

        Raises Conflict if the node's state does not allow the action, Forbidden if only admins may
        do the action.
        """
        path = f"{_NODES}/{uuid(node_id)}/{verb}"
        return await self._connection.post(api.Node, path, {"reason": reason})

    async def earnings(
        self, state: str | None = None, *, limit: int = 50, offset: int = 0
    ) -> api.Earnings:
        """List the earnings of your nodes, newest first, optionally only in one ``state``."""
        query = window(limit, offset, state=state)
        return await self._connection.get(api.Earnings, _EARNINGS, query)

    def each_earning(self, state: str | None = None) -> AsyncIterator[api.Share]:
        """Iterate over all earnings, newest first, optionally only in one ``state``."""
        return self._connection.each(
            api.Earnings, _EARNINGS, lambda page: page.earnings, state=state
        )

    async def payouts(self, *, limit: int = 50, offset: int = 0) -> api.Payouts:
        """List your payouts, newest first."""
        return await self._connection.get(api.Payouts, _PAYOUTS, window(limit, offset))

    def each_payout(self) -> AsyncIterator[api.Payout]:
        """Iterate over all your payouts, newest first."""
        return self._connection.each(api.Payouts, _PAYOUTS, lambda page: page.payouts)

    async def pay_out(self, to: PayoutTo, *, idempotency_key: str | None = None) -> api.Payout:
        """Pay out your payable earnings, at most the 5,000 oldest, once per ``idempotency_key``.

        Credits arrive at once; money is requested. Raises Conflict if nothing is payable.
        """
        return await self._connection.post_once(api.Payout, _PAYOUTS, {"to": to}, idempotency_key)

    async def statement(self, month: str) -> api.Statement:
        """Return your statement as an operator for a month (``2026-03``, UTC), with all lines."""
        first = page = await self._statement_page(month, 0)
        lines = [*page.lines]
        while page.next is not None:
            page = await self._statement_page(month, page.next)
            lines += page.lines
        return attrs.evolve(first, lines=tuple(lines), next=None)

    async def _statement_page(self, month: str, after: int) -> api.Statement:
        query = {"month": month, "after": str(after)}
        return await self._connection.get(api.Statement, f"{_OPERATOR}/statement", query)

    # Organisations and trust

    async def organisations(self) -> api.Organisations:
        """List the organisations that you are a member of or invited to."""
        return await self._connection.get(api.Organisations, _ORGANISATIONS)

    async def organisation(self, organisation_id: Id) -> api.OrganisationPage:
        """Return an organisation with its members and nodes. Raises NotFound for non-members."""
        path = f"{_ORGANISATIONS}/{uuid(organisation_id)}"
        return await self._connection.get(api.OrganisationPage, path)

    async def found_organisation(self, name: str) -> api.Organisation:
        """Create an organisation and own it.

        Raises Conflict if you are in too many organisations.
        """
        body = {"name": name}
        return await self._connection.post(api.Organisation, _ORGANISATIONS, body, repeatable=False)

    async def end_organisation(self, organisation_id: Id) -> None:
        """Dissolve an organisation. Raises Forbidden if you are not an owner."""
        await self._connection.send("DELETE", f"{_ORGANISATIONS}/{uuid(organisation_id)}")

    async def invite(self, organisation_id: Id, email: str, role: MemberRole = "member") -> None:
        """Invite an e-mail address. You don't learn whether the address has an account.

        Raises Conflict if the address is already invited or is a member's.
        """
        path = f"{_ORGANISATIONS}/{uuid(organisation_id)}/members"
        await self._connection.send("POST", path, {"email": email, "role": role})

    async def accept_invitation(self, organisation_id: Id) -> None:
        """Become a member. Raises NotFound if you were not invited."""
        await self._connection.send("POST", f"{_ORGANISATIONS}/{uuid(organisation_id)}/accept")

    async def set_member_role(self, organisation_id: Id, user_id: Id, role: MemberRole) -> None:
        """Change a member's role. Raises Conflict if the organisation would have no owner."""
        path = f"{_ORGANISATIONS}/{uuid(organisation_id)}/members/{uuid(user_id)}"
        await self._connection.send("PUT", path, {"role": role})

    async def remove_member(self, organisation_id: Id, user_id: Id) -> None:
        """Leave an organisation, decline an invitation, or, as an owner, remove a member.

        Raises Conflict if the organisation would have no owner.
        """
        path = f"{_ORGANISATIONS}/{uuid(organisation_id)}/members/{uuid(user_id)}"
        await self._connection.send("DELETE", path)

    async def lend_node(self, organisation_id: Id, node_id: Id) -> None:
        """Let the organisation's members use your node for free."""
        path = f"{_ORGANISATIONS}/{uuid(organisation_id)}/nodes/{uuid(node_id)}"
        await self._connection.send("PUT", path)

    async def take_node_back(self, organisation_id: Id, node_id: Id) -> None:
        """Stop lending your node to the organisation."""
        path = f"{_ORGANISATIONS}/{uuid(organisation_id)}/nodes/{uuid(node_id)}"
        await self._connection.send("DELETE", path)

    async def trusted(self) -> api.TrustedPeople:
        """List the users you trust: your jobs in the pool ``trusted`` may run on their nodes."""
        return await self._connection.get(api.TrustedPeople, _TRUSTED)

    async def trust(self, email: str) -> None:
        """Trust the user of an e-mail address.

        You don't learn whether the address has an account.
        """
        await self._connection.send("POST", _TRUSTED, {"email": email})

    async def distrust(self, user_id: Id) -> None:
        """Stop trusting a user, by the ``user_id`` in ``trusted``.

        Raises NotFound for other ids.
        """
        await self._connection.send("DELETE", f"{_TRUSTED}/{uuid(user_id)}")
