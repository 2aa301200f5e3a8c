"""Jobs of many units, for programs without asyncio."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from rendertrust.api.jobs import Job, Placed, ResultUrl
from rendertrust.api.units import Quote, Unit, Units
from rendertrust.client.async_client import (
    AsyncClient,
    Container,
    Needs,
    Order,
    Pool,
    Priority,
)
from rendertrust.client.content import Progress, unheard
from rendertrust.client.frame_downloads import FrameFiles
from rendertrust.client.loop_thread import LoopThread


class SyncUnitsApi:
    """A part of ``Client``."""

    _client: AsyncClient
    _bridge: LoopThread

    def quote(
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
        """What ``dispatch`` of the same would cost and hold."""
        return self._bridge.run(
            self._client.quote(
                job_type,
                payload_ref,
                params,
                manifest=manifest,
                frames=frames,
                chunk=chunk,
                tiles=tiles,
                order=order,
                priority=priority,
                max_credits=max_credits,
                pool=pool,
                needs=needs,
                as_is=as_is,
            )
        )

    def units(self, job_id: str | UUID, *, limit: int = 50, after: int = -1) -> Units:
        """A page of what a job consists of."""
        return self._bridge.run(self._client.units(job_id, limit=limit, after=after))

    def each_unit(self, job_id: str | UUID) -> Iterator[Unit]:
        """All of them, by number, page after page."""
        return self._bridge.each(self._client.each_unit(job_id))

    def unit(self, job_id: str | UUID, number: int) -> Unit:
        """One of them."""
        return self._bridge.run(self._client.unit(job_id, number))

    def retry_unit(self, job_id: str | UUID, number: int) -> Unit:
        """Do a unit again that failed."""
        return self._bridge.run(self._client.retry_unit(job_id, number))

    def pause(self, job_id: str | UUID) -> Job:
        """Begin nothing more of a job."""
        return self._bridge.run(self._client.pause(job_id))

    def resume(self, job_id: str | UUID) -> Job:
        """Go on with a job that was paused."""
        return self._bridge.run(self._client.resume(job_id))

    def stop(self, job_id: str | UUID) -> Job:
        """End a job, and keep what is complete."""
        return self._bridge.run(self._client.stop(job_id))

    def change(
        self,
        job_id: str | UUID,
        *,
        priority: Priority | None = None,
        max_credits: str | None = None,
        uncapped: bool = False,
    ) -> Job:
        """Another priority, another cap or none, or both."""
        return self._bridge.run(
            self._client.change(
                job_id, priority=priority, max_credits=max_credits, uncapped=uncapped
            )
        )

    def video(
        self,
        job_id: str | UUID,
        *,
        container: Container = "MP4",
        fps: float | str | None = None,
        idempotency_key: str | None = None,
    ) -> Placed:
        """Have a video made of the frames of a job that has ended."""
        return self._bridge.run(
            self._client.video(
                job_id, container=container, fps=fps, idempotency_key=idempotency_key
            )
        )

    def download_unit(
        self,
        job_id: str | UUID,
        number: int,
        path: Path | str,
        *,
        stem: str | None = None,
        progress: Progress = unheard,
    ) -> Path:
        """Fetch what one unit made."""
        return self._bridge.run(
            self._client.download_unit(job_id, number, path, stem=stem, progress=progress)
        )

    def archive(self, job_id: str | UUID) -> ResultUrl:
        """Where a zip of all that is complete can be fetched, once the job has ended."""
        return self._bridge.run(self._client.archive(job_id))

    def download_archive(
        self,
        job_id: str | UUID,
        path: Path | str,
        *,
        stem: str | None = None,
        progress: Progress = unheard,
    ) -> Path:
        """Fetch the same."""
        return self._bridge.run(
            self._client.download_archive(job_id, path, stem=stem, progress=progress)
        )

    def evidence(self, job_id: str | UUID, number: int = 0) -> ResultUrl:
        """Where all passes of a frame lie, as they were rendered: what its check goes by."""
        return self._bridge.run(self._client.evidence(job_id, number))

    def download_evidence(
        self,
        job_id: str | UUID,
        path: Path | str,
        *,
        unit: int = 0,
        progress: Progress = unheard,
    ) -> Path:
        """Fetch the same."""
        return self._bridge.run(
            self._client.download_evidence(job_id, path, unit=unit, progress=progress)
        )

    def manifest(self, job_id: str | UUID) -> ResultUrl:
        """Where the list of a job's files lies, which its receipts name by its SHA-256."""
        return self._bridge.run(self._client.manifest(job_id))

    def download_manifest(self, job_id: str | UUID, path: Path | str) -> Path:
        """Fetch the same; JSON."""
        return self._bridge.run(self._client.download_manifest(job_id, path))

    def download_frames(
        self,
        job_id: str | UUID,
        folder: Path | str,
        *,
        frames: str | None = None,
        stem: str = "frame",
        tiles: bool = False,
        progress: Progress = unheard,
    ) -> FrameFiles:
        """Fetch every frame that is complete to ``folder``."""
        return self._bridge.run(
            self._client.download_frames(
                job_id, folder, frames=frames, stem=stem, tiles=tiles, progress=progress
            )
        )
