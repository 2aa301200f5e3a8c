"""The Recorder actor: records connections of nodes, and ends those of gateways that are gone."""

import logging
from typing import Final, Protocol

from actors.kernel import Actor, handles
from actors.recorder.messages import Recorder, Write
from sql.database import Conflict, Unavailable

WRITE_SECONDS: Final = 2.0

log = logging.getLogger("connections")


class ConnectionHistory(Protocol):
    """The connections of nodes. Both methods raise Unavailable and Conflict."""

    async def write(self) -> None:
        """Write all that has happened, and that this gateway is alive."""
        ...

    async def miss(self) -> None:
        """End the connections of gateways that are gone."""
        ...


class RecorderActor(Actor[Recorder]):
    """Started before the listener: when it stops, the last connections have ended."""

    def __init__(self, connections: ConnectionHistory) -> None:
        self._connections = connections

    async def started(self) -> None:
        self.after(0.0, Write())

    async def stopped(self) -> None:
        await self._write()

    @handles(Write)
    async def write(self, _: Write) -> None:
        await self._write()
        self.after(WRITE_SECONDS, Write(), jitter=0.1)

    async def _write(self) -> None:
        try:
            await self._connections.write()
            await self._connections.miss()
        except (Unavailable, Conflict) as error:
            log.warning("recording nodes' connections later: %s", type(error).__name__)
