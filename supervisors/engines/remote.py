"""Engines that somebody else runs: nothing is started, the endpoint is checked."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import asyncpg

from supervisors.engines.errors import EngineError
from supervisors.engines.objects import answers
from supervisors.engines.objects_endpoint import ObjectsEndpoint
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.valkey import ValkeyEndpoint, process_at

E = TypeVar("E")
TRY_SECONDS = 5.0
RETRY_SECONDS = 0.5


class RemoteEngine(Generic[E]):
    """The face of an embedded engine. It never ends: whether it answers is its users' to see."""

    pid = 0

    def __init__(self, name: str, endpoint: E, check: Callable[[E], Awaitable[str | None]]) -> None:
        """``check`` answers what is wrong, in words without secrets; None when all is well."""
        self.name = name
        self._endpoint = endpoint
        self._check = check

    async def start(self, *, within: float = 30.0) -> E:
        """The endpoint, once it answers; EngineError with the reason when it does not in time."""
        reason: str | None = "there is no answer"
        try:
            async with asyncio.timeout(within):
                while True:
                    reason = await self._check(self._endpoint)
                    if reason is None:
                        return self._endpoint
                    await asyncio.sleep(RETRY_SECONDS)
        except TimeoutError:
            raise EngineError(f"the remote {self.name} cannot be used: {reason}") from None

    async def exited(self) -> int:
        never: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        return await never

    async def stop(self) -> None:
        """Nothing of ours runs."""


def remote_postgres(owner_dsn: str, app_dsn: str) -> RemoteEngine[PostgresEndpoint]:
    """Both roles must get in: the owner migrates, the application works."""
    return RemoteEngine("postgres", PostgresEndpoint(owner_dsn, app_dsn), check_postgres)


def remote_valkey(url: str) -> RemoteEngine[ValkeyEndpoint]:
    """Valkey or Redis, at a ``redis://``, ``rediss://`` or ``unix://`` URL."""
    return RemoteEngine("valkey", ValkeyEndpoint(url), check_valkey)


def remote_objects(endpoint: ObjectsEndpoint) -> RemoteEngine[ObjectsEndpoint]:
    """Any S3 store; the bucket must be there."""
    return RemoteEngine("objects", endpoint, check_objects)


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
