"""Presigned URLs with AWS Signature Version 4 in the query; the payload is not signed.

Source: *Authenticating Requests: Using Query Parameters (AWS Signature Version 4)*. Each unit that
is sent to a node needs a URL, and this module takes a third of botocore's time. Tests compare its
URLs with botocore's.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, TypeAlias
from urllib.parse import quote, unquote, unquote_plus, urlsplit

from actors.ports import PresignedPut
from rendertrust.file_types import attachment
from supervisors.engines.objects_endpoint import ObjectsEndpoint

SECONDS_MAX: Final = 86_400
# longest accepted lifetime of a URL: S3's limit, as other programs may sign with the same key
SECONDS_TAKEN_MAX: Final = 7 * 86_400
AHEAD: Final = timedelta(minutes=15)  # how far the signer's clock may be ahead
ALGORITHM: Final = "AWS4-HMAC-SHA256"
TIME_FORMAT: Final = "%Y%m%dT%H%M%SZ"
HOSTS_KEPT: Final = 16  # hosts whose signers are kept
DISPOSITION: Final = "response-content-disposition"  # S3 answers with its value as the header
PORTS: Final = {"http": 80, "https": 443}  # ports that are omitted from Host
Query: TypeAlias = Sequence[tuple[str, str]]


def _now() -> datetime:
    return datetime.now(UTC)


class SigningKey:
    """Computes signatures with the secret key of ``endpoint``."""

    def __init__(self, endpoint: ObjectsEndpoint) -> None:
        self.endpoint: Final = endpoint
        self._key: tuple[str, bytes] = ("", b"")  # a day, and the signing key of that day

    def credential(self, at: str) -> str:
        """Return the value of X-Amz-Credential."""
        return f"{self.endpoint.access_key}/{self._scope(at)}"

    def signature(
        self, method: str, path: str, query: Iterable[str], headers: Query, at: str
    ) -> str:
        """Return the signature of a request that sends ``headers``, in their order.

        ``query``: the escaped parameters, without the signature.
        """
        names = ";".join(name for name, _ in headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers)
        asked = "&".join(sorted(query))
        request = "\n".join((method, path, asked, lines, names, "UNSIGNED-PAYLOAD"))
        digest = hashlib.sha256(request.encode(errors="surrogateescape")).hexdigest()
        said = f"{ALGORITHM}\n{at}\n{self._scope(at)}\n{digest}".encode()
        return hmac.digest(self._key_of(at[:8]), said, "sha256").hex()

    def _scope(self, at: str) -> str:
        return f"{at[:8]}/{self.endpoint.region}/s3/aws4_request"

    def _key_of(self, day: str) -> bytes:
        if self._key[0] != day:
            key = f"AWS4{self.endpoint.secret_key}".encode()
            for word in (day, self.endpoint.region, "s3", "aws4_request"):
                key = hmac.digest(key, word.encode(), "sha256")
            self._key = (day, key)
        return self._key[1]


class SignatureCheck:
    """Checks, as the store does, that URLs in requests were presigned with the gateway's key."""

    def __init__(self, endpoint: ObjectsEndpoint, now: Callable[[], datetime] = _now) -> None:
        self._key = SigningKey(endpoint)
        self._now = now

    @property
    def endpoint(self) -> ObjectsEndpoint:
        return self._key.endpoint

    def admits(self, method: str, target: str, headers: Mapping[str, str]) -> bool:
        """Return True if the signature was made with the gateway's key and has not expired.

        ``target``: path and query as received; ``headers`` is case-insensitive.
        """
        if not target.isascii():
            return False
        path, _, text = target.partition("?")
        pairs = [part.partition("=")[::2] for part in text.split("&")]
        query = {unquote_plus(name): unquote_plus(value) for name, value in pairs}
        signature, at = query.pop("X-Amz-Signature", ""), query.get("X-Amz-Date", "")
        if len(query) + 1 != len(pairs) or not self._is_current(at, query.get("X-Amz-Expires", "")):
            return False
        names = query.get("X-Amz-SignedHeaders", "").split(";")
        found = [(name, " ".join(headers.get(name, "").split())) for name in names]
        if "host" not in names or query.get("X-Amz-Credential") != self._key.credential(at):
            return False
        path = _quoted(unquote(path))
        made = self._key.signature(method, path, _parameters(query.items()), found, at)
        return hmac.compare_digest(made.encode(), signature.encode(errors="replace"))

    def _is_current(self, at: str, within: str) -> bool:
        try:
            begin = datetime.strptime(at, TIME_FORMAT).replace(tzinfo=UTC)
            end = begin + timedelta(seconds=min(int(within), SECONDS_TAKEN_MAX))
        except (ValueError, OverflowError):
            return False
        now = self._now()
        return begin <= now + AHEAD and now <= end


class Presigner:
    """Signs URLs for the host in ``base``, which clients must send as Host."""

    def __init__(
        self,
        endpoint: ObjectsEndpoint,
        base: str,
        now: Callable[[], datetime] = _now,
        key: SigningKey | None = None,
    ) -> None:
        """Prepare a signer. ``key``: that of another signer of this endpoint."""
        self._endpoint = endpoint
        self._now = now
        self._base = base.rstrip("/")
        self._host = host_of(self._base)
        self._path = urlsplit(self._base).path
        self._key = SigningKey(endpoint) if key is None else key
        self._others: dict[str, Presigner] = {}

    def at(self, base: str) -> "Presigner":
        """Return a signer with the same key for another host."""
        found = self._others.get(base)
        if found is None:
            if len(self._others) == HOSTS_KEPT:  # callers choose the host among those that we have
                self._others.clear()
            found = self._others[base] = Presigner(self._endpoint, base, self._now, self._key)
        return found

    def bucket(self, *, within: int) -> str:
        """Return a URL that lists one object, to test access key, clock and bucket cheaply."""
        query = (("list-type", "2"), ("max-keys", "1"))
        return self.sign("GET", f"/{self._endpoint.bucket}", query, {}, within)

    def get(
        self, key: str, *, within: int, bucket: str | None = None, name: str | None = None
    ) -> str:
        path = f"/{bucket or self._endpoint.bucket}/{_quoted(key)}"
        query = () if name is None else ((DISPOSITION, attachment(name)),)
        return self.sign("GET", path, query, {}, within)

    def put(
        self, key: str, *, within: int, size: int | None, sha256: bytes | None, once: bool
    ) -> PresignedPut:
        headers = {"If-None-Match": "*"} if once else {}
        return self._put(key, (), {**headers, **_content(size, sha256)}, within)

    def part(
        self, key: str, multipart: str, number: int, *, within: int, size: int, sha256: bytes
    ) -> PresignedPut:
        query = (("partNumber", str(number)), ("uploadId", multipart))
        return self._put(key, query, _content(size, sha256), within)

    def _put(self, key: str, query: Query, headers: Mapping[str, str], within: int) -> PresignedPut:
        path = f"/{self._endpoint.bucket}/{_quoted(key)}"
        return PresignedPut(self.sign("PUT", path, query, headers, within), headers=headers)

    def sign(
        self, method: str, path: str, query: Query, headers: Mapping[str, str], within: int
    ) -> str:
        """Return the URL of a request that sends these headers."""
        assert 0 < within <= SECONDS_MAX, within
        at = self._now().strftime(TIME_FORMAT)
        signed = sorted((name.lower(), value) for name, value in headers.items())
        signed = sorted([*signed, ("host", self._host)])
        names = ";".join(name for name, _ in signed)
        asked = [
            *query,
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", self._key.credential(at)),
            ("X-Amz-Date", at),
            ("X-Amz-Expires", str(within)),
            ("X-Amz-SignedHeaders", names),
        ]
        said = _parameters(asked)
        signature = self._key.signature(method, self._path + path, said, signed, at)
        return f"{self._base}{path}?{'&'.join(said)}&X-Amz-Signature={signature}"


def host_of(base: str) -> str:
    """Return the Host header that clients send to this address."""
    parts = urlsplit(base)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    usual = parts.port is None or parts.port == PORTS.get(parts.scheme)
    return host if usual else f"{host}:{parts.port}"


def _content(size: int | None, sha256: bytes | None) -> dict[str, str]:
    """Return the headers that bind a body to its length and SHA-256, if these are known."""
    headers: dict[str, str] = {}
    if size is not None:
        headers["Content-Length"] = str(size)
    if sha256 is not None:
        headers["x-amz-checksum-sha256"] = base64.b64encode(sha256).decode("ascii")
    return headers


def _parameters(query: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{_escaped(name)}={_escaped(value)}" for name, value in query]


@lru_cache(maxsize=256)  # URLs that are signed within a second differ in their path alone
def _escaped(text: str) -> str:
    return quote(text, safe="-_.~")


def _quoted(key: str) -> str:
    return quote(key, safe="/~")
