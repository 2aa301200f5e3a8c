"""The set of revocations, in memory, so that a request needs no query.

The revocations are stored in the database. The revocations actor reads them every second, and at
once when the database reports a change. If this set is more than two seconds old, all requests that
need a token are refused, as if the database were down: a token may have been revoked in that time.
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
# After the whole process was paused, a request waits this long for the next reading, unless the
# last one is older than CAUGHT_UP_SECONDS.
CATCH_UP_SECONDS: Final = 0.3
CAUGHT_UP_SECONDS: Final = 6.0
KEPT: Final = timedelta(days=1)  # no access token and no cached key lives longer
# Revocations of these kinds refuse tokens and keys. A revocation of the kind ``user`` only drops
# cached keys.
REFUSED: Final = frozenset({"session", "token", "key", "node"})

# A function that is called with revoked ids, at once and in the order of revocation. The function
# must not block.
Heard: TypeAlias = Callable[[frozenset[UUID]], None]


class Revocations:
    """The revocations that authentication checks; they outlive the actor that reads them."""

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
        """True if the set is at most two seconds old."""
        return self._age <= STALE_SECONDS

    @property
    def _age(self) -> float:
        """Seconds since the set was known to be complete."""
        return float("inf") if self._read_at is None else self._clock.monotonic() - self._read_at

    async def current(self) -> bool:
        """Return ``is_fresh``, after a short wait if the set is only slightly too old."""
        if not self.is_fresh and self._age <= CAUGHT_UP_SECONDS:
            self._reading.clear()
            try:
                async with asyncio.timeout(CATCH_UP_SECONDS):
                    await self._reading.wait()
            except TimeoutError:
                return False
        return self.is_fresh

    def refuses(self, claims: Claims) -> bool:
        """Return True if the token, its login, or its node was revoked."""
        until = self._until
        if claims.family in until or claims.identity in until:
            return True
        return claims.type is TokenType.NODE and claims.subject in until

    def hear(self, heard: Heard) -> Callable[[], None]:
        """Call ``heard`` with the ids of all later revocations, here or at other gateways.

        An id may belong to a login, a token, an API key, a node or a user; a user's id may come
        twice. Call the returned function to stop.
        """
        self._hearers.append(heard)
        return lambda: self._hearers.remove(heard)

    def add(self, *ids: UUID) -> None:
        """Add what this gateway has just revoked, so that the next request here is refused."""
        until = self._clock.now() + KEPT
        self.learn(Revocation(id_, "session", until) for id_ in ids)

    def changed(self, user: UUID) -> None:
        """Drop cached keys of a user whom this gateway has just changed."""
        self.learn([Revocation(user, "user", self._clock.now() + KEPT)])

    def learn(self, found: Iterable[Revocation]) -> None:
        """Add revocations, and report new ones to those that ``hear``."""
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
        """Record that the set includes everything that was revoked before ``monotonic``."""
        self._read_at = monotonic
        self._reading.set()

    def tidy(self) -> None:
        """Remove revocations that have expired."""
        now = self._clock.now()
        for id_ in [id_ for id_, until in self._until.items() if until <= now]:
            del self._until[id_]
