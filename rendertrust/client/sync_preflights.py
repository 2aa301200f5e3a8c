"""Scenes before they are rendered, and files that are kept, for programs without asyncio."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from rendertrust.api.preflights import Preflight
from rendertrust.api.uploads import KeptUpload, KeptUploads
from rendertrust.client.async_client import AsyncClient, Pool
from rendertrust.client.loop_thread import LoopThread


class SyncPreflightsApi:
    """A part of ``Client``; methods as AsyncClient's."""

    _client: AsyncClient
    _bridge: LoopThread

    def preflight(
        self,
        payload_ref: str,
        params: Mapping[str, Any] | None = None,
        *,
        manifest: str | None = None,
        frames: str | None = None,
        pool: Pool | None = None,
        again: bool = False,
        within: float | None = None,
    ) -> Preflight:
        """What a node finds in a scene that was uploaded, and how long its frames will take."""
        return self._bridge.run(
            self._client.preflight(
                payload_ref,
                params,
                manifest=manifest,
                frames=frames,
                pool=pool,
                again=again,
                within=within,
            )
        )

    def preview(self, job_id: str | UUID, frame: int | None = None) -> bytes:
        """A small JPEG of a frame of a job, or of what came last."""
        return self._bridge.run(self._client.preview(job_id, frame))

    def uploads(self, *, limit: int = 50, offset: int = 0) -> KeptUploads:
        """What one has sent and is still there, the largest first."""
        return self._bridge.run(self._client.uploads(limit=limit, offset=offset))

    def each_upload(self) -> Iterator[KeptUpload]:
        """All of them, the largest first, page after page."""
        return self._bridge.each(self._client.each_upload())

    def delete_upload(self, upload_id: str | UUID) -> None:
        """Have the gateway remove it."""
        self._bridge.run(self._client.delete_upload(upload_id))
