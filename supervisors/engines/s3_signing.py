"""Presigned URLs, by botocore's own signer: no network, some 0.1 ms each.

Importing this module takes 0.1 s: do it in a thread.
"""

import base64
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from actors.ports import PresignedPut
from supervisors.engines.objects_endpoint import ObjectsEndpoint

SECONDS_MAX = 86_400


class Presigner:
    """Signs for the host in ``base``: what clients send as Host must be exactly that."""

    def __init__(self, endpoint: ObjectsEndpoint, base: str) -> None:
        self._endpoint = endpoint
        self._credentials = Credentials(endpoint.access_key, endpoint.secret_key)
        self._region = endpoint.region
        self._base = base.rstrip("/")
        self._prefix = f"{self._base}/{endpoint.bucket}"
        # The signer would work it out of the URL twice for each signature, at half of its cost.
        plain = AWSRequest(method="GET", url=self._base)
        self._host = str(self._signer(1).headers_to_sign(plain)["host"])

    def at(self, base: str) -> "Presigner":
        """The same key for another host."""
        return Presigner(self._endpoint, base)

    def bucket(self, *, within: int) -> str:
        """List one key at most: the cheapest request that proves key, clock and bucket."""
        return self._sign("GET", f"{self._prefix}?list-type=2&max-keys=1", {}, within)

    def get(self, key: str, *, within: int, filename: str | None, bucket: str | None = None) -> str:
        url = self._url(key) if bucket is None else f"{self._base}/{bucket}/{_quoted(key)}"
        if filename is not None:
            url += "?" + urlencode({"response-content-disposition": disposition(filename)})
        return self._sign("GET", url, {}, within)

    def put(
        self, key: str, *, within: int, size: int | None, sha256: bytes | None, once: bool
    ) -> PresignedPut:
        headers = {"If-None-Match": "*"} if once else {}
        return self._put(self._url(key), {**headers, **_content(size, sha256)}, within)

    def part(
        self, key: str, multipart: str, number: int, *, within: int, size: int, sha256: bytes
    ) -> PresignedPut:
        query = urlencode({"partNumber": number, "uploadId": multipart})
        return self._put(f"{self._url(key)}?{query}", _content(size, sha256), within)

    def _put(self, url: str, headers: Mapping[str, str], within: int) -> PresignedPut:
        return PresignedPut(url=self._sign("PUT", url, headers, within), headers=headers)

    def _url(self, key: str) -> str:
        return f"{self._prefix}/{_quoted(key)}"

    def _sign(self, method: str, url: str, headers: Mapping[str, str], within: int) -> str:
        assert 0 < within <= SECONDS_MAX, within
        request = AWSRequest(method=method, url=url, headers={**headers, "Host": self._host})
        self._signer(within).add_auth(request)
        return str(request.url)

    def _signer(self, within: int) -> S3SigV4QueryAuth:
        return S3SigV4QueryAuth(self._credentials, "s3", self._region, expires=within)


def _content(size: int | None, sha256: bytes | None) -> dict[str, str]:
    """The headers that hold a body to its length and SHA-256, where these are known."""
    headers: dict[str, str] = {}
    if size is not None:
        headers["Content-Length"] = str(size)
    if sha256 is not None:
        headers["x-amz-checksum-sha256"] = base64.b64encode(sha256).decode("ascii")
    return headers


def _quoted(key: str) -> str:
    return quote(key, safe="/~")


def disposition(filename: str) -> str:
    """Content-Disposition with an ASCII name for old clients beside the true one (RFC 6266)."""
    plain = "".join(
        c if c.isascii() and c.isprintable() and c not in '"\\%' else "_" for c in filename
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
