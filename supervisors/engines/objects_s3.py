"""The Objects port over S3: URLs are signed here, other calls go through aiobotocore."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

import aiohttp

from actors.ports import (
    ObjectInfo,
    ObjectMissing,
    ObjectsUnavailable,
    ObjectTooLarge,
    Part,
    PartsRefused,
    PresignedPut,
)
from supervisors.engines.current_endpoint import CurrentEndpoint, NotStarted
from supervisors.engines.objects_endpoint import ObjectsEndpoint
from supervisors.engines.seaweedfs import answers

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client
    from types_aiobotocore_s3.type_defs import CompletedPartTypeDef

    from supervisors.engines.s3_signing import Presigner

CALL_SECONDS = 60.0
MISSING = frozenset({"404", "NoSuchKey", "NoSuchUpload", "NotFound"})
PARTS_REFUSED = frozenset(
    {"BadDigest", "EntityTooSmall", "InvalidPart", "InvalidPartOrder", "InvalidRequest"}
)


class S3Objects:
    """The Objects port over the store at ``endpoint``, which may change.

    Call ``aclose`` on the loop that used the object.

    ``public_url``: scheme and host of URLs for clients, if clients reach the store by another name
    than the gateway does. An example is a store behind the gateway, which keeps the Host header.
    ``public_url`` may be a function, as the gateway's port is only known once the gateway listens.
    """

    def __init__(
        self,
        endpoint: CurrentEndpoint[ObjectsEndpoint],
        public_url: str | Callable[[], str] | None = None,
    ) -> None:
        self._current = endpoint
        self._public_url = public_url
        self._opened: tuple[ObjectsEndpoint, S3Client] | None = None
        self._signer: tuple[ObjectsEndpoint, Presigner] | None = None
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()

    async def presign_get(
        self,
        key: str,
        *,
        within: int = 3600,
        bucket: str | None = None,
        base: str | None = None,
        name: str | None = None,
    ) -> str:
        presigner = await self._presigner(base)
        return presigner.get(key, within=within, bucket=bucket, name=name)

    async def presign_put(
        self,
        key: str,
        *,
        within: int = 3600,
        size: int | None = None,
        sha256: bytes | None = None,
        once: bool = True,
        base: str | None = None,
    ) -> PresignedPut:
        presigner = await self._presigner(base)
        return presigner.put(key, within=within, size=size, sha256=sha256, once=once)

    async def head(self, key: str) -> ObjectInfo | None:
        try:
            async with self._call() as (s3, bucket):
                found = await s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        except ObjectMissing:
            return None
        sha256, parts_sha256 = checksums(found.get("ChecksumSHA256"))
        encoding = found.get("ContentEncoding") or None
        return ObjectInfo(key, found["ContentLength"], sha256, parts_sha256, encoding)

    async def put(self, key: str, data: bytes) -> None:
        checksum = encoded(hashlib.sha256(data).digest())
        async with self._call() as (s3, bucket):
            await s3.put_object(Bucket=bucket, Key=key, Body=data, ChecksumSHA256=checksum)

    async def get(self, key: str, *, at_most: int = 64 * 1024 * 1024) -> bytes:
        async with self._call() as (s3, bucket):
            answer = await s3.get_object(Bucket=bucket, Key=key)
            async with answer["Body"] as body:
                if answer["ContentLength"] > at_most:
                    raise ObjectTooLarge(f"{answer['ContentLength']} bytes, more than {at_most}")
                return await body.read()

    async def piece(self, key: str, start: int, size: int) -> bytes:
        async with self._call() as (s3, bucket):
            wanted = f"bytes={start}-{start + size - 1}"
            answer = await s3.get_object(Bucket=bucket, Key=key, Range=wanted)
            async with answer["Body"] as body:
                if answer["ContentLength"] > size:
                    raise ObjectsUnavailable("the object store ignored the requested range")
                return await body.read()

    async def delete(self, key: str) -> None:
        async with self._call() as (s3, bucket):
            await s3.delete_object(Bucket=bucket, Key=key)

    async def begin_multipart(self, key: str) -> str:
        async with self._call() as (s3, bucket):
            begun = await s3.create_multipart_upload(
                Bucket=bucket, Key=key, ChecksumAlgorithm="SHA256", ChecksumType="COMPOSITE"
            )
            return begun["UploadId"]

    async def presign_part(
        self,
        key: str,
        multipart: str,
        number: int,
        *,
        size: int,
        sha256: bytes,
        within: int = 3600,
        base: str | None = None,
    ) -> PresignedPut:
        presigner = await self._presigner(base)
        return presigner.part(key, multipart, number, within=within, size=size, sha256=sha256)

    async def parts_of(self, key: str, multipart: str) -> Sequence[Part]:
        parts: list[Part] = []
        async with self._call() as (s3, bucket):
            pages = s3.get_paginator("list_parts")
            async for page in pages.paginate(Bucket=bucket, Key=key, UploadId=multipart):
                parts += [
                    Part(part.get("PartNumber", 0), part.get("Size", 0), part.get("ETag", ""))
                    for part in page.get("Parts", ())
                ]
        return parts

    async def complete_multipart(self, key: str, multipart: str, parts: Sequence[Part]) -> None:
        async with self._call() as (s3, bucket):
            await s3.complete_multipart_upload(
                Bucket=bucket,
                Key=key,
                UploadId=multipart,
                MultipartUpload={"Parts": [described(part) for part in parts]},
            )

    async def abort_multipart(self, key: str, multipart: str) -> None:
        with suppress(ObjectMissing):
            async with self._call() as (s3, bucket):
                await s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=multipart)

    async def check(self) -> None:
        if not await answers(self._endpoint()):
            raise ObjectsUnavailable("the object store does not answer a signed request")

    async def aclose(self) -> None:
        """Close the connections. The object can be used again."""
        async with self._opening:
            self._opened = None
            await self._stack.aclose()

    def _endpoint(self) -> ObjectsEndpoint:
        try:
            return self._current.get()
        except NotStarted as reason:
            raise ObjectsUnavailable(str(reason)) from None

    async def _presigner(self, base: str | None) -> "Presigner":
        endpoint = self._endpoint()
        if self._signer is None or self._signer[0] != endpoint:
            module: Any = await asyncio.to_thread(import_module, "supervisors.engines.s3_signing")
            given = self._public_url
            usual = (given() if callable(given) else given) or endpoint.url
            self._signer = endpoint, module.Presigner(endpoint, usual)
        usual_signer = self._signer[1]
        return usual_signer if base is None else usual_signer.at(base)

    @asynccontextmanager
    async def _call(self) -> "AsyncGenerator[tuple[S3Client, str]]":
        """Make one call of the store with a deadline; failures become the port's errors."""
        endpoint = self._endpoint()
        errors: Any = await asyncio.to_thread(import_module, "botocore.exceptions")
        try:
            async with asyncio.timeout(CALL_SECONDS):
                yield await self._client(endpoint), endpoint.bucket
        except errors.ClientError as error:
            raise translated(error.response, error.operation_name) from error
        except (errors.BotoCoreError, aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ObjectsUnavailable(type(error).__name__) from error

    async def _client(self, endpoint: ObjectsEndpoint) -> "S3Client":
        async with self._opening:
            if self._opened is None or self._opened[0] != endpoint:
                await self._stack.aclose()
                module: Any = await asyncio.to_thread(
                    import_module, "supervisors.engines.s3_client"
                )
                session = await asyncio.to_thread(module.load_session)
                client = await module.open_client(session, endpoint, self._stack)
                self._opened = endpoint, client
            return self._opened[1]


def encoded(sha256: bytes) -> str:
    """Encode a checksum as S3 does."""
    return base64.b64encode(sha256).decode("ascii")


def checksums(found: str | None) -> tuple[bytes | None, bytes | None]:
    """Decode an object's SHA-256, or the SHA-256 over its parts, which ends with the number of
    parts.
    """
    whole, dash, _ = (found or "").partition("-")
    sha256 = base64.b64decode(whole) or None
    return (None, sha256) if dash else (sha256, None)


def described(part: Part) -> "CompletedPartTypeDef":
    """Describe a part for the completion of its upload."""
    assert part.sha256 is not None, part.number
    return {"PartNumber": part.number, "ETag": part.tag, "ChecksumSHA256": encoded(part.sha256)}


def translated(response: Any, operation: str) -> Exception:
    """Return the port's error for an S3 error."""
    code = str(response.get("Error", {}).get("Code", ""))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if code in MISSING:
        return ObjectMissing(code)
    if operation == "CompleteMultipartUpload" and code in PARTS_REFUSED:
        return PartsRefused(code)
    return ObjectsUnavailable(f"the object store answered {status} {code}")
