"""Uploads of files: announce the hash, PUT the content to presigned URLs, confirm."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import aiohttp
import attrs

from rendertrust.api.uploads import Parts, PartUrls, PutUrl, Upload
from rendertrust.client.errors import BadAnswer, Conflict, NoAnswer, TransferFailed
from rendertrust.client.local_files import ByteRange, Progress, SourceFile, opened, unheard
from rendertrust.client.login import Login
from rendertrust.client.paths import UPLOADS
from rendertrust.client.response_decoder import read
from rendertrust.client.transport import CONTENT_TIMEOUT, ApiCall, Transport, unanswered
from rendertrust.write_timeout import WriteTimeout

TAKEN_SECONDS: Final = 120.0  # timeout for the object store to accept a chunk
FILENAME_MAX: Final = 255


@attrs.frozen
class Uploads:
    """Uploads of files by the user who is logged in."""

    login: Login

    async def send(self, path: Path, progress: Progress = unheard) -> Upload:
        """Upload a file, unless the gateway already has its content.

        After a lost connection or an expired URL, the upload is tried again with a fresh URL, a
        bounded number of times in a row. An upload in parts continues with the missing parts.
        """
        transport = self.login.transport
        with opened(path) as source:
            sending = FileUpload(self, source, await source.sha256(), progress)
            delays = transport.retries.delays()
            while True:
                put = sending.parts_put
                try:
                    return await sending.attempt()
                except (NoAnswer, TransferFailed, Conflict) as error:
                    if source.changed:
                        raise source.fault() from error
                    if sending.parts_put > put:
                        delays = transport.retries.delays()  # the try made progress
                    delay = next(delays, None)
                    if delay is None or not passing(error):
                        raise
                await transport.sleep(delay)

    async def announce(self, sha256: str, size: int, filename: str) -> Upload:
        """Announce content. The reply has URLs, or says that the content is complete."""
        body = {"sha256": sha256, "size": size, "filename": filename[-FILENAME_MAX:]}
        return read(Upload, await self.login.send(ApiCall("POST", UPLOADS, body)))

    async def part(self, upload_id: str, number: int, sha256: str) -> PutUrl:
        body = {"parts": [{"number": number, "sha256": sha256}]}
        call = ApiCall("POST", f"{UPLOADS}/{upload_id}/parts", body)
        found = read(PartUrls, await self.login.send(call))
        for part in found.parts:
            if part.number == number:
                return PutUrl(part.url, part.headers, found.expires_in)
        raise BadAnswer(f"The answer has no URL for part {number}")

    async def complete(self, upload_id: str, parts: Sequence[str] = ()) -> Upload:
        """Let the gateway verify the content in the object store.

        ``parts``: SHA-256 of each part.
        """
        body = {"parts": list(parts)} if parts else None
        call = ApiCall("POST", f"{UPLOADS}/{upload_id}/complete", body)
        return read(Upload, await self.login.send(call))


@attrs.define
class FileUpload:
    """An upload of one file. ``parts_put``: the number of parts sent in all attempts."""

    uploads: Uploads
    source: SourceFile
    sha256: str
    progress: Progress
    parts_put: int = 0
    _digests: dict[int, str] = attrs.field(factory=dict[int, str])

    async def attempt(self) -> Upload:
        """Send the content or the missing parts, and confirm the upload."""
        source = self.source
        upload = await self.uploads.announce(self.sha256, source.size, source.name)
        digests: Sequence[str] = ()
        if upload.parts is not None:
            digests = await self._put_parts(upload.id, checked(upload.parts, source.size))
        elif upload.put is not None:
            await put(self._transport, upload.put, source, self.progress)
        else:
            return upload
        if source.changed:
            raise source.fault()
        return await self.uploads.complete(upload.id, digests)

    @property
    def _transport(self) -> Transport:
        return self.uploads.login.transport

    async def _put_parts(self, upload_id: str, parts: Parts) -> list[str]:
        """Send the missing parts, and return the SHA-256 of each part."""
        digests: list[str] = []
        for number in range(1, parts.count + 1):
            start = (number - 1) * parts.size
            stretch = self.source.stretch(start, min(parts.size, self.source.size - start))
            digest = self._digests.get(number) or await stretch.sha256()
            self._digests[number] = digest
            digests.append(digest)
            if not parts.has(number):
                await self._put_part(upload_id, number, digest, stretch)
            if self.source.changed:
                raise self.source.fault()
        return digests

    async def _put_part(self, upload_id: str, number: int, digest: str, part: ByteRange) -> None:
        where = await self.uploads.part(upload_id, number, digest)
        try:
            await put(self._transport, where, part, self.progress)
        except TransferFailed as error:
            if error.status != 404:
                raise
            # The object store removes parts after a day. The gateway then starts a new multipart
            # upload.
            raise TransferFailed(
                "The object store has removed the uploaded parts. Upload the file again"
            ) from error
        self.parts_put += 1


def checked(parts: Parts, size: int) -> Parts:
    """Return the parts. Raises BadAnswer if the parts do not add up to ``size`` bytes."""
    if parts.size < 1 or parts.count != -(-size // parts.size):
        raise BadAnswer(f"{parts.count} parts of {parts.size} bytes do not make up {size} bytes")
    return parts


def passing(error: Exception) -> bool:
    """Return True if another try with a fresh URL may succeed.

    The object store answers 403 when a URL has expired. The gateway's Conflict means that the
    content is not visible in the object store yet.
    """
    if not isinstance(error, TransferFailed):
        return True
    return error.status is None or error.status in (403, 408, 429) or error.status >= 500


async def put(
    transport: Transport, where: PutUrl, content: SourceFile | ByteRange, progress: Progress
) -> None:
    """PUT the content with exactly the headers that were signed."""
    headers = {"Content-Length": str(content.size), **where.headers}
    taking = WriteTimeout(TAKEN_SECONDS)
    try:
        async with (
            taking.in_time(),
            transport.session().put(
                where.url,
                data=taking.of(content.chunks(progress)),
                headers=headers,
                timeout=CONTENT_TIMEOUT,
                allow_redirects=False,
            ) as answer,
        ):
            if answer.status >= 300:
                raise TransferFailed(
                    f"The object store refused the content ({answer.status})", answer.status
                )
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise unanswered("the object store", error) from error
