"""The actor that records connections of nodes, and ends those of gateways that are gone."""

import logging
from typing import Final

import attrs

from actors.kernel import Actor, Message, Ref, handles
from sql.database import Conflict, Unavailable
from supervisors.backoff import Backoff
from supervisors.child import Child
from supervisors.intensity import Intensity
from supervisors.registry import Registry
from supervisors.strategy import GiveUp, Strategy
from supervisors.supervisor import Supervisor
from web.gateway import Gateway
from web.nodes.connections import Connections

WRITE_SECONDS: Final = 2.0

log = logging.getLogger("connections")


class Recorder:
    """Marker: the address of the RecorderActor."""


@attrs.frozen
class Write(Message[Recorder, None]):
    """From its own timer: write what has happened, and that this gateway is alive."""


class RecorderActor(Actor[Recorder]):
    """Started before the listener: when it stops, the last connections have ended."""

    def __init__(self, connections: Connections) -> None:
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
            log.warning("connections of nodes are recorded later: %s", type(error).__name__)


def recorder_child(gateway: Gateway, registry: Registry) -> Child:
    """The actor over the gateway's connections, under its own supervisor."""
    ref = registry.register(Recorder, Ref[Recorder]("recorder"))
    child = Child("recorder", lambda: RecorderActor(gateway.connections), ref=ref)
    # Under its own supervisor: its failure stops nothing else, and nothing needs it at once.
    part = Supervisor(
        "Connections",
        Strategy.ONE_FOR_ONE,
        Intensity(5, 30),
        [child],
        backoff=Backoff(1, 60),
        give_up=GiveUp.STAY_DOWN,
    )
    return Child("Connections", part)
