"""The actor that reads revocations: every second, and whenever the database reports one."""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import ClassVar, Final, Protocol, TypeAlias

import attrs

from actors.kernel import Actor, Message, Overflow, Ref, handles
from actors.ports import Clock
from sql.database import Unavailable
from sql.revocations import RevocationFeed, Revoked
from sql.revocations import Revocations as RevocationRows
from supervisors.child import Child
from supervisors.intensity import Intensity
from supervisors.registry import Registry
from supervisors.strategy import Strategy
from supervisors.supervisor import Supervisor
from web.gateway import Gateway
from web.identity.revocation import Revocations

READ_EVERY_SECONDS: Final = 1.0
TIDY_EVERY_SECONDS: Final = 600.0
LOGINS_KEPT: Final = timedelta(days=30)  # after they expired

log = logging.getLogger("revocations")


class RevocationSource(Protocol):
    """The source of revocations."""

    async def read(self, since: int, now: datetime) -> Revoked:
        """Return at least the revocations from ``since`` on. Raises Unavailable within a second."""
        ...

    def close(self) -> None:
        """Release its resources."""
        ...


class Revoker:
    """Marker: the address of the RevocationsActor."""


@attrs.frozen
class RevocationsChanged(Message[Revoker, None]):
    """From the database, through the feed: something was revoked. One reading finds all."""

    overflow: ClassVar[Overflow] = Overflow.COALESCE

    def coalesce_key(self) -> str:
        return "read"


@attrs.frozen
class RevocationPoll(Message[Revoker, None]):
    """From its own timer: read again, in case a notification was lost."""


@attrs.frozen
class RemoveExpired(Message[Revoker, None]):
    """From its own timer: remove what has expired, here and in the database."""


# Deletes rows that concern no token any longer. Raises Unavailable.
Purge: TypeAlias = Callable[[datetime], Awaitable[None]]


class RevocationsActor(Actor[Revoker]):
    """Fills ``revocations`` from the source that ``connect`` makes, given a function to wake it."""

    def __init__(
        self,
        revocations: Revocations,
        connect: Callable[[Callable[[], None]], RevocationSource],
        purge: Purge,
        clock: Clock,
    ) -> None:
        self._revocations = revocations
        self._connect = connect
        self._purge = purge
        self._clock = clock
        self._feed: RevocationSource | None = None
        self._since = 0
        self._away = False

    async def started(self) -> None:
        self._feed = self._connect(_waker(self.ref))
        self.after(READ_EVERY_SECONDS, RevocationPoll())
        self.after(TIDY_EVERY_SECONDS, RemoveExpired(), jitter=0.1)
        await self._look()

    async def stopped(self) -> None:
        if self._feed is not None:
            self._feed.close()

    @handles(RevocationsChanged)
    async def read(self, _: RevocationsChanged) -> None:
        await self._look()

    @handles(RevocationPoll)
    async def tick(self, _: RevocationPoll) -> None:
        self.after(READ_EVERY_SECONDS, RevocationPoll())
        await self._look()

    @handles(RemoveExpired)
    async def tidy(self, _: RemoveExpired) -> None:
        self._revocations.tidy()
        try:
            await self._purge(self._clock.now())
        except Unavailable as error:
            log.warning("old revocations cannot be deleted for now: %s", error)
        self.after(TIDY_EVERY_SECONDS, RemoveExpired(), jitter=0.1)

    async def _look(self) -> None:
        assert self._feed is not None, "it was made when the actor started"
        began = self._clock.monotonic()
        try:
            revoked = await self._feed.read(self._since, self._clock.now())
        except Unavailable as error:
            if not self._away:
                log.warning("revocations cannot be read: %s", error)
            self._away = True
            return
        self._away = False
        self._since = revoked.horizon
        self._revocations.learn(revoked.found)
        self._revocations.read_at(began)


def revoker_child(gateway: Gateway, registry: Registry) -> Child:
    """The actor over the gateway's database, under its own supervisor."""
    database, clock = gateway.database, gateway.ports.clock
    rows = RevocationRows(database)

    async def purge(now: datetime) -> None:
        await rows.purge(now)
        await gateway.tables.sessions.purge(now - LOGINS_KEPT)

    def make() -> RevocationsActor:
        return RevocationsActor(
            gateway.identity.revocations, lambda wake: RevocationFeed(database, wake), purge, clock
        )

    ref = registry.register(Revoker, Ref[Revoker]("revocations"))
    # Under its own supervisor: its crash restarts neither the site nor any socket.
    child = Child("revocations", make, ref=ref)
    return Child("Fence", Supervisor("Fence", Strategy.ONE_FOR_ONE, Intensity(5, 30), [child]))


def _waker(ref: Ref[Revoker]) -> Callable[[], None]:
    def wake() -> None:
        ref.tell(RevocationsChanged())

    return wake
