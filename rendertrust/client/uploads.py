"""Sending a file: announced by its hash, put into the store by a presigned URL, confirmed."""

from pathlib import Path
from typing import Final

import aiohttp
import attrs

from rendertrust.client.answers import PutUrl, Upload
from rendertrust.client.content import Progress, Source, opened, unheard
from rendertrust.client.errors import Conflict, NoAnswer, TransferFailed
from rendertrust.client.login import Login
from rendertrust.client.reading import read
from rendertrust.client.transport import CONTENT_TIMEOUT, Call, Transport, unanswered

FILENAME_MAX: Final = 255


@attrs.frozen
class Uploads:
    """Uploads of whoever is logged in."""

    login: Login

    async def send(self, path: Path, progress: Progress = unheard) -> Upload:
        """The file's upload, complete; nothing is sent when the gateway has the content already.

        A cut connection or an expired URL begins again with a fresh one, a bounded number of times.
        """
        transport = self.login.transport
        with opened(path) as source:
            sha256 = await source.sha256()
            for delay in transport.retries.delays():
                try:
                    return await self._attempt(source, sha256, progress)
                except (NoAnswer, TransferFailed, Conflict) as error:
                    if source.changed:
                        raise source.fault() from error
                    if not passing(error):
                        raise
                await transport.sleep(delay)
            return await self._attempt(source, sha256, progress)

    async def _attempt(self, source: Source, sha256: str, progress: Progress) -> Upload:
        upload = await self.announce(sha256, source.size, source.name)
        if upload.put is None:
            return upload
        await put(self.login.transport, upload.put, source, progress)
        if source.changed:
            raise source.fault()
        return await self.complete(upload.id)

    async def announce(self, sha256: str, size: int, filename: str) -> Upload:
        """Tell the gateway what will come; ``put`` says where to, or None when it is there."""
        body = {"sha256": sha256, "size": size, "filename": filename[-FILENAME_MAX:]}
        return read(Upload, await self.login.send(Call("POST", "/api/v1/uploads", body)))

    async def complete(self, upload_id: str) -> Upload:
        """Tell the gateway that the content is in the store; it looks."""
        return read(
            Upload, await self.login.send(Call("POST", f"/api/v1/uploads/{upload_id}/complete"))
        )


def passing(error: Exception) -> bool:
    """Whether a fresh URL and another try may help.

    403: the URL ran out; 409: the store has not seen the content yet.
    """
    if not isinstance(error, TransferFailed):
        return True
    return error.status is None or error.status in (403, 408, 429) or error.status >= 500


async def put(transport: Transport, where: PutUrl, source: Source, progress: Progress) -> None:
    """PUT the content with exactly the headers that were signed."""
    headers = {"Content-Length": str(source.size), **where.headers}
    try:
        async with transport.session().put(
            where.url,
            data=source.chunks(progress),
            headers=headers,
            timeout=CONTENT_TIMEOUT,
            allow_redirects=False,
        ) as answer:
            if answer.status >= 300:
                raise TransferFailed(
                    f"The object store refused the content ({answer.status})", answer.status
                )
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise unanswered("the object store", error) from error
