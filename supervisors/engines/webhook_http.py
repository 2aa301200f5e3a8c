"""The Post port over HTTP: names are resolved once, only public addresses are used, and redirects
are not followed.
"""

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from contextvars import ContextVar
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from typing import Any, Final
from weakref import WeakValueDictionary

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from actors.ports.webhooks import Answered, Letter, NotSent
from rendertrust import __version__

SECONDS: Final = 10.0
ANSWER_BYTES_MAX: Final = 64 << 10
AGENT: Final = f"RenderTrust/{__version__} (webhooks)"
PRIVATE: Final = "its address is not on the public internet"
NOT_PUBLIC: Final = "has an address that is not on the public internet"
LOOKUPS_MOST: Final = 32  # names that are resolved at the same time
LOOKUPS_OF_ONE: Final = 2  # of these names, per user
# The owner of the endpoint to which a request is sent, for the limit on look-ups.
_USER: Final = ContextVar[str]("user", default="")
# Global unicast (RFC 4291): no other address is routed. Site-local fec0::/10, IPv4-compatible ::/96
# and NAT64's 64:ff9b::/96 lie outside this range.
_UNICAST: Final = IPv6Network("2000::/3")
# Special ranges of IPv6 unicast and of IPv4 that Python, or some version of it, considers global.
_SPECIAL_6: Final = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # IETF protocols such as Teredo, which contains an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which contains an IPv4 address
        "3fff::/20",  # documentation
    )
)
_SPECIAL_4: Final = tuple(
    IPv4Network(text)
    for text in (
        "192.0.0.0/24",  # protocols of the IETF
        "192.88.99.0/24",  # relays of 6to4
    )
)


class PrivateAddress(OSError):
    """The name does not resolve to public addresses."""


class NameLookups:
    """Name look-ups in separate threads: at most ``most`` at a time, and two per user.

    A name server that never answers blocks a thread until the system's resolver times out, and
    strangers choose the names. The loop's own threads look up PostgreSQL, S3 and Redis, and must
    stay available. The threads are daemons, so that the process can end without waiting for them.
    """

    def __init__(self, most: int = LOOKUPS_MOST) -> None:
        self._free = asyncio.Semaphore(most)
        self._free_of = WeakValueDictionary[str, asyncio.Semaphore]()  # semaphores in use

    async def look_up(
        self, host: str, port: int, family: socket.AddressFamily, user: str = ""
    ) -> list[ResolveResult]:
        """Return the addresses of a name. Raises OSError, or UnicodeError for an invalid name.

        Without a known ``user``, look-ups are limited per name.
        """
        turn = self._free_of.setdefault(user or host, asyncio.Semaphore(LOOKUPS_OF_ONE))
        await turn.acquire()
        try:
            await self._free.acquire()
        except BaseException:
            turn.release()
            raise
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[ResolveResult]] = loop.create_future()
        thread = threading.Thread(
            target=self._run,
            args=(loop, found, turn, host, port, family),
            name="webhook-name",
            daemon=True,
        )
        try:
            thread.start()
        except RuntimeError as error:  # the system has no threads left
            self._free.release()
            turn.release()
            raise OSError(str(error)) from error
        return await found

    def _run(
        self,
        loop: asyncio.AbstractEventLoop,
        found: "asyncio.Future[list[ResolveResult]]",
        turn: asyncio.Semaphore,
        *asked: Any,
    ) -> None:
        error: Exception | None = None
        addresses: list[ResolveResult] = []
        try:
            addresses = addresses_of(*asked)
        except Exception as caught:
            error = caught
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(self._done, found, turn, addresses, error)

    def _done(
        self,
        found: "asyncio.Future[list[ResolveResult]]",
        turn: asyncio.Semaphore,
        addresses: list[ResolveResult],
        error: Exception | None,
    ) -> None:
        self._free.release()
        turn.release()
        if found.done():
            return  # the request was cancelled
        if error is not None:
            found.set_exception(error)
        else:
            found.set_result(addresses)


def addresses_of(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    """Ask the system's resolver; blocks."""
    flags = socket.AI_ADDRCONFIG
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family, flags=flags)
    return [
        ResolveResult(
            hostname=host,
            host=str(address[0]),
            port=port,
            family=kind,
            proto=protocol,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for kind, _, protocol, _, address in infos
    ]


class PublicResolver(AbstractResolver):
    """Resolves a name once and returns only permitted addresses; the connection goes to one of
    these.
    """

    def __init__(self, *, private: bool) -> None:
        self._private = private
        self._lookups = NameLookups()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._lookups.look_up(host, port, family, _USER.get())
        if not self._private and not all(is_public(one["host"]) for one in found):
            raise PrivateAddress(PRIVATE)  # a single private address suffices for a refusal
        return found

    async def close(self) -> None:
        """Do nothing: the threads end by themselves."""


class HttpPost:
    """Sends requests.

    ``private``: permit any address, and plain HTTP. Call ``close`` on the loop that used the
    object.
    """

    def __init__(self, *, private: bool) -> None:
        self._private = private
        self._session: aiohttp.ClientSession | None = None

    async def send(self, letters: Sequence[Letter]) -> Sequence[Answered | NotSent]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._send(letter)) for letter in letters]
        return [task.result() for task in tasks]

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _send(self, letter: Letter) -> Answered | NotSent:
        if (reason := refused(letter.url, private=self._private)) is not None:
            return NotSent(f"it {reason}")
        _USER.set("" if letter.user is None else str(letter.user))  # only in this request's task
        try:
            async with asyncio.timeout(SECONDS):
                return await self._post(letter)
        except TimeoutError:
            return NotSent(f"no answer within {SECONDS:g} s")
        except aiohttp.ClientError as error:
            return NotSent(_reason(error))
        except (OSError, ValueError) as error:  # an invalid name or port
            return NotSent(str(error) or type(error).__name__)

    async def _post(self, letter: Letter) -> Answered:
        async with self._open().post(
            URL(letter.url),
            data=letter.body,
            headers={**letter.headers, "Content-Type": "application/json", "User-Agent": AGENT},
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=SECONDS),
        ) as answer:
            await self._hear_out(answer)
            return Answered(answer.status)

    async def _hear_out(self, answer: aiohttp.ClientResponse) -> None:
        """Read the response up to a limit and discard it, so that the connection ends normally."""
        left = ANSWER_BYTES_MAX
        while left > 0 and (chunk := await answer.content.read(left)):
            left -= len(chunk)

    def _open(self) -> aiohttp.ClientSession:
        """Open a session with a new connection per request, to the address that was resolved for
        it.
        """
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=PublicResolver(private=self._private),
                use_dns_cache=False,
                force_close=True,
                limit=0,
            )
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            )
        return self._session


def refused(url: str, *, private: bool) -> str | None:
    """Return what is wrong with the URL, before any look-up; the text continues a sentence that
    begins with "it".

    Numeric addresses never reach the resolver. The URL is parsed by the library that connects, as
    two parsers might find different hosts.
    """
    try:
        parts = URL(url)
    except ValueError:
        return "is not a URL"
    host = parts.host or ""
    if parts.scheme != "https" and not (private and parts.scheme == "http"):
        return "must begin with https://"
    if not host:
        return "names no host"
    if parts.user is not None or parts.password is not None:
        return (
            "must not contain a user name or password, which lists would show: check the signature"
        )
    if private:
        return None
    is_number = ":" in host or host.replace(".", "").isdigit()
    return NOT_PUBLIC if is_number and not is_public(host) else None


def _reason(error: aiohttp.ClientError) -> str:
    """Return the reason of a failure in one line, for the endpoint's owner."""
    if isinstance(error, aiohttp.ClientConnectorError):
        if isinstance(error.os_error, PrivateAddress):
            return PRIVATE
        if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
            return "its certificate is not trusted"
        return "there is no connection to its address"
    return (
        "the connection was lost"
        if isinstance(error, aiohttp.ClientOSError)
        else "it does not answer by HTTP"
    )


def is_public(text: str) -> bool:
    """Return True if the address, as text, is reachable from the public internet."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return _is_public_4(address)
    if address.ipv4_mapped is not None:
        return _is_public_4(address.ipv4_mapped)
    special = any(address in network for network in _SPECIAL_6)
    return address in _UNICAST and address.is_global and not special


def _is_public_4(address: IPv4Address) -> bool:
    special = address.is_multicast or address.is_reserved
    return address.is_global and not (special or any(address in each for each in _SPECIAL_4))
