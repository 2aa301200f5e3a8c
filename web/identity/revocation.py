"""What was revoked: kept in memory, so that a request costs no query, and never for long unread.

PostgreSQL has the truth. An actor reads on every second, and at once when the database says that
there is something new. When it could not read for two seconds nobody who needs a token is served,
as the database is away: a token that was revoked meanwhile must not open anything.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

from actors.ports import Clock
from sql.revocations import Revocation
from web.identity.tokens import Claims, TokenType

STALE_SECONDS: Final = 2.0
# After a moment in which the whole process stood still, the next reading is waited for: so long,
# and not when there has been none for longer.
CATCH_UP_SECONDS: Final = 0.3
CAUGHT_UP_SECONDS: Final = 6.0
KEPT: Final = timedelta(days=1)  # no access token, and nothing remembered of a key, lives longer
# A name of these kinds is refused; of a user only what is remembered must be looked up again.
REFUSED: Final = frozenset({"session", "token", "key", "node"})

# Told the ids, at once and in the order of their revocation; it must not block.
Heard: TypeAlias = Callable[[frozenset[UUID]], None]


class Revocations:
    """The set that the fence looks into. It outlives the actor that fills it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[UUID, datetime] = {}
        self._read_at: float | None = None
        self._reading = asyncio.Event()
        self._hearers: list[Heard] = []

    def __len__(self) -> int:
        return len(self._until)

    @property
    def is_fresh(self) -> bool:
        """Whether the set is at most two seconds old."""
        return self._age <= STALE_SECONDS

    @property
    def _age(self) -> float:
        """Seconds since the set was known to be whole."""
        return float("inf") if self._read_at is None else self._clock.monotonic() - self._read_at

    async def current(self) -> bool:
        """As ``is_fresh``; a set that is only just too old is given a moment to be read anew."""
        if not self.is_fresh and self._age <= CAUGHT_UP_SECONDS:
            self._reading.clear()
            try:
                async with asyncio.timeout(CATCH_UP_SECONDS):
                    await self._reading.wait()
            except TimeoutError:
                return False
        return self.is_fresh

    def refuses(self, claims: Claims) -> bool:
        """Whether the token, its login, or the node whose it is was revoked."""
        until = self._until
        if claims.family in until or claims.identity in until:
            return True
        return claims.type is TokenType.NODE and claims.subject in until

    def hear(self, heard: Heard) -> Callable[[], None]:
        """Call ``heard`` with the ids of what is revoked from now on, here or elsewhere.

        An id may be of a login, a token, an API key, a node or a user; of a user it may come
        twice. What is returned ends it.
        """
        self._hearers.append(heard)
        return lambda: self._hearers.remove(heard)

    def add(self, *ids: UUID) -> None:
        """What this gateway has just revoked, so that its next request sees it."""
        until = self._clock.now() + KEPT
        self.learn(Revocation(id_, "session", until) for id_ in ids)

    def changed(self, user: UUID) -> None:
        """What is remembered of a user whom this gateway has just changed is out of date."""
        self.learn([Revocation(user, "user", self._clock.now() + KEPT)])

    def learn(self, found: Iterable[Revocation]) -> None:
        """Take in what was read."""
        fresh: set[UUID] = set()
        for revocation in found:
            known = self._until.get(revocation.id)
            if known is None:
                fresh.add(revocation.id)
            if revocation.kind in REFUSED and (known is None or known < revocation.expires_at):
                self._until[revocation.id] = revocation.expires_at
        if fresh:
            for heard in self._hearers:
                heard(frozenset(fresh))

    def read_at(self, monotonic: float) -> None:
        """The set holds everything that was revoked before."""
        self._read_at = monotonic
        self._reading.set()

    def tidy(self) -> None:
        """Forget what has expired by itself."""
        now = self._clock.now()
        for id_ in [id_ for id_, until in self._until.items() if until <= now]:
            del self._until[id_]
