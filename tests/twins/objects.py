"""In-memory object store, which also answers presigned requests."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from attrs import field, frozen

from actors.ports import (
    ObjectInfo,
    ObjectMissing,
    ObjectsUnavailable,
    ObjectTooLarge,
    Part,
    PresignedPut,
)
from rendertrust.file_types import attachment
from supervisors.engines.s3_signing import DISPOSITION
from tests.twins.multiparts import Multiparts

NOTHING: Mapping[str, str] = {}


@frozen
class Answer:
    """The answer that an HTTP client would get."""

    status: int
    body: bytes = field(default=b"", repr=False)


@frozen
class _Stored:
    data: bytes
    sha256: bytes | None
    parts_sha256: bytes | None = None
    encoding: str | None = None


class TwinObjects:
    """An object store; while it is ``away``, all methods but presigning raise ObjectsUnavailable.

    ``request`` is an HTTP client's request, which gets 503 meanwhile. ``now`` returns the time by
    which URLs expire. Objects under ``broken`` keys exist, but ``piece`` cannot read them.
    """

    def __init__(self, now: Callable[[], float], *, secret: bytes = b"twin") -> None:
        self.away = False
        self.broken: set[str] = set()
        # While the event is not set, calls wait; presigning and ``request`` do not.
        self.open = asyncio.Event()
        self.open.set()
        self._now = now
        self._secret = secret
        self._objects: dict[str, _Stored] = {}
        self.multiparts = Multiparts()

    async def presign_get(
        self,
        key: str,
        *,
        within: int = 3600,
        bucket: str | None = None,
        base: str | None = None,
        name: str | None = None,
    ) -> str:
        path = key if bucket is None else f"//{bucket}/{key}"
        told = {} if name is None else {DISPOSITION: attachment(name)}
        return _at(base, self._sign("GET", path, {}, within, told))

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
        headers = {"If-None-Match": "*"} if once else {}
        headers |= _content(size, sha256)
        url = _at(base, self._sign("PUT", key, headers, within))
        return PresignedPut(url=url, headers=headers)

    async def head(self, key: str) -> ObjectInfo | None:
        await self.check()
        stored = self._objects.get(key)
        if stored is None:
            return None
        return ObjectInfo(
            key, len(stored.data), stored.sha256, stored.parts_sha256, stored.encoding
        )

    async def put(self, key: str, data: bytes) -> None:
        await self.check()
        self._objects[key] = _Stored(data, hashlib.sha256(data).digest())

    async def get(self, key: str, *, at_most: int = 64 * 1024 * 1024) -> bytes:
        await self.check()
        if key not in self._objects:
            raise ObjectMissing(key)
        data = self._objects[key].data
        if len(data) > at_most:
            raise ObjectTooLarge(f"{len(data)} bytes, more than {at_most}")
        return data

    async def piece(self, key: str, start: int, size: int) -> bytes:
        await self.check()
        if key not in self._objects:
            raise ObjectMissing(key)
        if key in self.broken:
            raise ObjectsUnavailable("broken")
        return self._objects[key].data[start : start + size]

    async def delete(self, key: str) -> None:
        await self.check()
        self._objects.pop(key, None)

    async def begin_multipart(self, key: str) -> str:
        await self.check()
        return self.multiparts.begin(key)

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
        headers = _content(size, sha256)
        of = {"partNumber": str(number), "uploadId": multipart}
        url = _at(base, self._sign("PUT", key, headers, within, of))
        return PresignedPut(url=url, headers=headers)

    async def parts_of(self, key: str, multipart: str) -> Sequence[Part]:
        await self.check()
        return self.multiparts.parts_of(key, multipart)

    async def complete_multipart(self, key: str, multipart: str, parts: Sequence[Part]) -> None:
        await self.check()
        data, parts_sha256 = self.multiparts.complete(key, multipart, parts)
        self._objects[key] = _Stored(data, None, parts_sha256)

    async def abort_multipart(self, key: str, multipart: str) -> None:
        await self.check()
        self.multiparts.abort(key, multipart)

    async def check(self) -> None:
        await self.open.wait()
        if self.away:
            raise ObjectsUnavailable("away")

    async def request(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """Return the store's answer to a request with this URL; 503 while the store is away."""
        if self.away:
            return Answer(503)
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        sent.setdefault("content-length", str(len(body)))
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        key = unquote(parts.path.removeprefix("/twin/"))
        if not self._genuine(method, key, query, sent):
            return Answer(403)
        if method == "GET":
            return self._read(key)
        if "uploadId" in query:
            return self._write_part(key, query, sent, body)
        return self._write(key, sent, body)

    def _read(self, key: str) -> Answer:
        stored = self._objects.get(key)
        return Answer(200, stored.data) if stored else Answer(404)

    def _write(self, key: str, sent: Mapping[str, str], body: bytes) -> Answer:
        if sent.get("if-none-match") == "*" and key in self._objects:
            return Answer(412)
        sha256 = hashlib.sha256(body).digest()
        if _claimed(sent) not in (None, sha256):
            return Answer(400)
        encoding = sent.get("content-encoding") or None
        self._objects[key] = _Stored(body, _claimed(sent), encoding=encoding)
        return Answer(200)

    def _write_part(
        self, key: str, query: Mapping[str, str], sent: Mapping[str, str], body: bytes
    ) -> Answer:
        if _claimed(sent) != hashlib.sha256(body).digest():
            return Answer(400)
        put = self.multiparts.put(key, query["uploadId"], int(query["partNumber"]), body)
        return Answer(200 if put else 404)

    def _sign(
        self,
        method: str,
        key: str,
        headers: Mapping[str, str],
        within: int,
        more: Mapping[str, str] = NOTHING,
    ) -> str:
        signed = ";".join(sorted(name.lower() for name in headers))
        query = {"until": str(self._now() + within), "signed": signed, **more}
        lower = {name.lower(): value for name, value in headers.items()}
        query["signature"] = self._signature(method, key, query, lower)
        return f"http://twin/twin/{quote(key)}?{urlencode(query)}"

    def _genuine(
        self, method: str, key: str, query: Mapping[str, str], sent: Mapping[str, str]
    ) -> bool:
        wanted = self._signature(method, key, query, sent)
        genuine = hmac.compare_digest(wanted, query.get("signature", ""))
        return genuine and self._now() < float(query["until"])

    def _signature(
        self, method: str, key: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> str:
        names = [name for name in query.get("signed", "").split(";") if name]
        lines = [method, key]
        lines += [f"{n}={v}" for n, v in sorted(query.items()) if v and n != "signature"]
        lines += [f"{name}={headers.get(name, '')}" for name in names]
        return hmac.new(self._secret, "\n".join(lines).encode(), hashlib.sha256).hexdigest()


def _at(base: str | None, url: str) -> str:
    """Return the URL at another, unsigned host; raise ValueError if ``base`` is no URL."""
    if base is None:
        return url
    assert urlsplit(base).port != 0, "reading an impossible port raises ValueError"
    return base + url.removeprefix("http://twin")


def _content(size: int | None, sha256: bytes | None) -> dict[str, str]:
    headers: dict[str, str] = {}
    if size is not None:
        headers["Content-Length"] = str(size)
    if sha256 is not None:
        headers["x-amz-checksum-sha256"] = base64.b64encode(sha256).decode()
    return headers


def _claimed(sent: Mapping[str, str]) -> bytes | None:
    """Return the SHA-256 of the body that the request's headers claim."""
    text = sent.get("x-amz-checksum-sha256")
    return None if text is None else base64.b64decode(text)
