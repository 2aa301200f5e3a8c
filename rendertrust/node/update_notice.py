"""Notice that the gateway hands out a newer version of this node's program."""

import asyncio
import re
import shlex
import sys
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import attrs
import orjson

from rendertrust import __version__
from rendertrust.node import program_folder
from rendertrust.program_version import DOWNLOAD, install_line, installed_extras, is_older

TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=10)
ANSWER_BYTES_MAX: Final = 65_536
UPDATE: Final = "rendertrust node update"
_WHEEL: Final = re.compile(r"rendertrust-[0-9A-Za-z.+!_]{1,64}-py3-none-any\.whl", re.ASCII)
_SHA256: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


@attrs.frozen
class NewerProgram:
    """The gateway's version, which is newer than this one. ``remedy``: how to install it."""

    version: str
    remedy: str

    @property
    def said(self) -> str:
        """Return the difference in words."""
        return f"this node's program is version {__version__}, the gateway's is {self.version}"


async def newer_program(
    session: aiohttp.ClientSession, url: str, known: str = ""
) -> NewerProgram | None:
    """Return the newer program that the gateway hands out; None if it has none, or says nothing.

    ``known``: the version that the gateway is known to have.
    """
    found = await handed_out(session, url)
    version = str(found.get("version", known))[:64]
    if not is_older(__version__, version):
        return None
    if program_folder.installed() is not None and isinstance(found.get("signature"), str):
        return NewerProgram(version, f"run: {UPDATE}; then restart the node")
    wheel = found.get("wheel")
    line = _line(url, wheel) if isinstance(wheel, dict) else None
    do = f"see {url}{DOWNLOAD}" if line is None else f"run: {line}"
    return NewerProgram(version, f"{do}; then restart the node")


async def handed_out(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    """Return what the gateway says that it hands out; {} if it says nothing."""
    try:
        async with session.get(f"{url}/api/v1/downloads", timeout=TIMEOUT) as response:
            if response.status != 200:
                return {}
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > ANSWER_BYTES_MAX:
                    return {}
            found: object = orjson.loads(body)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _line(url: str, wheel: dict[str, Any]) -> str | None:
    """Return the line for this node's Python; None if the gateway's answer is not as expected.

    An operator pastes the line into a shell, so that nothing else of the answer may be in it.
    """
    name, sha256 = str(wheel.get("name")), str(wheel.get("sha256"))
    if not _WHEEL.fullmatch(name) or not _SHA256.fullmatch(sha256):
        return None
    pip = f"{shlex.quote(sys.executable)} -m pip"
    return install_line(url, name, sha256, extra=installed_extras(), pip=pip)


class UpdateNotice:
    """Tells the operator, once for each version, that the gateway has a newer one."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, narrate: Callable[[str], None]
    ) -> None:
        self._session, self._url, self._narrate = session, url, narrate
        self._heard, self._told = "", ""
        self._news = asyncio.Event()

    def hear(self, version: str | None) -> None:
        """Note the version that the gateway has named."""
        if version is not None and version != self._told and is_older(__version__, version):
            self._heard = version
            self._news.set()

    async def run(self) -> None:
        """Tell what was heard, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            self._told = self._heard
            found = await newer_program(self._session, self._url, self._heard)
            if found is not None:
                self._narrate(f"{found.said}; {found.remedy}")
