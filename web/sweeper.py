"""The actor that removes the parts of uploads that nobody goes on with."""

import logging
from datetime import timedelta
from typing import Final

import attrs

from actors.kernel import Actor, Message, Ref, handles
from actors.ports import ObjectsUnavailable
from sql.database import Unavailable
from supervisors.backoff import Backoff
from supervisors.child import Child
from supervisors.intensity import Intensity
from supervisors.registry import Registry
from supervisors.strategy import GiveUp, Strategy
from supervisors.supervisor import Supervisor
from web.gateway import Gateway
from web.multiparts import abort

FIRST_SECONDS: Final = 60.0  # after the start
SWEEP_SECONDS: Final = 600.0
ABANDONED_AFTER: Final = timedelta(days=1)

log = logging.getLogger("sweeper")


class Sweeper:
    """Marker: the address of the actor that removes abandoned parts."""


@attrs.frozen
class Sweep(Message[Sweeper, None]):
    """Its own timer: look for uploads in parts that nobody has gone on with for a day."""


class SweeperActor(Actor[Sweeper]):
    """Several gateways may do so at once: each step can be done twice."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def started(self) -> None:
        self.after(FIRST_SECONDS, Sweep(), jitter=0.5)

    @handles(Sweep)
    async def sweep(self, _: Sweep) -> None:
        try:
            await self._remove_abandoned()
        except (Unavailable, ObjectsUnavailable) as error:
            log.warning("abandoned parts stay for now: %s", error)
        self.after(SWEEP_SECONDS, Sweep(), jitter=0.1)

    async def _remove_abandoned(self) -> None:
        since = self._gateway.clock.now() - ABANDONED_AFTER
        while abandoned := await self._gateway.multiparts.abandoned(since):
            for multipart in abandoned:
                await abort(self._gateway, multipart)
                log.info("the parts of upload %s were removed", multipart.upload_id)


def sweeper_child(gateway: Gateway, registry: Registry) -> Child:
    """The actor over the gateway's database and store, in its own part of the tree."""
    ref = registry.register(Sweeper, Ref[Sweeper]("sweeper"))
    child = Child("sweeper", lambda: SweeperActor(gateway), ref=ref)
    # Under a supervisor of its own: nothing else falls with it, and nothing needs it at once.
    part = Supervisor(
        "Uploads",
        Strategy.ONE_FOR_ONE,
        Intensity(5, 30),
        [child],
        backoff=Backoff(1, 60),
        give_up=GiveUp.STAY_DOWN,
    )
    return Child("Uploads", part)
