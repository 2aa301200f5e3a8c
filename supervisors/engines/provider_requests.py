"""The ProviderHttp port: requests to providers of OpenID Connect, with bounds."""

import asyncio
from typing import Final

import aiohttp
from yarl import URL

from actors.ports.provider_http import ProviderAnswer, ProviderRequest, ProviderUnreachable
from config.oidc_providers import is_web_address
from rendertrust import __version__

SECONDS: Final = 5.0
ANSWER_BYTES_MAX: Final = 256 << 10
AGENT: Final = f"RenderTrust/{__version__}"
TOO_LARGE: Final = f"its answer has more than {ANSWER_BYTES_MAX >> 10} KiB"
FORBIDDEN: Final = "its address must begin with https://"


class HttpProviders:
    """Sends requests. ``loopback``: permit plain http to this machine.

    Private addresses are permitted, as the operator names the providers. Call ``close`` on the loop
    that used the object.
    """

    def __init__(self, *, loopback: bool, seconds: float = SECONDS) -> None:
        self._loopback, self._seconds = loopback, seconds
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: ProviderRequest) -> ProviderAnswer | ProviderUnreachable:
        if not is_web_address(request.url, loopback=self._loopback):
            return ProviderUnreachable(FORBIDDEN)
        try:
            async with asyncio.timeout(self._seconds):
                return await self._sent(request)
        except TimeoutError:
            return ProviderUnreachable(f"no answer within {self._seconds:g} s")
        except aiohttp.ClientSSLError:
            return ProviderUnreachable("its certificate is not trusted")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return ProviderUnreachable(type(error).__name__)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _sent(self, request: ProviderRequest) -> ProviderAnswer | ProviderUnreachable:
        headers = {"Accept": "application/json"}
        if request.authorization:
            headers["Authorization"] = request.authorization
        async with self._open().request(
            "GET" if request.form is None else "POST",
            URL(request.url),
            data=None if request.form is None else dict(request.form),
            headers=headers,
            allow_redirects=False,
        ) as answer:
            body = await answer.content.read(ANSWER_BYTES_MAX + 1)
            while len(body) <= ANSWER_BYTES_MAX and (
                more := await answer.content.read(ANSWER_BYTES_MAX + 1 - len(body))
            ):
                body += more
            if len(body) > ANSWER_BYTES_MAX:
                return ProviderUnreachable(TOO_LARGE)
            return ProviderAnswer(answer.status, body)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                headers={"User-Agent": AGENT},
                timeout=aiohttp.ClientTimeout(total=self._seconds),
            )
        return self._session
