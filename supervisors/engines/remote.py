"""Remote engines: nothing is started; the endpoint is checked."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar
from urllib.parse import urlsplit

import asyncpg

from supervisors.engines.errors import EngineError
from supervisors.engines.objects_endpoint import ObjectsEndpoint
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.seaweedfs import answers
from supervisors.engines.valkey import ValkeyEndpoint, process_at

E = TypeVar("E")
TRY_SECONDS = 5.0
RETRY_SECONDS = 0.5
PATIENCE_SECONDS: Final = 30.0
log = logging.getLogger(__name__)


class RemoteEngine(Generic[E]):
    """A remote engine with the interface of an embedded engine.

    A remote engine never ends by itself.
    """

    pid = 0

    def __init__(
        self,
        name: str,
        url: str,
        endpoint: E,
        check: Callable[[E], Awaitable[str | None]],
        *,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """Prepare the engine. ``check`` returns a problem as text without secrets, or None.

        Host and port of ``url`` are shown. A start waits at most ``patience`` seconds.
        """
        self.name = name
        self._place = urlsplit(url).netloc.rpartition("@")[2] or "a local socket"
        self._patience = patience
        self._endpoint = endpoint
        self._check = check

    async def start(self, *, within: float = 30.0) -> E:
        """Return the endpoint once it answers.

        Raise EngineError with the reason if the answer takes too long. The first reason for waiting
        is logged at once, and so is each new reason.
        """
        seconds = min(within, self._patience)
        what = f"the remote {self.name} at {self._place}"
        log.info("waiting up to %g s for %s", seconds, what)
        reason = "there is no answer"
        try:
            async with asyncio.timeout(seconds):
                while (found := await self._check(self._endpoint)) is not None:
                    if found != reason:
                        log.warning("still waiting for %s: %s", what, found)
                    reason = found
                    await asyncio.sleep(RETRY_SECONDS)
        except TimeoutError:
            raise EngineError(f"{what} cannot be used: {reason}") from None
        return self._endpoint

    async def exited(self) -> int:
        never: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        return await never

    async def stop(self) -> None:
        """Do nothing: no process belongs to a remote engine."""


def remote_postgres(
    owner_dsn: str, app_dsn: str, *, patience: float = PATIENCE_SECONDS
) -> RemoteEngine[PostgresEndpoint]:
    """Return PostgreSQL at two URLs: the owner migrates, the application serves."""
    endpoint = PostgresEndpoint(owner_dsn, app_dsn)
    return RemoteEngine("postgres", app_dsn, endpoint, check_postgres, patience=patience)


def remote_valkey(url: str, *, patience: float = PATIENCE_SECONDS) -> RemoteEngine[ValkeyEndpoint]:
    """Return Valkey or Redis at a ``redis://``, ``rediss://`` or ``unix://`` URL."""
    return RemoteEngine("valkey", url, ValkeyEndpoint(url), check_valkey, patience=patience)


def remote_objects(
    endpoint: ObjectsEndpoint, *, patience: float = PATIENCE_SECONDS
) -> RemoteEngine[ObjectsEndpoint]:
    """Return an S3 store with an existing bucket."""
    return RemoteEngine("objects", endpoint.url, endpoint, check_objects, patience=patience)


async def check_postgres(endpoint: PostgresEndpoint) -> str | None:
    for role, dsn in (("owner", endpoint.owner_dsn), ("application", endpoint.app_dsn)):
        try:
            connection = await asyncpg.connect(dsn, timeout=TRY_SECONDS)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            return f"the {role}'s connection fails with {type(error).__name__}"
        await connection.close(timeout=TRY_SECONDS)
    return None


async def check_valkey(endpoint: ValkeyEndpoint) -> str | None:
    return "no answer, or the password is wrong" if await process_at(endpoint) is None else None


async def check_objects(endpoint: ObjectsEndpoint) -> str | None:
    if await answers(endpoint):
        return None
    return f"{endpoint.url} does not serve the bucket {endpoint.bucket} to our key"
