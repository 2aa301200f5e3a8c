"""Scenes before they are rendered: what is wrong with them; and files that the gateway keeps."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from uuid import UUID

from rendertrust.api.preflights import Preflight
from rendertrust.api.uploads import KeptUpload, KeptUploads
from rendertrust.client.errors import BadAnswer, StillRunning
from rendertrust.client.jobs import JobsApi
from rendertrust.client.pages import window
from rendertrust.client.response_decoder import read
from rendertrust.client.transport import ApiCall
from rendertrust.client.units import JOBS, Pool, job_path, place_of

PREVIEW_BYTES_MAX: Final = 256 * 1024
JPEG: Final = b"\xff\xd8\xff"
_UPLOADS: Final = "/api/v1/uploads"


class PreflightsApi(JobsApi):
    """A part of ``AsyncClient``."""

    async def preflight(
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
        """What a node finds in a scene that was uploaded, and how long its frames will take.

        Nothing is held, and it costs nothing. A node looks once for each content (``again``: once
        more), which is waited for; after ``within`` s, 0 for none, the answer is one that is still
        ``PENDING``. RateLimited: nodes looked into enough scenes of yours for this hour.
        """
        body: dict[str, Any] = {"payload_ref": payload_ref, "params": dict(params or {}) or None}
        body |= {"manifest": manifest, "frames": frames} | place_of(pool, None)
        said = {name: value for name, value in body.items() if value is not None}
        found = await self._ask(said | ({"again": True} if again else {}))
        if found.status != "PENDING" or within == 0:
            return found
        try:
            await self.wait(found.job_id, within=within)
        except StillRunning:
            return found
        return await self._ask(said)

    async def _ask(self, body: Mapping[str, Any]) -> Preflight:
        return read(Preflight, await self._login.send(ApiCall("POST", f"{JOBS}/preflight", body)))

    async def preview(self, job_id: str | UUID, frame: int | None = None) -> bytes:
        """A small JPEG of a frame of a job, or of what came last, as its node shows it.

        NotFound: there is none (yet). BadAnswer: it is no small JPEG.
        """
        query = {} if frame is None else {"frame": str(frame)}
        picture = b""
        async for part in self._login.stream(
            ApiCall("GET", job_path(job_id) + "/preview", query=query)
        ):
            picture += part
            if len(picture) > PREVIEW_BYTES_MAX:
                raise BadAnswer(f"The picture is longer than {PREVIEW_BYTES_MAX} bytes")
        if not picture.startswith(JPEG):
            raise BadAnswer("The answer is no JPEG: is this a RenderTrust gateway?")
        return picture

    async def uploads(self, *, limit: int = 50, offset: int = 0) -> KeptUploads:
        """What one has sent and is still there, the largest first, and how much one may keep."""
        return read(KeptUploads, await self._get(_UPLOADS, window(limit, offset)))

    def each_upload(self) -> AsyncIterator[KeptUpload]:
        """All of them, the largest first, page after page."""
        return self._walk(KeptUploads, _UPLOADS, lambda page: page.uploads)

    async def delete_upload(self, upload_id: str | UUID) -> None:
        """Have the gateway remove it. Conflict: an open job or a dispute needs it."""
        await self._login.send(ApiCall("DELETE", f"{_UPLOADS}/{UUID(str(upload_id))}"))
