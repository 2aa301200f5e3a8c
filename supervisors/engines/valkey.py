"""Valkey as a child of the gateway."""

import signal
from pathlib import Path
from urllib.parse import quote

from attrs import field, frozen
from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from supervisors.engines.engine import Engine
from supervisors.engines.engine_account import EngineAccount
from supervisors.engines.engine_programs import valkey_programs
from supervisors.engines.free_ports import LOOPBACK, fits_unix_socket, keep_ports
from supervisors.engines.secret import keep_secret, write_private
from supervisors.engines.tethered_process import Command

CONNECT_SECONDS = 2.0
# Errors of a client while the server is down. asyncio raises TypeError when an idle connection that
# was reset is used again.
AWAY = (RedisError, OSError, TimeoutError, TypeError)
STOP = ((signal.SIGTERM, 10.0),)
# The server passes hints between gateways and holds the counters of rate limits, so it may lose the
# oldest data, or everything.
SETTINGS = {
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": '""',
    "daemonize": "no",
    "protected-mode": "yes",
    "maxmemory": "256mb",
    "maxmemory-policy": "allkeys-lru",
    "tcp-keepalive": "60",
    "enable-debug-command": "no",
    "enable-module-command": "no",
}


@frozen
class ValkeyEndpoint:
    """A Valkey server's URL, ``redis://…`` or ``unix://…``, with its password."""

    url: str = field(repr=False)


class EmbeddedValkey(Engine[ValkeyEndpoint]):
    """A server in ``data/valkey``, on a unix socket if the path is short enough."""

    name = "valkey"

    def __init__(self, data: Path, *, account: EngineAccount | None) -> None:
        super().__init__(data, account=account)
        self._program = Path()
        self._password = ""
        self._endpoint = ValkeyEndpoint("")

    async def prepare(self, lock: int) -> None:
        found = valkey_programs()
        root = found.within_reach(self.folder.account, self.folder.data)
        self._program = root / found.program
        self._password = keep_secret(self.folder.secrets / "password")

    async def command(self) -> Command:
        data = self.folder.give("store")
        socket = self.folder.give("run", anew=True) / "valkey"
        placed = {"dir": f'"{data}"', "requirepass": self._password}
        if fits_unix_socket(socket):
            placed |= {"port": "0", "unixsocket": f'"{socket}"', "unixsocketperm": "700"}
            url = f"unix://:{self._password}@{quote(str(socket))}"
        else:
            port = keep_ports(self.folder.path / "ports", ("valkey",))["valkey"]
            placed |= {"port": str(port), "bind": LOOPBACK}
            url = f"redis://:{self._password}@{LOOPBACK}:{port}/0"
        self._endpoint = ValkeyEndpoint(url)
        configuration = self.folder.path / "valkey.conf"
        lines = (f"{name} {value}\n" for name, value in {**SETTINGS, **placed}.items())
        write_private(configuration, "".join(lines), self.folder.owned())
        return Command([self._program, configuration], STOP)

    async def ready(self, pid: int) -> ValkeyEndpoint | None:
        return self._endpoint if await process_at(self._endpoint) == pid else None


async def process_at(endpoint: ValkeyEndpoint) -> int | None:
    """Return the id of the server process that answers; None if no process answers, or it still
    loads its data.
    """
    client = client_of(endpoint)
    try:
        server = await client.info("server")
    except AWAY:
        return None
    finally:
        await client.aclose()
    return int(server["process_id"])


def client_of(endpoint: ValkeyEndpoint) -> aioredis.Redis:
    """Return a client without retries; callers reconnect with their own back-off."""
    return aioredis.Redis.from_url(
        endpoint.url,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=CONNECT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
