# Generated from async_client.py by `python -m scripts.generate_sync_client`; do not edit.
"""Client: the API of a gateway as blocking methods, for programs without asyncio."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from rendertrust import api
from rendertrust.client.arguments import Container, Id, MemberRole, NodeVerb, PayoutTo
from rendertrust.client.async_client import RETRIES, AsyncClient
from rendertrust.client.backoff import Retries
from rendertrust.client.frame_downloads import FrameFiles
from rendertrust.client.job_uploads import Bundle
from rendertrust.client.local_files import Progress, unheard
from rendertrust.client.log_monitor import Pins
from rendertrust.client.login import TokenStore
from rendertrust.client.loop_thread import LoopThread
from rendertrust.client.transport import Waiting
from rendertrust.job_spec import JobSpec, Priority
from rendertrust.proof_check import Verdict


class Client:
    """A client of one gateway: ``with Client(url) as client: …``. Methods as in ``AsyncClient``.

    Its event loop runs in a thread, so it also works where another loop is running (a notebook).
    ``progress`` and ``waiting`` are called in that thread.
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
        self._api = AsyncClient(
            url,
            tokens=tokens,
            keeper=keeper,
            api_key=api_key,
            retries=retries,
            waiting=waiting,
            pins=pins,
        )
        self._loop = LoopThread()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Return the gateway's address."""
        return self._api.url

    def close(self) -> None:
        """Close the connections; do not use the client afterwards."""
        self._loop.close(self._api.close)

    def register(
        self, email: str, name: str, password: str, *, invitation: str | None = None
    ) -> api.Registered:
        """Create an account and log in. Raises Conflict if the address already has an account, and
        Forbidden if accounts cannot be opened, or not without a valid ``invitation``.
        """
        return self._loop.run(self._api.register(email, name, password, invitation=invitation))

    def login(self, email: str, password: str, *, otp: str | None = None) -> api.Tokens:
        """Log in. ``otp``: a code of your authenticator app or a recovery code, if you have one.

        Raises NotAuthenticated if the address, the password or ``otp`` is wrong; its ``code`` is
        ``second_factor_required`` if only ``otp`` is missing.
        """
        return self._loop.run(self._api.login(email, password, otp=otp))

    def give_second_factor(self, otp: str) -> None:
        """Give your second factor again, which counts for ten minutes. Raises Forbidden if ``otp``
        is wrong or was used.
        """
        self._loop.run(self._api.give_second_factor(otp))

    def logout(self) -> None:
        """Log out, here and at the gateway. Does nothing if the session has already ended."""
        self._loop.run(self._api.logout())

    def create_key(
        self, name: str, scopes: Sequence[str], *, expires_at: datetime | None = None
    ) -> api.CreatedApiKey:
        """Create an API key.

        Only this reply shows the key; if the reply is lost, revoke it. Raises Forbidden with the
        code ``recent_factor_needed`` if you must give your second factor again.
        """
        return self._loop.run(self._api.create_key(name, scopes, expires_at=expires_at))

    def keys(self, *, limit: int = 50, offset: int = 0) -> api.ApiKeys:
        """List your API keys, newest first; ``limit`` is 1 to 100."""
        return self._loop.run(self._api.keys(limit=limit, offset=offset))

    def each_key(self) -> Iterator[api.ApiKey]:
        """Iterate over all your API keys."""
        return self._loop.each(self._api.each_key())

    def revoke_key(self, key_id: Id) -> None:
        """Revoke an API key. Raises NotFound if the key is already revoked or not yours."""
        self._loop.run(self._api.revoke_key(key_id))

    def change_password(self, old: str, new: str) -> None:
        """Change your password and end all other sessions. Raises Forbidden if ``old`` is wrong."""
        self._loop.run(self._api.change_password(old, new))

    def sessions(self, *, limit: int = 50, offset: int = 0) -> api.Sessions:
        """List your sessions, the most recently used first."""
        return self._loop.run(self._api.sessions(limit=limit, offset=offset))

    def each_session(self) -> Iterator[api.Session]:
        """Iterate over all your sessions."""
        return self._loop.each(self._api.each_session())

    def end_session(self, sid: Id) -> None:
        """End a session. Raises NotFound if the session has already ended or is not yours."""
        self._loop.run(self._api.end_session(sid))

    def account(self) -> api.OwnAccount:
        """Return your account."""
        return self._loop.run(self._api.account())

    def choose_mails(self, kinds: Sequence[str]) -> api.OwnAccount:
        """Choose which mails you get, such as ``job.failed``; all others are switched off."""
        return self._loop.run(self._api.choose_mails(kinds))

    def export_account(self, path: Path | str) -> Path:
        """Save everything that the gateway stores of you as JSON, and return the file's path."""
        return self._loop.run(self._api.export_account(path))

    def delete_account(self, password: str) -> None:
        """Delete your account. Raises Conflict if something must be settled first, such as a job,
        and Forbidden if the password is wrong.
        """
        self._loop.run(self._api.delete_account(password))

    def access_token(self) -> str:
        """Return the API key, or a token that the gateway has just accepted, for other programs."""
        return self._loop.run(self._api.access_token())

    def balance(self) -> api.Balance:
        """Return your credits: booked, held and available."""
        return self._loop.run(self._api.balance())

    def history(self, *, limit: int = 50, offset: int = 0, after: str | None = None) -> api.History:
        """List the entries of your account, newest first; ``limit`` is 1 to 100."""
        return self._loop.run(self._api.history(limit=limit, offset=offset, after=after))

    def each_entry(self) -> Iterator[api.Entry]:
        """Iterate over all entries of your account, newest first."""
        return self._loop.each(self._api.each_entry())

    def deduct(
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
        return self._loop.run(
            self._api.deduct(amount, reference_id, description, idempotency_key=idempotency_key)
        )

    def holds(self, *, limit: int = 50, offset: int = 0) -> api.Holds:
        """List the open holds on your credits, newest first."""
        return self._loop.run(self._api.holds(limit=limit, offset=offset))

    def each_hold(self) -> Iterator[api.Hold]:
        """Iterate over all open holds on your credits."""
        return self._loop.each(self._api.each_hold())

    def usage(self, days: int = 30) -> api.Usage:
        """Return your charges per day; ``days`` is 1 to 366 and includes today."""
        return self._loop.run(self._api.usage(days))

    def offers(self) -> api.Offers:
        """List the amounts of credits that you can buy."""
        return self._loop.run(self._api.offers())

    def checkout(self, sku: str, *, idempotency_key: str | None = None) -> api.Checkout:
        """Begin a purchase, once per ``idempotency_key``. The credits arrive when you have paid.

        Raises Invalid if ``sku`` is not for sale.
        """
        return self._loop.run(self._api.checkout(sku, idempotency_key=idempotency_key))

    def organisations(self) -> api.Organisations:
        """List the organisations that you are a member of or invited to."""
        return self._loop.run(self._api.organisations())

    def organisation(self, organisation_id: Id) -> api.OrganisationPage:
        """Return an organisation with its members and nodes. Raises NotFound for non-members."""
        return self._loop.run(self._api.organisation(organisation_id))

    def found_organisation(self, name: str) -> api.Organisation:
        """Create an organisation and own it. Raises Conflict if you are in too many."""
        return self._loop.run(self._api.found_organisation(name))

    def end_organisation(self, organisation_id: Id) -> None:
        """Dissolve an organisation.

        Raises NotFound if you are no member, Forbidden if you are a member but not an owner.
        """
        self._loop.run(self._api.end_organisation(organisation_id))

    def invite(self, organisation_id: Id, email: str, role: MemberRole = "member") -> None:
        """Invite an e-mail address. You don't learn whether the address has an account.

        Raises Conflict if the address is already invited or is a member's.
        """
        self._loop.run(self._api.invite(organisation_id, email, role))

    def accept_invitation(self, organisation_id: Id) -> None:
        """Become a member. Raises NotFound if you were not invited."""
        self._loop.run(self._api.accept_invitation(organisation_id))

    def set_member_role(self, organisation_id: Id, user_id: Id, role: MemberRole) -> None:
        """Change a member's role. Raises Conflict if the organisation would have no owner."""
        self._loop.run(self._api.set_member_role(organisation_id, user_id, role))

    def remove_member(self, organisation_id: Id, user_id: Id) -> None:
        """Leave an organisation, decline an invitation, or, as an owner, remove a member.

        Raises Conflict if the organisation would have no owner.
        """
        self._loop.run(self._api.remove_member(organisation_id, user_id))

    def lend_node(self, organisation_id: Id, node_id: Id) -> None:
        """Let the organisation's members use your node for free."""
        self._loop.run(self._api.lend_node(organisation_id, node_id))

    def take_node_back(self, organisation_id: Id, node_id: Id) -> None:
        """Stop lending your node to the organisation."""
        self._loop.run(self._api.take_node_back(organisation_id, node_id))

    def trusted(self) -> api.TrustedPeople:
        """List the users you trust: your jobs in the pool ``trusted`` may run on their nodes."""
        return self._loop.run(self._api.trusted())

    def trust(self, email: str) -> None:
        """Trust the user of an e-mail address. You don't learn whether there is an account."""
        self._loop.run(self._api.trust(email))

    def distrust(self, user_id: Id) -> None:
        """Stop trusting a user, by ``user_id`` in ``trusted``. Raises NotFound for other ids."""
        self._loop.run(self._api.distrust(user_id))

    def upload(self, path: Path | str, *, progress: Progress = unheard) -> api.Upload:
        """Upload a file, unless the gateway already has the same content from you.

        ``progress(done, total)`` counts bytes. Raises OSError if the file cannot be read,
        FileChanged if the file is modified during the upload, TransferFailed if the object store
        refuses the file.
        """
        return self._loop.run(self._api.upload(path, progress=progress))

    def upload_all(
        self, scene: str, files: Mapping[str, Path | str], *, progress: Progress = unheard
    ) -> Bundle:
        """Upload a scene and its linked files; ``progress`` counts the bytes of all files together.

        ``files`` maps each path on the node (relative, with ``/``) to a local file; ``scene`` is
        one of these paths. Raises ValueError if a path leads out of the job's folder, and the
        exceptions of ``upload``.
        """
        return self._loop.run(self._api.upload_all(scene, files, progress=progress))

    def uploads(self, *, limit: int = 50, offset: int = 0) -> api.KeptUploads:
        """List your stored uploads, largest first, with your quota."""
        return self._loop.run(self._api.uploads(limit=limit, offset=offset))

    def each_upload(self) -> Iterator[api.KeptUpload]:
        """Iterate over all your stored uploads, largest first."""
        return self._loop.each(self._api.each_upload())

    def delete_upload(self, upload_id: Id) -> None:
        """Delete an upload. Raises Conflict if an open, disputed or disputable job needs it."""
        self._loop.run(self._api.delete_upload(upload_id))

    def preflight(
        self, spec: JobSpec, *, again: bool = False, within: float | None = None
    ) -> api.Preflight:
        """Have a node check the scene of a job and estimate the time of its frames, for free.

        A scene is checked once; with ``again``, a node checks the scene again. The method waits for
        the result. After ``within`` seconds (0: at once) the method returns a preflight that is
        still ``PENDING``. Raises RateLimited if you have used up this hour's preflights.
        """
        return self._loop.run(self._api.preflight(spec, again=again, within=within))

    def quote(self, spec: JobSpec) -> api.Quote:
        """Return the cost of this job, and the credits that ``dispatch`` would hold.

        Without a ``payload_ref`` the files are not checked. Raises Invalid if the job is invalid.
        If your credits do not suffice, ``enough`` in the quote is False.
        """
        return self._loop.run(self._api.quote(spec))

    def dispatch(self, spec: JobSpec, *, idempotency_key: str | None = None) -> api.Placed:
        """Submit a job, once per ``idempotency_key``.

        Raises BadRequest if no node can do the job, Unavailable if all such nodes are full. With
        ``spec.queue``, a job of several units, or one with a later start, the gateway queues the
        job instead; but BadRequest comes if ``spec.needs`` asks for nodes that are alike and none
        is connected. Raises Invalid if the job is invalid, or if a preflight found an error,
        unless ``spec.as_is``. Raises InsufficientCredits if the price is more than you have,
        Conflict if the price is above ``spec.quoted``.
        """
        return self._loop.run(self._api.dispatch(spec, idempotency_key=idempotency_key))

    def jobs(
        self,
        status: str | None = None,
        *,
        limit: int = 50,
        offset: int = 0,
        after: str | None = None,
    ) -> api.JobList:
        """List your jobs, newest first, optionally only with one ``status``."""
        return self._loop.run(self._api.jobs(status, limit=limit, offset=offset, after=after))

    def each_job(self, status: str | None = None) -> Iterator[api.Job]:
        """Iterate over all your jobs, newest first, optionally only with one ``status``."""
        return self._loop.each(self._api.each_job(status))

    def job(self, job_id: Id) -> api.Job:
        """Return a job. Raises NotFound if the job does not exist or is not yours."""
        return self._loop.run(self._api.job(job_id))

    def watch(self, job_id: Id, *, within: float | None = None) -> Iterator[api.Job]:
        """Yield the job now and when it has changed, until the job has ended.

        Raises StillRunning after ``within`` seconds. Waits up to two minutes for a gateway that
        restarts.
        """
        return self._loop.each(self._api.watch(job_id, within=within))

    def wait(self, job_id: Id, *, within: float | None = None) -> api.Job:
        """Return the job once the job has ended. Raises StillRunning after ``within`` seconds."""
        return self._loop.run(self._api.wait(job_id, within=within))

    def cancel(self, job_id: Id) -> api.Job:
        """Cancel a job. Raises BadRequest if a node has begun the job, or the job has ended."""
        return self._loop.run(self._api.cancel(job_id))

    def retry(self, job_id: Id) -> api.Placed:
        """Submit a failed or cancelled job again, once, at the current price.

        Raises Conflict if the job has neither failed nor been cancelled, has several units, or its
        input has expired, InsufficientCredits if the price is more than you have.
        """
        return self._loop.run(self._api.retry(job_id))

    def pause(self, job_id: Id) -> api.Job:
        """Start no further units of a job. Raises Conflict if the job has ended."""
        return self._loop.run(self._api.pause(job_id))

    def resume(self, job_id: Id) -> api.Job:
        """Resume a paused job. Raises Conflict if the job has ended or has reached its cap."""
        return self._loop.run(self._api.resume(job_id))

    def stop(self, job_id: Id) -> api.Job:
        """End a job. Complete units stay paid, and the holds for all other units are released.

        Results that are being checked are charged once verified. Until then, the job is ``PAUSED``
        and ``stopped``. Raises Conflict if the job has already ended.
        """
        return self._loop.run(self._api.stop(job_id))

    def change(
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
        return self._loop.run(
            self._api.change(job_id, priority=priority, max_credits=max_credits, uncapped=uncapped)
        )

    def video(
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
        return self._loop.run(
            self._api.video(job_id, container=container, fps=fps, idempotency_key=idempotency_key)
        )

    def units(self, job_id: Id, *, limit: int = 50, after: int = -1) -> api.Units:
        """List a job's units with a number above ``after``. Raises NotFound if there is no job."""
        return self._loop.run(self._api.units(job_id, limit=limit, after=after))

    def each_unit(self, job_id: Id) -> Iterator[api.Unit]:
        """Iterate over all units of a job, by number."""
        return self._loop.each(self._api.each_unit(job_id))

    def unit(self, job_id: Id, number: int) -> api.Unit:
        """Return a unit. Raises NotFound if the job has no unit of that number."""
        return self._loop.run(self._api.unit(job_id, number))

    def retry_unit(self, job_id: Id, number: int) -> api.Unit:
        """Render a failed unit again, or all failed tiles of a frame.

        The unit's price is held again. If the unit already waits or runs, nothing happens. Raises
        Conflict if the unit is complete or underquoted, the job was cancelled or stopped, or its
        input has expired, InsufficientCredits if the price is more than you have.
        """
        return self._loop.run(self._api.retry_unit(job_id, number))

    def events(
        self, job_id: Id, *, after: int = 0, progress: bool = False
    ) -> Iterator[api.JobEvent]:
        """Yield each event of a job with a number above ``after`` once, until the job has ended.

        Waits up to two minutes for a gateway that does not answer. ``progress`` adds events on the
        progress of units, which have no number. Raises NotFound if the job does not exist or is not
        yours, Conflict if ``after`` is beyond the newest event, for example after the restore of a
        backup.
        """
        return self._loop.each(self._api.events(job_id, after=after, progress=progress))

    def event_page(self, job_id: Id, *, after: int = 0, limit: int = 100) -> api.EventPage:
        """List the events of a job so far, with a number above ``after``."""
        return self._loop.run(self._api.event_page(job_id, after=after, limit=limit))

    def job_log(self, job_id: Id, unit: int | None = None) -> tuple[api.AttemptLog, ...]:
        """Return the last log lines of attempts at a job's units, or only at one ``unit``.

        The last 20 failed and the last 20 successful attempts come first, in the order of their
        ends, then running attempts. Logs are kept as long as results. Raises NotFound if the job
        does not exist.
        """
        return self._loop.run(self._api.job_log(job_id, unit))

    def hooks(self) -> api.Hooks:
        """List your webhook endpoints, oldest first."""
        return self._loop.run(self._api.hooks())

    def create_hook(self, url: str, types: Sequence[str] = ("job.*",)) -> api.HookWithSecret:
        """Send events of your jobs to ``url``. Only this reply shows the secret.

        ``types``: event types; ``job.*`` and ``unit.*`` stand for all events of jobs and of units.
        The receiver reads events with ``rendertrust.webhooks``. Raises Conflict if you have too
        many endpoints.
        """
        return self._loop.run(self._api.create_hook(url, types))

    def change_hook(
        self,
        hook_id: Id,
        *,
        url: str | None = None,
        types: Sequence[str] | None = None,
        enabled: bool | None = None,
    ) -> api.Hook:
        """Change an endpoint's address or event types, or switch the endpoint on or off."""
        return self._loop.run(self._api.change_hook(hook_id, url=url, types=types, enabled=enabled))

    def rotate_hook(self, hook_id: Id) -> api.HookWithSecret:
        """Replace an endpoint's secret. For a day, the old secret signs deliveries, too."""
        return self._loop.run(self._api.rotate_hook(hook_id))

    def delete_hook(self, hook_id: Id) -> None:
        """Delete an endpoint; its pending deliveries fail."""
        self._loop.run(self._api.delete_hook(hook_id))

    def deliveries(
        self, hook_id: Id, *, limit: int = 50, after: Id | None = None
    ) -> api.Deliveries:
        """List the deliveries to an endpoint, newest first."""
        return self._loop.run(self._api.deliveries(hook_id, limit=limit, after=after))

    def replay(self, delivery_id: Id) -> api.Delivery:
        """Deliver an event again, under the same id."""
        return self._loop.run(self._api.replay(delivery_id))

    def preview(self, job_id: Id, frame: int | None = None) -> bytes:
        """Return a small JPEG of a frame; without ``frame``, of the newest frame.

        Raises NotFound if the frame has no preview yet, BadAnswer if the reply is not a small JPEG.
        """
        return self._loop.run(self._api.preview(job_id, frame))

    def result(self, job_id: Id) -> api.ResultUrl:
        """Return a presigned URL of a job's result. Raises NotFound if there is no result yet."""
        return self._loop.run(self._api.result(job_id))

    def download(
        self, job_id: Id, path: Path | str, *, stem: str | None = None, progress: Progress = unheard
    ) -> Path:
        """Download the result to ``path``, complete and verified or not at all.

        Returns the file's path. If ``path`` is a folder, the file is named ``stem`` (default: the
        job's id) plus a suffix for its type. An interrupted download resumes, also in a later call,
        from a hidden ``.part`` file in the same folder. Raises OSError if the file cannot be
        written, TransferFailed if the object store does not deliver the content.
        """
        return self._loop.run(self._api.download(job_id, path, stem=stem, progress=progress))

    def download_unit(
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
        return self._loop.run(
            self._api.download_unit(job_id, number, path, stem=stem, progress=progress)
        )

    def download_frames(
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
        return self._loop.run(
            self._api.download_frames(
                job_id, folder, frames=frames, stem=stem, tiles=tiles, progress=progress
            )
        )

    def archive(self, job_id: Id) -> api.ResultUrl:
        """Return a URL of a zip of all complete frames; ``tiles/`` has tiles of incomplete frames.

        Raises Conflict if the job has not ended or has one unit, NotFound if no unit is complete.
        """
        return self._loop.run(self._api.archive(job_id))

    def download_archive(
        self, job_id: Id, path: Path | str, *, stem: str | None = None, progress: Progress = unheard
    ) -> Path:
        """Download the zip of ``archive``, in the way of ``download``."""
        return self._loop.run(
            self._api.download_archive(job_id, path, stem=stem, progress=progress)
        )

    def evidence(self, job_id: Id, number: int = 0) -> api.ResultUrl:
        """Return a URL of a unit's evidence: all render passes, which verifiers compare.

        Raises NotFound if the unit has no evidence: the gateway requests evidence only for checks.
        """
        return self._loop.run(self._api.evidence(job_id, number))

    def download_evidence(
        self, job_id: Id, path: Path | str, *, unit: int = 0, progress: Progress = unheard
    ) -> Path:
        """Download a unit's evidence, a layered OpenEXR file, as ``download`` does."""
        return self._loop.run(
            self._api.download_evidence(job_id, path, unit=unit, progress=progress)
        )

    def manifest(self, job_id: Id) -> api.ResultUrl:
        """Return a URL of a job's manifest, whose SHA-256 is in its receipts.

        Raises NotFound if the job has only a scene, or the manifest has expired.
        """
        return self._loop.run(self._api.manifest(job_id))

    def download_manifest(self, job_id: Id, path: Path | str) -> Path:
        """Download a job's manifest, a JSON file, as ``download`` does."""
        return self._loop.run(self._api.download_manifest(job_id, path))

    def receipt(self, job_id: Id, *, unit: int | None = None) -> api.ReceiptFile:
        """Return the verified receipt of a ``unit``, or of a job of one unit.

        A receipt that the gateway has withdrawn passes here; see its member ``withdrawn``. Raises
        NotFound if the unit is not complete or its node signed nothing, NotProved if the receipt is
        invalid.
        """
        return self._loop.run(self._api.receipt(job_id, unit=unit))

    def dispute(
        self, job_id: Id, reason: str, *, unit: int = 0, comparison: Mapping[str, Any] | None = None
    ) -> api.Dispute:
        """Dispute the charge of a unit.

        Raises Conflict if the charge cannot be disputed, or no longer. With a ``comparison`` from
        ``rendertrust verify --scene``, a verifier decides.
        """
        return self._loop.run(self._api.dispute(job_id, reason, unit=unit, comparison=comparison))

    def download_dispute_picture(
        self, job_id: Id, path: Path | str, *, unit: int = 0, progress: Progress = unheard
    ) -> Path:
        """Download the picture that a verifier made for a unit's dispute, as ``download`` does.

        The picture is for the unit's creator and for the operator of its node. Raises NotFound if
        there is no picture.
        """
        return self._loop.run(
            self._api.download_dispute_picture(job_id, path, unit=unit, progress=progress)
        )

    def disputes(
        self, state: str | None = None, *, limit: int = 50, offset: int = 0
    ) -> api.Disputes:
        """List your disputes, newest first, optionally only in one ``state``."""
        return self._loop.run(self._api.disputes(state, limit=limit, offset=offset))

    def each_dispute(self, state: str | None = None) -> Iterator[api.Dispute]:
        """Iterate over all your disputes, newest first, optionally only in one ``state``."""
        return self._loop.each(self._api.each_dispute(state))

    def log_checkpoint(self, *, accept: bool = False) -> api.LogCheckpoint:
        """Return the log's newest checkpoint, verified against the checkpoint seen before.

        Raises Forked, which has evidence against the gateway, if the log contradicts the known log.
        With ``accept``, a fork or an unreadable pin raises nothing: the newest checkpoint replaces
        the pin.
        """
        return self._loop.run(self._api.log_checkpoint(accept=accept))

    def entry_proof(self, entry_id: int | Id, *, opening: bool = False) -> api.EntryProof:
        """Return a verified proof that your entry is in the log. ``opening`` adds private parts.

        Raises NotProved if the proof is invalid, Forked if the log is not the log seen before.
        """
        return self._loop.run(self._api.entry_proof(entry_id, opening=opening))

    def verify_entry(self, entry_id: int | Id) -> Verdict:
        """Verify an entry's proof step by step; ``witnessed`` means the log was seen before."""
        return self._loop.run(self._api.verify_entry(entry_id))

    def nodes(self, *, limit: int = 50, offset: int = 0) -> api.NodeList:
        """List your nodes, newest first. Admins and auditors see all nodes."""
        return self._loop.run(self._api.nodes(limit=limit, offset=offset))

    def each_node(self) -> Iterator[api.Node]:
        """Iterate over all your nodes, newest first."""
        return self._loop.each(self._api.each_node())

    def node(self, node_id: Id) -> api.Node:
        """Return a node. Raises NotFound if the node does not exist or is not yours."""
        return self._loop.run(self._api.node(node_id))

    def node_checks(self, node_id: Id, *, limit: int = 100) -> api.NodeChecks:
        """List the checks of a node's results and of its reports on scenes, newest first.

        Raises NotFound as ``node`` does.
        """
        return self._loop.run(self._api.node_checks(node_id, limit=limit))

    def node_connections(self, node_id: Id) -> api.NodeConnections:
        """List a node's recent connections, and how each connection ended."""
        return self._loop.run(self._api.node_connections(node_id))

    def check_queue(self) -> api.CheckQueue:
        """Return the queue of checks, its age and the verifiers' load, of all gateways.

        Raises Forbidden unless you are an admin or auditor.
        """
        return self._loop.run(self._api.check_queue())

    def tell_node(self, node_id: Id, verb: NodeVerb, reason: str = "") -> api.Node:
        """Drain, quarantine, release or revoke a node. A repeated call changes nothing.

        A quarantine needs a ``reason``. Raises Conflict if the node's standing does not allow this,
        Forbidden if only admins may do it.
        """
        return self._loop.run(self._api.tell_node(node_id, verb, reason))

    def earnings(
        self, state: str | None = None, *, limit: int = 50, offset: int = 0
    ) -> api.Earnings:
        """List the earnings of your nodes, newest first, optionally only in one ``state``."""
        return self._loop.run(self._api.earnings(state, limit=limit, offset=offset))

    def each_earning(self, state: str | None = None) -> Iterator[api.Share]:
        """Iterate over all earnings, newest first, optionally only in one ``state``."""
        return self._loop.each(self._api.each_earning(state))

    def payouts(self, *, limit: int = 50, offset: int = 0) -> api.Payouts:
        """List your payouts, newest first."""
        return self._loop.run(self._api.payouts(limit=limit, offset=offset))

    def each_payout(self) -> Iterator[api.Payout]:
        """Iterate over all your payouts, newest first."""
        return self._loop.each(self._api.each_payout())

    def pay_out(self, to: PayoutTo, *, idempotency_key: str | None = None) -> api.Payout:
        """Pay out your payable earnings, at most the 5,000 oldest, once per ``idempotency_key``.

        Credits arrive at once; money is requested. Raises Conflict if nothing is payable.
        """
        return self._loop.run(self._api.pay_out(to, idempotency_key=idempotency_key))

    def statement(self, month: str) -> api.Statement:
        """Return your statement as an operator for a month (``2026-03``, UTC), with all lines."""
        return self._loop.run(self._api.statement(month))
