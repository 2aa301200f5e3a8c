"""Jobs of many units: what they consist of, what is done with them while they are open."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypedDict
from uuid import UUID

from rendertrust import frame_range, frame_rate
from rendertrust.api.jobs import Job, Placed, ResultUrl
from rendertrust.api.units import Quote, Unit, Units
from rendertrust.client.base import ApiBase
from rendertrust.client.content import Progress, unheard
from rendertrust.client.downloads import fetch
from rendertrust.client.errors import NotFound, NotReady
from rendertrust.client.frame_downloads import FrameDownloads, FrameFiles
from rendertrust.client.pages import LIMIT
from rendertrust.client.response_decoder import read
from rendertrust.client.transport import ApiCall

JOBS = "/api/v1/jobs"
Order: TypeAlias = Literal["sequential", "every_nth", "middle_first"]
Container: TypeAlias = Literal["MP4", "WEBM"]
Priority: TypeAlias = Literal["low", "normal", "high"]
Pool: TypeAlias = Literal["mine", "trusted", "any"]


class Needs(TypedDict, total=False):
    """What a node must have; what is left out does not matter. ``memory``: bytes, for each unit.

    ``blender``: like 5.2, at least. ``device_class``: exactly this one, as ``each_node`` tells it.
    ``alike``: all units by nodes of one class, which is chosen when the job is submitted.
    ``opengl``: its engine draws by that, as EEVEE and Workbench do.
    """

    device: Literal["cpu", "gpu"]
    blender: str
    memory: int
    device_class: str
    alike: bool
    opengl: bool


class UnitsApi(ApiBase):
    """A part of ``AsyncClient``."""

    async def quote(
        self,
        job_type: str,
        payload_ref: str | None = None,
        params: Mapping[str, Any] | None = None,
        *,
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
    ) -> Quote:
        """What ``dispatch`` of the same would cost and hold; nothing is held, and no job made.

        Without a ``payload_ref`` nothing is said of the files. Raises as ``dispatch`` does, but for
        InsufficientCredits: ``enough`` tells.
        """
        body = order_of(job_type, payload_ref, params, manifest)
        body |= cut_of(frames, chunk, tiles, order, priority=priority, max_credits=max_credits)
        body |= place_of(pool, needs)
        body |= {"as_is": True} if as_is else {}
        return read(Quote, await self._login.send(ApiCall("POST", f"{JOBS}/quote", body)))

    async def units(self, job_id: str | UUID, *, limit: int = 50, after: int = -1) -> Units:
        """Those whose number is above ``after``, by number. NotFound: there is no such job."""
        query = {"limit": str(limit), "after": str(after)}
        return read(Units, await self._get(job_path(job_id) + "/units", query))

    async def each_unit(self, job_id: str | UUID) -> AsyncIterator[Unit]:
        """All of them, by number, page after page."""
        after: int | None = -1
        while after is not None:
            page = await self.units(job_id, limit=LIMIT, after=after)
            for unit in page.units:
                yield unit
            after = page.next

    async def unit(self, job_id: str | UUID, number: int) -> Unit:
        """One of them. NotFound: the job has none of that number."""
        page = await self.units(job_id, limit=1, after=number - 1)
        for unit in page.units:
            if unit.number == number:
                return unit
        raise NotFound(404, f"Job has no unit {number}; it has {page.count}, from 0 on")

    async def retry_unit(self, job_id: str | UUID, number: int) -> Unit:
        """Do a unit again that failed; its price is held anew. Of a tiled frame all that failed.

        Conflict: it has not failed, or the job was cancelled. InsufficientCredits: the price is
        more than what is available. One that waits to be done again stays as it is.
        """
        path = f"{job_path(job_id)}/units/{number}/retry"
        return read(Unit, await self._login.send(ApiCall("POST", path)))

    async def pause(self, job_id: str | UUID) -> Job:
        """Begin nothing more of a job; what nodes have they finish. Conflict: it has ended."""
        return read(Job, await self._login.send(ApiCall("POST", job_path(job_id) + "/pause")))

    async def resume(self, job_id: str | UUID) -> Job:
        """Go on with a job that was paused. Conflict: it has ended, or its cap must be raised."""
        return read(Job, await self._login.send(ApiCall("POST", job_path(job_id) + "/resume")))

    async def stop(self, job_id: str | UUID) -> Job:
        """End a job: what is complete stays, and stays paid; what is held for the rest goes back.

        What was delivered and is being checked is paid if it is right; until then the job is
        ``PAUSED``, as it was ``stopped``.
        Conflict: it has ended by itself.
        """
        return read(Job, await self._login.send(ApiCall("POST", job_path(job_id) + "/stop")))

    async def change(
        self,
        job_id: str | UUID,
        *,
        priority: Priority | None = None,
        max_credits: str | None = None,
        uncapped: bool = False,
    ) -> Job:
        """Another priority, another cap, or both; ``uncapped``: it has no cap any more.

        ValueError: neither is given. Conflict: it has ended, or more than ``max_credits`` is spent
        or at work already.
        """
        if uncapped and max_credits is not None:
            raise ValueError("give max_credits or uncapped")
        wish = {"priority": priority, "max_credits": max_credits}
        said = {name: value for name, value in wish.items() if value is not None}
        body: dict[str, str | None] = {**said, **({"max_credits": None} if uncapped else {})}
        if not body:
            raise ValueError("name priority, max_credits, or both")
        return read(Job, await self._login.send(ApiCall("PATCH", job_path(job_id), body)))

    async def video(
        self,
        job_id: str | UUID,
        *,
        container: Container = "MP4",
        fps: float | str | None = None,
        idempotency_key: str | None = None,
    ) -> Placed:
        """Have a video made of the frames of a job that has ended; ``download`` gives that of it.

        The rate is the scene's own unless ``fps`` says another: 24, 23.976 or "24000/1001".
        FrameRateError (a ValueError): it is none. Conflict: it has not ended, or has no frames.
        """
        body: dict[str, Any] = {"container": container}
        if fps is not None:
            rate = frame_rate.parse(str(fps))
            body |= (
                {"fps": rate.fps} if rate.base == 1 else {"fps": rate.fps, "fps_base": rate.base}
            )
        return read(Placed, await self._once(f"{job_path(job_id)}/video", body, idempotency_key))

    async def download_unit(
        self,
        job_id: str | UUID,
        number: int,
        path: Path | str,
        *,
        stem: str | None = None,
        progress: Progress = unheard,
    ) -> Path:
        """Fetch what one unit made, as ``download`` does; of a chunk of frames that is a zip.

        NotReady: it is not complete.
        """

        async def where() -> ResultUrl:
            return where_of(job_id, await self.unit(job_id, number))

        name = stem or f"{job_id}-{number}"
        return await fetch(self._transport, where, Path(path), stem=name, progress=progress)

    async def archive(self, job_id: str | UUID) -> ResultUrl:
        """Where a zip of all that is complete can be fetched, once the job has ended, well or not.

        It holds frames, and in ``tiles/`` those of frames that are not complete. Conflict: it has
        not ended, or is of one unit. NotFound: nothing of it is complete.
        """
        return read(ResultUrl, await self._get(job_path(job_id) + "/archive"))

    async def download_archive(
        self,
        job_id: str | UUID,
        path: Path | str,
        *,
        stem: str | None = None,
        progress: Progress = unheard,
    ) -> Path:
        """Fetch the same, as ``download`` does."""
        return await fetch(
            self._transport,
            lambda: self.archive(job_id),
            Path(path),
            stem=stem or str(job_id),
            progress=progress,
        )

    async def evidence(self, job_id: str | UUID, number: int = 0) -> ResultUrl:
        """Where all passes of a frame lie, as they were rendered: what its check goes by.

        NotFound: nothing lies beside the unit's result, as it was not to be checked.
        """
        found = await self._get(f"{job_path(job_id)}/units/{number}/evidence")
        return read(ResultUrl, found)

    async def download_evidence(
        self,
        job_id: str | UUID,
        path: Path | str,
        *,
        unit: int = 0,
        progress: Progress = unheard,
    ) -> Path:
        """Fetch the same, as ``download`` does; a layered OpenEXR file."""
        stem = f"{job_id}-{unit}-evidence"
        return await fetch(
            self._transport,
            lambda: self.evidence(job_id, unit),
            Path(path),
            stem=stem,
            progress=progress,
        )

    async def manifest(self, job_id: str | UUID) -> ResultUrl:
        """Where the list of a job's files lies, which its receipts name by its SHA-256.

        NotFound: its scene was sent alone, or the list is not kept any more.
        """
        return read(ResultUrl, await self._get(job_path(job_id) + "/manifest"))

    async def download_manifest(self, job_id: str | UUID, path: Path | str) -> Path:
        """Fetch the same, as ``download`` does; JSON."""
        stem = f"{job_id}-files"
        return await fetch(self._transport, lambda: self.manifest(job_id), Path(path), stem=stem)

    async def download_frames(
        self,
        job_id: str | UUID,
        folder: Path | str,
        *,
        frames: str | None = None,
        stem: str = "frame",
        tiles: bool = False,
        progress: Progress = unheard,
    ) -> FrameFiles:
        """Fetch every frame that is complete to ``folder``, as ``frame-0001.png`` and so on.

        In a ``stem`` with ``#`` these are the digits, as in Blender: ``shot_####`` gives
        ``shot_0001.png``, ``####`` alone ``0001.png``.

        ``frames`` (``1-10,20``) asks for some of them. Those that are in the folder from before are
        not fetched again, so this may be called as often as there is something new; chunks are
        taken apart. ``tiles``: those of frames that are not complete, too, as
        ``tiles/frame-0001-0.exr``. ``progress`` counts the bytes of all of them together.
        FrameRangeError: ``frames`` cannot be read. OSError and TransferFailed as ``download``.
        """

        async def where(number: int) -> ResultUrl:
            return where_of(job_id, await self.unit(job_id, number))

        found = [unit async for unit in self.each_unit(job_id)]
        asked = None if frames is None else frozenset(frame_range.parse(frames))
        work = FrameDownloads(
            self._transport, where, Path(folder), stem, progress, asked, with_tiles=tiles
        )
        return await work.fetched(found)


def where_of(job_id: str | UUID, unit: Unit) -> ResultUrl:
    """Where what it made can be fetched; NotReady where there is nothing."""
    if unit.download_url is None:
        raise NotReady(str(job_id), unit.number, unit.state)
    return ResultUrl(str(job_id), unit.download_url, 3600, unit.size, unit.sha256)


def order_of(
    job_type: str, payload_ref: str | None, params: Mapping[str, Any] | None, manifest: str | None
) -> dict[str, Any]:
    """What is to be done, as the gateway takes it; what is not given is not said."""
    said = {"payload_ref": payload_ref, "params": dict(params or {}) or None, "manifest": manifest}
    return {"job_type": job_type, **{name: value for name, value in said.items() if value}}


def cut_of(
    frames: str | None, chunk: int | None, tiles: str | None, order: str | None, **more: str | None
) -> dict[str, Any]:
    """How it is cut, and what else is asked for; what is not given is not said."""
    said: dict[str, Any] = {"frames": frames, "chunk": chunk, "tiles": tiles, "order": order}
    return {name: value for name, value in {**said, **more}.items() if value is not None}


def place_of(pool: str | None, needs: Needs | None) -> dict[str, Any]:
    """Where it may be done; what is not given is not said."""
    said = {"pool": pool, "needs": None if needs is None else dict(needs)}
    return {name: value for name, value in said.items() if value is not None}


def job_path(job_id: str | UUID) -> str:
    """Of a job; ValueError where the id is none."""
    return f"{JOBS}/{UUID(str(job_id))}"
