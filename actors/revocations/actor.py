"""The revocations actor: reads revocations every second, and whenever the database reports one."""

import logging
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final, Protocol

from actors.kernel import Actor, Ref, handles
from actors.ports import Clock
from actors.revocations.messages import (
    RemoveExpired,
    RevocationPoll,
    Revocations,
    RevocationsChanged,
)
from sql.database import Conflict, Unavailable
from sql.login_sessions import Sessions
from sql.revocations import Revocation, RevocationFeed
from sql.revocations import Revocations as RevocationRows

READ_EVERY_SECONDS: Final = 1.0
TIDY_EVERY_SECONDS: Final = 600.0
LOGINS_KEPT: Final = timedelta(days=30)  # how long logins are kept after they expired

log = logging.getLogger("revocations")


class RevocationSet(Protocol):
    """The revocations that authentication checks; they outlive the actor."""

    def learn(self, found: Iterable[Revocation]) -> None:
        """Add revocations to the set."""
        ...

    def read_at(self, monotonic: float) -> None:
        """Record that the set includes everything that was revoked before this monotonic time."""
        ...

    def tidy(self) -> None:
        """Remove revocations of tokens that have expired."""
        ...


class RevocationsActor(Actor[Revocations]):  # a metric label has this class's name
    """Adds new revocations to the set ``revocations``, which authentication checks.

    ``connect`` opens the feed of new revocations; its argument is a function that wakes this actor.
    The actor also deletes expired ``rows`` of revocations and of ``logins``.
    """

    def __init__(
        self,
        revocations: RevocationSet,
        connect: Callable[[Callable[[], None]], RevocationFeed],
        rows: RevocationRows,
        logins: Sessions,
        clock: Clock,
    ) -> None:
        self._revocations = revocations
        self._connect = connect
        self._rows, self._logins = rows, logins
        self._clock = clock
        self._feed: RevocationFeed | None = None
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
        now = self._clock.now()
        try:
            await self._rows.purge(now)
            await self._logins.purge(now - LOGINS_KEPT)
        except (Unavailable, Conflict) as error:
            log.warning("old revocations cannot be deleted for now: %s", error)
        self.after(TIDY_EVERY_SECONDS, RemoveExpired(), jitter=0.1)

    async def _look(self) -> None:
        assert self._feed is not None, "the feed was opened when the actor started"
        began = self._clock.monotonic()
        try:
            revoked = await self._feed.read(self._since, self._clock.now())
        except (Unavailable, Conflict) as error:
            if not self._away:
                log.warning("revocations cannot be read: %s", error)
            self._away = True
            return
        self._away = False
        self._since = revoked.horizon
        self._revocations.learn(revoked.found)
        self._revocations.read_at(began)


def _waker(ref: Ref[Revocations]) -> Callable[[], None]:
    def wake() -> None:
        ref.tell(RevocationsChanged())

    return wake
