"""The run of one unit on this node, from its dispatch to its spooled result."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

import attrs
import orjson

from rendertrust.job_types import CHECK, is_check
from rendertrust.node.attester import Attester, utc
from rendertrust.node.blender import Blender
from rendertrust.node.cache import Cache
from rendertrust.node.disk_space import is_of_disk, of_disk
from rendertrust.node.input_urls import InputUrls
from rendertrust.node.plugin import Completed, Failed, Plugin, Result, Task
from rendertrust.node.safe_open import NotARegularFile
from rendertrust.node.spool import EVIDENCE, RESULT, SHEET, CopiedFile, Spool
from rendertrust.node.unit_inputs import UnitInputs
from rendertrust.protocol import (
    LOG_CHARACTERS_MAX,
    Evidence,
    JobDispatch,
    JobResult,
    JobStatus,
    Log,
    Output,
    Preview,
    Running,
)
from rendertrust.relay_frames import UNREAD

WITHOUT_OBJECT: Final = "none:"
# Interval between two pieces of a unit's log, so that a scene with much output cannot displace
# other relay frames.
LOG_SECONDS: Final = 1.0
LOG_CHARACTERS_KEPT: Final = 64 * 1024


def ref_of(frame: JobDispatch) -> Running:
    """Return the unit and attempt of a dispatch."""
    return Running(job_id=frame.job_id, unit=frame.unit, attempt=frame.attempt)


@attrs.define
class UnitLog:
    """The log of a unit's program, sent to the gateway in pieces.

    The ``offset`` of a piece, in bytes of UTF-8, shows whether text before it was lost.
    """

    ref: Running
    send: Callable[[Log], object]
    clock: Callable[[], float]
    _waiting: str = ""
    _offset: int = 0
    _sequence: int = 0
    _sent_at: float = float("-inf")

    def hear(self, text: str) -> None:
        """Append text; drop the oldest text if too much text waits to be sent."""
        self._waiting += clean(text)
        self._forget(len(self._waiting) - LOG_CHARACTERS_KEPT)
        self.tell_if_due()

    def tell_if_due(self) -> None:
        """Send the next piece of the log unless a piece was sent within the last second."""
        if self.clock() - self._sent_at >= LOG_SECONDS:
            self.tell()

    def tell_all(self) -> None:
        """Send the rest of the log, as the unit has ended."""
        while self.tell():
            pass

    def tell(self) -> bool:
        """Send the next piece of the log if text waits and the connection accepts the piece.

        Return True if a piece was sent.
        """
        piece = self._waiting[:LOG_CHARACTERS_MAX]
        ref = self.ref
        if not piece or not self.send(
            Log(
                job_id=ref.job_id,
                unit=ref.unit,
                attempt=ref.attempt,
                sequence=self._sequence,
                offset=self._offset,
                text=piece,
            )
        ):
            return False
        self._sequence += 1
        self._sent_at = self.clock()
        self._forget(len(piece))
        return True

    def _forget(self, characters: int) -> None:
        if characters > 0:
            self._offset += len(self._waiting[:characters].encode())
            self._waiting = self._waiting[characters:]


def clean(text: str) -> str:
    """Replace characters that a relay frame may not contain."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()


@attrs.define(eq=False)
class UnitRun:
    """A dispatched unit that waits for a slot, runs, or is being spooled."""

    dispatch: JobDispatch
    addresses: InputUrls
    on_status: Callable[[JobStatus | Preview | Log], object]
    status_seconds_least: float
    clock: Callable[[], float]
    progress: float = 0.0
    detail: str = ""
    has_begun: bool = False
    is_running: bool = False
    is_preparing: bool = False
    is_cancelled: bool = False
    failure_if_cancelled: Failed | None = None
    job: asyncio.Task[None] | None = None
    task: Task | None = None
    begun: datetime = attrs.field(factory=utc)
    log: UnitLog = attrs.field(init=False)
    _told_at: float = float("-inf")

    def __attrs_post_init__(self) -> None:
        self.log = UnitLog(self.ref, self.on_status, self.clock)

    @property
    def ref(self) -> Running:
        """Return the unit and attempt of the dispatch."""
        return ref_of(self.dispatch)

    def status(self) -> JobStatus:
        """Return the progress as a relay frame."""
        return JobStatus(
            job_id=self.dispatch.job_id,
            unit=self.dispatch.unit,
            attempt=self.dispatch.attempt,
            progress=self.progress,
            detail=self.detail or None,
            preparing=self.is_preparing or None,
        )

    def prepare(self, detail: str) -> None:
        """Say that the unit's Blender is being installed, before the unit begins."""
        self.is_preparing, self.detail = True, detail
        self.tell()

    def report(self, progress: float, detail: str) -> None:
        """Store the plugin's progress, and send it at most a few times a second."""
        self.progress, self.detail = progress, detail
        if self.clock() - self._told_at >= self.status_seconds_least:
            self.tell()

    def tell(self) -> None:
        """Send the progress now; the report renews the unit's lease."""
        self._told_at = self.clock()
        self.on_status(self.status())
        self.log.tell_if_due()

    def preview(self, picture: bytes, frame: int | None) -> None:
        """Send a preview picture, which may be lost."""
        ref, data = self.ref, base64.b64encode(picture).decode()
        self.on_status(
            Preview(job_id=ref.job_id, unit=ref.unit, attempt=ref.attempt, frame=frame, data=data)
        )

    def cancel(self, failure: Failed | None = None) -> None:
        """End the unit as cancelled, or as failed with ``failure``."""
        self.is_cancelled, self.failure_if_cancelled = True, failure
        if self.task is not None:
            self.task.stopping.set()
        # If an asyncio task is cancelled before its first step, its clean-up never runs.
        if self.job is not None and self.has_begun:
            self.job.cancel()


async def run(unit: UnitRun, plugin: Plugin, cache: Cache, work: Path, threads: int) -> Result:
    """Fetch the inputs and run the plugin in the folder ``work``.

    A version of Blender that the unit needs is installed before the unit begins, and kept until it
    has ended.
    """
    unit.is_running = True
    async with _lending(unit, plugin) as lent:
        if isinstance(lent, Failed):
            return lent
        staged = UnitInputs(cache, work, unit.addresses, _need_of(plugin, unit.dispatch))
        return await _begun(unit, plugin, staged, threads, lent)


async def _begun(
    unit: UnitRun, plugin: Plugin, staged: UnitInputs, threads: int, lent: Blender | None
) -> Result:
    unit.is_preparing, unit.detail, unit.begun = False, "", utc()
    unit.tell()
    try:
        inputs = await staged.lay_out(unit.dispatch)
    except OSError as fault:
        return of_disk(fault)
    if isinstance(inputs, Failed):
        return inputs
    unit.task = Task(
        job_id=unit.dispatch.job_id,
        job_type=unit.dispatch.job_type,
        payload_ref=unit.dispatch.payload_ref,
        unit=unit.dispatch.unit,
        attempt=unit.dispatch.attempt,
        params=unit.dispatch.params,
        folder=staged.work,
        inputs=inputs,
        delivered=staged.delivered,
        content=content_of(unit.dispatch),
        blender=unit.dispatch.blender or "",
        lent=lent,
        threads=threads,
        on_progress=unit.report,
        on_preview=unit.preview,
        on_log=unit.log.hear,
    )
    try:
        return await plugin.run(unit.task)
    except Exception as fault:  # a bug in a plugin must not end the agent
        if isinstance(fault, OSError) and is_of_disk(fault):
            return of_disk(fault)
        return Failed(
            failure="node", error=f"{type(fault).__name__} in the plugin", detail=str(fault)
        )


@contextlib.asynccontextmanager
async def _lending(unit: UnitRun, plugin: Plugin) -> AsyncGenerator[Blender | Failed | None]:
    """Lend the unit its Blender if a plugin of ours has it in the store. A check does not wait."""
    lending: Callable[..., AbstractAsyncContextManager[Blender | Failed | None]] | None
    lending = getattr(getattr(plugin, "render", plugin), "lending", None)
    version = unit.dispatch.blender
    if not version or lending is None:
        yield None
        return
    waits = not is_check(unit.dispatch.job_type)
    async with lending(version, unit.prepare, waits=waits) as lent:
        yield lent


def _need_of(plugin: Plugin, dispatch: JobDispatch) -> Callable[[str], bool]:
    """Return whether the unit needs a file of the manifest: always, unless a plugin of ours says
    otherwise.
    """
    needs = getattr(plugin, "needs", None)
    if not callable(needs):
        return lambda path: True
    return lambda path: bool(needs(dispatch.params, path))


def content_of(dispatch: JobDispatch) -> str:
    """Return a hash over the paths and contents of a unit's inputs."""
    files = sorted((wanted.path, wanted.sha256) for wanted in dispatch.inputs)
    manifest = dispatch.manifest.sha256 if dispatch.manifest is not None else None
    return sha256(orjson.dumps([files, manifest])).hexdigest()


def folder_name(ref: Running) -> str:
    """Return a short name for a unit's work folder; the name is safe for any job id."""
    return sha256(f"{ref.job_id}\n{ref.unit}\n{ref.attempt}".encode()).hexdigest()[:24]


def failed(ref: Running, failure: Failed) -> JobResult:
    """Return the relay frame that reports a failure."""
    return JobResult(
        job_id=ref.job_id,
        unit=ref.unit,
        attempt=ref.attempt,
        status="failed",
        failure=failure.failure,
        error=clean(failure.error)[:500] or "failed",
        detail=clean(failure.detail)[-3500:] or None,
        given_back=failure.given_back or None,
        lacks=failure.lacks,
        work={UNREAD: failure.unread} if failure.unread is not None else None,
    )


async def keep(
    unit: UnitRun, result: Result, spool: Spool, attester: Attester | None = None
) -> None:
    """Copy and hash a result's files, sign the work, and spool the result."""
    if isinstance(result, Failed):
        spool.put(failed(unit.ref, result))
        return
    try:
        made = await asyncio.to_thread(_taken, unit, result, spool)
    except NotARegularFile as fault:
        broken = Failed(failure="node", error="the result cannot be read", detail=str(fault))
        spool.put(failed(unit.ref, broken))
        return
    except OSError as fault:
        spool.put(failed(unit.ref, of_disk(fault)))
        return
    try:
        told = _completed(unit, result, made, attester)
    except ValueError as fault:
        broken = Failed(
            failure="node", error="the plugin's measurements exceed their bounds", detail=str(fault)
        )
        spool.put(failed(unit.ref, broken))
    else:
        spool.put(told, made)


Made = dict[str, tuple[CopiedFile, Output]]


def _taken(unit: UnitRun, result: Completed, spool: Spool) -> Made:
    """Spool the files that have an upload destination. Raises OSError, NotARegularFile."""
    dispatch = unit.dispatch
    places = {
        SHEET if dispatch.job_type == CHECK else RESULT: (result.file, dispatch.output),
        EVIDENCE: (result.evidence, dispatch.evidence),
    }
    return {
        what: (spool.take(file, unit.ref, what), output)
        for what, (file, output) in places.items()
        if file is not None and output is not None
    }


def _completed(
    unit: UnitRun, result: Completed, made: Made, attester: Attester | None
) -> JobResult:
    dispatch = unit.dispatch
    # Without an upload destination there is no object, but the API reference requires a result_ref.
    nowhere = (None, f"{WITHOUT_OBJECT}{dispatch.job_id}")
    taken, place = (made[RESULT][0], made[RESULT][1].key) if RESULT in made else nowhere
    proof = made[EVIDENCE][0] if EVIDENCE in made else None
    told = JobResult(
        job_id=dispatch.job_id,
        unit=dispatch.unit,
        attempt=dispatch.attempt,
        status="completed",
        result_ref=place,
        sha256=taken.sha256 if taken else None,
        size=taken.size if taken else None,
        work=result.work or None,
        evidence=Evidence(sha256=proof.sha256, size=proof.size) if proof else None,
        vram=result.vram or None,
    )
    signed = attester and attester.attest(dispatch, unit.begun, result, taken, proof)
    if not signed:
        return told
    try:
        return attrs.evolve(told, work=signed[0], signature=signed[1])
    except ValueError:  # the unit gets no receipt, because the work does not fit into a relay frame
        return told
