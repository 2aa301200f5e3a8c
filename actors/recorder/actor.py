"""The Recorder actor: writes the connections of nodes to the database.

The actor also ends the recorded connections of gateways that no longer run.
"""

import logging
from typing import Final, Protocol

from actors.kernel import Actor, handles
from actors.recorder.messages import Recorder, Write
from sql.database import Conflict, Unavailable

WRITE_SECONDS: Final = 2.0

log = logging.getLogger("connections")


class ConnectionHistory(Protocol):
    """Record of nodes' connections in the database. Methods raise Unavailable and Conflict."""

    async def write(self) -> None:
        """Record the connections and disconnections since the last call, and that this gateway
        runs.
        """
        ...

    async def miss(self) -> None:
        """End the recorded connections of gateways that no longer run."""
        ...


class RecorderActor(Actor[Recorder]):
    """Writes nodes' connections periodically, and once more when it stops.

    The Recorder starts before the listener and stops after it. So all connections have ended when
    the Recorder stops.
    """

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
            log.warning("connections of nodes cannot be recorded now: %s", type(error).__name__)
