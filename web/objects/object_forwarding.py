"""Presigned URLs through the gateway: ``/{bucket}/…`` is forwarded to the object store.

Clients and nodes need only one port and one TLS certificate. Path, Host and signed headers reach
the store as they were signed. Bodies stream both ways with back-pressure, and no body is buffered.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

import aiohttp
import structlog
from aiohttp import hdrs, web
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Handler
from multidict import CIMultiDict
from yarl import URL

from actors.ports import Objects
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.file_types import HEAD_BYTES
from rendertrust.write_timeout import WriteTimeout
from supervisors.engines.objects_endpoint import ObjectsEndpoint
from supervisors.engines.s3_signing import SignatureCheck
from web.http.operations import Audience
from web.http.problem import Problem, unavailable
from web.http.rate_gate import RateGate
from web.http.rate_limits import RateLimits
from web.http.responses import refusal
from web.objects.download_headers import DownloadHeaders
from web.objects.transfer_rate import TransferRate, write_in_pace

METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE")
TRANSFERS_MAX = 512  # concurrent transfers; further ones wait for CONNECT_SECONDS
CONNECT_SECONDS = 5.0
TRANSFERS_OF_ONE_MAX = 64  # per address, so that eight addresses are needed to use all transfers
# A transfer ends after this time without a byte in either direction, and after its maximum
# duration.
IDLE_SECONDS = 30.0
TRANSFER_SECONDS = 3_600.0
# Errors of a request's body that is malformed or breaks off.
BROKEN = (web.RequestPayloadError, web.PayloadAccessError, HttpProcessingError, OSError)
# Headers that are forwarded although they need not be signed: ALWAYS_FORWARDED with each request,
# READING with GET and HEAD.
ALWAYS_FORWARDED = ("host", "content-length")
READING = (
    "range",
    "if-range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
)
NOT_SIGNED = Problem(
    403, "The URL was not issued by this gateway, or has expired", code=RefusalCode.ADDRESS_EXPIRED
)
STORE_AWAY = unavailable("The object store is not available", code=RefusalCode.OBJECTS_UNAVAILABLE)
ENCODED = Problem(
    415,
    "The body must be sent without Content-Encoding",
    headers={"Connection": "close"},
    code=RefusalCode.CONTENT_ENCODING_REFUSED,
)

log = structlog.get_logger(__name__)


class ObjectForwarder:
    """Handler of the object routes. ``store`` returns the store's address; None: not started yet.

    Only requests that our presigned URLs cover are forwarded; other requests take no connection to
    the store.
    """

    def __init__(
        self, store: Callable[[], ObjectsEndpoint | None], bucket: str, objects: Objects
    ) -> None:
        self._store = store
        self._check: SignatureCheck | None = None
        self._headers = DownloadHeaders(objects)
        self._prefix = f"/{bucket}/"
        self._session: aiohttp.ClientSession | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Forward the request, and answer as the store does.

        The gateway itself answers 408, 415, 502 and 503, 403 to an invalid URL, 404 to a path
        outside the bucket, and 400 if the body breaks off.
        """
        if hdrs.CONTENT_ENCODING in request.headers:
            return refusal(request, ENCODED)
        target = self._target(request)
        if isinstance(target, Problem):
            return refusal(request, target)
        body = RequestBody(request)
        try:
            async with asyncio.timeout(TRANSFER_SECONDS):
                answer = await self._send(request, target, body)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return refusal(request, failed(error, body))
        async with answer:
            return await self._answer(request, body, answer)

    async def _send(
        self, request: web.Request, target: URL, body: "RequestBody"
    ) -> aiohttp.ClientResponse:
        taking = WriteTimeout(IDLE_SECONDS)
        async with taking.in_time():
            return await self._client().request(
                request.method,
                target,
                headers=forwarded(request),
                data=None if body.done else taking.of(body.chunks()),
                expect100=body.awaits_leave,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=None, connect=CONNECT_SECONDS, sock_read=IDLE_SECONDS
                ),
            )

    async def _answer(
        self, request: web.Request, body: "RequestBody", answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        try:
            begin = await beginning(request, answer)
        except (aiohttp.ClientError, TimeoutError) as error:
            return refusal(request, failed(error, body))
        headers = await self._headers.of(
            request, answer.status, answer.headers, head_of(answer, begin)
        )
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
        if not body.done:
            # Answered before the body was read, so the rest of the body is not another request.
            response.force_close()
        try:
            async with asyncio.timeout(TRANSFER_SECONDS):
                await response.prepare(request)
                if request.method != hdrs.METH_HEAD:
                    await copy_body(begin, answer, response)
                await response.write_eof()
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            # The answer has begun: only a cut connection tells the client that the rest is missing.
            log.info("objects_answer_cut", error=type(error).__name__)
            if request.transport is not None:
                request.transport.abort()
        return response

    def _target(self, request: web.Request) -> URL | Problem:
        """Return the request's path and query, byte for byte, at the store; or the refusal."""
        store, path = self._store(), request.raw_path
        if not path.startswith(self._prefix) or ".." in path.split("?", 1)[0].split("/"):
            raise web.HTTPNotFound
        if store is None:
            return STORE_AWAY
        if self._check is None or self._check.endpoint != store:
            self._check = SignatureCheck(store)
        if not self._check.admits(request.method, path, request.headers):
            return NOT_SIGNED
        return URL(store.url.rstrip("/") + path, encoded=True)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                auto_decompress=False,
                connector=aiohttp.TCPConnector(limit=TRANSFERS_MAX),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=(
                    hdrs.ACCEPT,
                    hdrs.ACCEPT_ENCODING,
                    hdrs.CONTENT_TYPE,
                    hdrs.USER_AGENT,
                ),
            )
        return self._session

    async def close(self) -> None:
        """Close the connections to the store."""
        if self._session is not None:
            await self._session.close()
            self._session = None


class RequestBody:
    """A request's body as it arrives. ``100 Continue`` is sent when the store wants the body."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self.done = not request.can_read_body
        self.slow = False
        self.broken = False
        self._pace = TransferRate()
        expects = request.headers.get(hdrs.EXPECT, "").lower()
        self.awaits_leave = not self.done and expects == "100-continue"

    async def chunks(self) -> AsyncIterator[bytes]:
        if self.awaits_leave:
            await send_continue(self._request)
        while chunk := await self._chunk():
            yield chunk
        self.done = True

    async def _chunk(self) -> bytes:
        """Return the next bytes, b'' at the end; raise TimeoutError if no bytes come, or too
        few.
        """
        loop = asyncio.get_running_loop()
        begin = loop.time()
        try:
            async with asyncio.timeout(self._pace.left(IDLE_SECONDS)):
                chunk = await self._request.content.readany()
        except TimeoutError:
            self.slow = True
            raise
        except BROKEN:
            self.broken = True
            raise
        self._pace.moved(len(chunk), loop.time() - begin)
        return chunk


async def beginning(request: web.Request, answer: aiohttp.ClientResponse) -> bytes:
    """Read the first bytes of a download, which show the file type; all bytes of a short
    download.
    """
    begin = b""
    if request.method == hdrs.METH_GET and answer.status in (200, 206):
        while len(begin) < HEAD_BYTES and (chunk := await answer.content.readany()):
            begin += chunk
    return begin


def head_of(answer: aiohttp.ClientResponse, begin: bytes) -> bytes | None:
    """Return ``begin`` if these bytes are the start of the object; otherwise None."""
    is_first = answer.headers.get(hdrs.CONTENT_RANGE, "").startswith("bytes 0-")
    if answer.status == 200 and begin:
        return begin
    return begin if is_first and len(begin) >= HEAD_BYTES else None


async def copy_body(
    begin: bytes, answer: aiohttp.ClientResponse, response: web.StreamResponse
) -> None:
    """Send the object as fast as the client takes it; raise TimeoutError below the minimum rate."""
    pace, chunk = TransferRate(), begin or await answer.content.readany()
    while chunk:
        await write_in_pace(response, chunk, pace, IDLE_SECONDS)
        chunk = await answer.content.readany()


def failed(error: Exception, body: RequestBody) -> Problem:
    """Return the refusal for the cause: a bad body, or a store that is away or has failed."""
    if body.slow:
        return Problem(408, "The body came too slowly", code=RefusalCode.BODY_TOO_SLOW)
    if body.broken:
        # The client has gone, and cannot read this.
        return Problem(400, "The body broke off", code=RefusalCode.BODY_INCOMPLETE)
    away = (aiohttp.ClientConnectorError, aiohttp.ServerDisconnectedError, TimeoutError)
    if isinstance(error, away):
        return STORE_AWAY
    log.warning("objects_forward_failed", error=type(error).__name__)
    return Problem(502, "The object store failed", code=RefusalCode.OBJECTS_FAILED)


async def send_continue(request: web.Request) -> None:
    writer = request.writer
    await writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    # These bytes must not count as a part of the answer.
    writer.output_size = 0


async def no_continue(request: web.Request) -> None:
    """Refuse an unknown ``Expect``. Unlike aiohttp's handler, send no ``100 Continue`` before the
    headers are checked.
    """
    if request.headers[hdrs.EXPECT].lower() != "100-continue":
        raise web.HTTPExpectationFailed


def forwarded(request: web.Request) -> CIMultiDict[str]:
    """Return the headers to forward.

    These are Host, Content-Length, the ``x-amz-`` headers and ``if-none-match`` if the URL's
    signature names them and, with GET and HEAD, the range and the conditions. All other headers are
    dropped: the store would keep, for example, a Content-Encoding.
    """
    signed = request.query.get("X-Amz-SignedHeaders", "").lower().split(";")
    names = {name for name in signed if name == "if-none-match" or name.startswith("x-amz-")}
    names.update(ALWAYS_FORWARDED)
    if request.method in (hdrs.METH_GET, hdrs.METH_HEAD):
        names.update(READING)
    if "," in request.headers.get(hdrs.RANGE, ""):
        names.discard("range")  # the answer to several ranges is multipart, which is no object
    return CIMultiDict((n, value) for n, value in request.headers.items() if n.lower() in names)


def object_gate(rates: RateLimits) -> Callable[[Handler], Handler]:
    """Limit transfers per address, in rate and number; presigned URLs need no login."""
    most = TRANSFERS_OF_ONE_MAX
    return lambda handler: RateGate(rates, "object", Audience.PUBLIC, handler, at_once=most).serve


def add_object_routes(
    app: web.Application,
    store: Callable[[], ObjectsEndpoint | None],
    bucket: str,
    objects: Objects,
    *,
    through: Callable[[Handler], Handler],
) -> ObjectForwarder:
    """Mount ``/{bucket}/…`` on the application; its connections are closed with it."""
    forwarder = ObjectForwarder(store, bucket, objects)
    serve = through(forwarder.handle)
    for method in METHODS:
        app.router.add_route(method, f"/{bucket}/{{key:.+}}", serve, expect_handler=no_continue)

    async def close(_app: web.Application) -> None:
        await forwarder.close()

    app.on_cleanup.append(close)
    return forwarder
