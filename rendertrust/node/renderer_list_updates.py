"""The gateway's list of renderers, which a node fetches now and then for its store."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
import attrs

from rendertrust import note, renderer_list
from rendertrust.blender_version import BlenderVersion
from rendertrust.http_session import http_session
from rendertrust.node.renderer_store import RendererStore
from rendertrust.note import NOTE_CHARACTERS_MAX, NoteRefused
from rendertrust.program_version import DOWNLOAD
from rendertrust.renderer_list import SIGNED_NAME, RendererList

ASK_SECONDS: Final = 3600.0
AGAIN_SECONDS: Final = 60.0  # after a failure
DOUBLED_MAX: Final = 10  # how often the wait for a version that fails is doubled
GREETING_SECONDS_MAX: Final = 5.0  # before a new connection
TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=10)
NO_KEY: Final = "the gateway has no key, so nobody signs a list of renderers"
BYTES_MAX: Final = 4 * NOTE_CHARACTERS_MAX


@attrs.define(eq=False)
class RendererListUpdates:
    """Keeps a store's list as the gateway at ``url`` has it.

    ``key`` returns the key of the gateway's log that the node pins; ``changed`` is called after the
    offered versions have changed. ``sleep``: the clock.
    """

    store: RendererStore
    session: aiohttp.ClientSession
    url: str
    key: Callable[[], str | None]
    changed: Callable[[], Awaitable[None]]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _told: str = ""
    _waiting: set[BlenderVersion] = attrs.field(factory=set)  # versions that are tried again later

    async def run(self) -> None:
        """Fetch the list until cancelled, and tell each change of the offered versions."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep())
            while True:
                await self.store.changed.wait()
                self.store.changed.clear()
                for version in self.store.failed() - self._waiting:
                    self._waiting.add(version)
                    wait = seconds_after(self.store.failures[version])
                    tasks.create_task(self._try_again(version, wait))
                await self.changed()

    async def _try_again(self, version: BlenderVersion, wait: float) -> None:
        """Offer a version that could not be installed again after a wait."""
        await self.sleep(wait)
        self._waiting.discard(version)
        self.store.try_again(version)

    async def refresh(self) -> None:
        """Fetch the list before a new connection, if the gateway answers soon."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GREETING_SECONDS_MAX):
                found = await fetched(self.session, self.url, self.key())
                if not isinstance(found, NoteRefused):
                    await self.store.take(found)

    async def fetch(self) -> bool:
        """Fetch the list for the store. If that fails, tell the operator why, and return False."""
        found = await fetched(self.session, self.url, self.key())
        if isinstance(found, NoteRefused):
            if found.reason != self._told:
                self._told = found.reason
                self.store.narrate(f"no list of renderers: {found.reason}")
            return False
        self._told = ""
        await self.store.take(found)
        return True

    async def _keep(self) -> None:
        try:
            await self.store.clean()
        except OSError as fault:  # a version that is then wanted is refused with its reason
            self.store.narrate(f"the folder of renderers cannot be used: {fault}")
        while True:
            is_known = await self.fetch()
            await self.sleep(ASK_SECONDS if is_known else AGAIN_SECONDS)


def seconds_after(failures: int) -> float:
    """Return how long to wait until a version is tried again that failed so often in a row."""
    return min(AGAIN_SECONDS * (1 << min(failures - 1, DOUBLED_MAX)), ASK_SECONDS)


@attrs.frozen
class ListSource:
    """The gateway at ``url``, whose list of renderers ``key`` has signed."""

    url: str
    key: str | None

    async def ask(self) -> RendererList | NoteRefused:
        """Return the gateway's list, or why there is none."""
        async with http_session() as session:
            return await fetched(session, self.url, self.key)


async def fetched(
    session: aiohttp.ClientSession, url: str, key: str | None
) -> RendererList | NoteRefused:
    """Return the list that the gateway at ``url`` has signed with its key, or why there is none."""
    verifier = NoteRefused(NO_KEY) if key is None else note.read_verifier(key)
    if isinstance(verifier, NoteRefused):
        return verifier
    try:
        async with session.get(f"{url}{DOWNLOAD}/{SIGNED_NAME}", timeout=TIMEOUT) as response:
            if response.status != 200:
                return NoteRefused(f"{url} answered {response.status}")
            content = await response.content.read(BYTES_MAX)
            while (more := await response.content.read(BYTES_MAX)) and len(content) < BYTES_MAX:
                content += more
    except (aiohttp.ClientError, TimeoutError, OSError) as fault:
        return NoteRefused(f"{url} could not be asked: {type(fault).__name__}")
    return renderer_list.read(content.decode("utf-8", "replace"), verifier)
