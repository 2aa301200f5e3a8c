"""JSON over HTTP to one gateway, with timeouts, retries, and refusals as exceptions."""

import asyncio
import email.utils
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import aiohttp
import attrs
import orjson

from rendertrust import __version__
from rendertrust.client.backoff import Retries
from rendertrust.client.errors import BadAnswer, NoAnswer, RateLimited, Unavailable, refusal
from rendertrust.http_session import http_session

AGENT: Final = f"rendertrust/{__version__}"
ANSWER_BYTES_MAX: Final = 16 << 20
API_TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=10)
# Timeout of a stream, in which the gateway sends at least a comment every fifteen seconds.
STREAM_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, connect=10, sock_read=45)
# Timeout of transfers of content, which may take hours but must not stall.
CONTENT_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, connect=10, sock_read=120)

OWN_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})  # names of this machine

# Errors after which a later try may succeed.
Passing: TypeAlias = NoAnswer | Unavailable | RateLimited
# Called before a pause, with the error and the length of the pause in seconds.
Waiting: TypeAlias = Callable[[Passing, float], None]


def address(text: str) -> str:
    """Return a gateway's address in normal form. Without a scheme, an address of this machine is
    read as http, and another one as https.

    Raises ValueError if the text is not an address.
    """
    named = text.strip()
    if "://" not in named:
        scheme = "http" if urlsplit(f"//{named}").hostname in OWN_HOSTS else "https"
        named = f"{scheme}://{named}"
    parts = urlsplit(named)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must begin with http:// or https:// and contain a host name")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("must not contain a user, a query or a fragment")
    _ = parts.port  # raises ValueError if the port is not a number
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


@attrs.frozen
class ApiCall:
    """A request.

    ``repeatable``: sending the request twice has the same effect as sending it once.
    """

    method: str
    path: str
    body: Mapping[str, Any] | None = attrs.field(default=None, repr=False)
    query: Mapping[str, str] = attrs.field(factory=dict[str, str])
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], repr=False)
    repeatable: bool = True


@attrs.define
class Transport:
    """HTTP connections to one gateway, from the first request until ``close``."""

    url: str = attrs.field(converter=address)
    retries: Retries = attrs.field(factory=Retries)
    waiting: Waiting | None = None
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _session: aiohttp.ClientSession | None = None

    def session(self) -> aiohttp.ClientSession:
        """Return the connection pool, which is also used for transfers of content."""
        if self._session is None:
            self._session = http_session(headers={"User-Agent": AGENT})
        return self._session

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, call: ApiCall, token: str | None = None) -> Any:
        """Send a request and return the JSON of the reply. Raises Refused, NoAnswer, BadAnswer.

        If a reply is missing, or is 429, 502, 503 or 504, the request is sent again if that is
        safe.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        for delay in self.retries.delays():
            try:
                return await self._once(call, token)
            except (NoAnswer, Unavailable, RateLimited) as error:
                asked = None if isinstance(error, NoAnswer) else error.retry_after
                pause = self.retries.pause(delay, asked, clock() - began)
                if pause is None or not may_repeat(call, error):
                    raise
                if self.waiting is not None:
                    self.waiting(error, pause)
                await self.sleep(pause)
        return await self._once(call, token)

    async def stream(self, call: ApiCall, token: str) -> AsyncGenerator[bytes]:
        """Yield the content of a reply while the content arrives.

        Raises Refused, NoAnswer; never retries.
        """
        headers = {**call.headers, "Authorization": f"Bearer {token}"}
        try:
            async with self.session().request(
                call.method,
                self.url + call.path,
                params=dict(call.query),
                headers=headers,
                timeout=STREAM_TIMEOUT,
                allow_redirects=False,
            ) as answer:
                if answer.status >= 300:
                    await _read(answer)  # raises the exception for the reply
                async for content in answer.content.iter_any():
                    yield content
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unanswered(self.url, error) from error

    async def _once(self, call: ApiCall, token: str | None) -> Any:
        headers = dict(call.headers)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with self.session().request(
                call.method,
                self.url + call.path,
                params=dict(call.query),
                data=None if call.body is None else orjson.dumps(call.body),
                headers=headers,
                timeout=API_TIMEOUT,
                allow_redirects=False,  # the token must not go to another host
            ) as answer:
                return await _read(answer)
        except aiohttp.InvalidURL as error:
            raise BadAnswer(f"{self.url} is not an address") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise unanswered(self.url, error) from error


async def _read(answer: aiohttp.ClientResponse) -> Any:
    content = bytearray()
    async for chunk in answer.content.iter_any():
        content += chunk
        if len(content) > ANSWER_BYTES_MAX:
            raise BadAnswer(f"The answer is longer than {ANSWER_BYTES_MAX} bytes")
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        if answer.status < 300:
            raise BadAnswer("The answer is not JSON: is this a RenderTrust gateway?") from None
        body = None
    if answer.status >= 300:
        raise refusal(answer.status, body, retry_after=seconds(answer.headers.get("Retry-After")))
    return body


def unanswered(url: str, error: BaseException) -> NoAnswer:
    """Return the exception for a failed request.

    If the connection was refused, ``delivered`` is False.
    """
    if isinstance(error, aiohttp.ClientConnectorError):
        untrusted = isinstance(error, aiohttp.ClientConnectorCertificateError)
        said = f"Nothing answers at {url} ({_reason(error)})"
        return NoAnswer(said, delivered=False, untrusted=untrusted)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return NoAnswer(f"{url} cannot be reached in time", delivered=False)
    if isinstance(error, TimeoutError):
        return NoAnswer(f"{url} did not answer in time", delivered=True)
    return NoAnswer(f"The connection to {url} was lost", delivered=True)


def _reason(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "the server's certificate is not trusted"
    number = error.os_error.errno
    # asyncio's text repeats the address. Errors of name resolution have negative numbers and good
    # texts.
    known = os.strerror(number) if number is not None and number > 0 else error.os_error.strerror
    return str(known or error.os_error).lower()


def may_repeat(call: ApiCall, error: Passing) -> bool:
    """Return True if a retry is safe, because the request was not executed or is repeatable.

    After a 429 without Retry-After there is no retry.
    """
    if isinstance(error, RateLimited):
        return error.retry_after is not None
    if call.repeatable:
        return True
    return isinstance(error, NoAnswer) and not error.delivered


def seconds(header: str | None, now: Callable[[], float] = time.time) -> float | None:
    """Parse Retry-After, a number or an HTTP date, into seconds; None if the header is invalid."""
    if header is None:
        return None
    if header.strip().isdecimal() and header.isascii():
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - now())
    except ValueError:
        return None
