"""The ledger actor: what arrives while one batch is committed forms the next one."""

import logging
from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client import Counter, Histogram

from actors.kernel import Actor, Fatal, fail_point, handles_batch
from actors.ledger.balance import violation
from actors.ledger.decision import decide
from actors.ledger.keys import keys_of
from actors.ledger.messages import (
    BooksAway,
    Commit,
    Decided,
    Effect,
    GuardFailed,
    Ledger,
    Outcome,
    RenewLeases,
)
from actors.ports import Clock, Random, Store
from rendertrust.money import UNITS_PER_CREDIT
from sql.books import Changes
from sql.database import Conflict, Refused, Unavailable

PATIENCE_SECONDS: Final = 1.8  # with the database away; askers wait two
TRIES_MAX: Final = 5  # of one batch; a server that resets at once is not hammered
BATCH: Final = Histogram(
    "rendertrust_ledger_batch_size",
    "Commits that shared one transaction.",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
)
COMMIT_SECONDS: Final = Histogram(
    "rendertrust_ledger_commit_seconds",
    "From a batch's start to its decision, waiting for the database and tries included.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
CHARGED: Final = Counter("rendertrust_credits_charged", "Credits charged for work.")
BOUGHT: Final = Counter("rendertrust_credits_bought", "Credits that were paid for.")
EVENTS: Final = Counter(
    "rendertrust_stripe_events", "Events of Stripe's, by what became of them.", ["outcome"]
)
CONFLICTS_MAX: Final = 20  # of one batch
log = logging.getLogger("ledger")


class LedgerActor(Actor[Ledger]):
    """Decides batches in memory, under locks; the database has the last word.

    A batch that would break the books stops the process: nothing of it is written.
    """

    def __init__(self, store: Store, clock: Clock, random: Random) -> None:
        self._store = store
        self._clock = clock
        self._random = random

    @handles_batch(Commit, limit=1000)
    async def commit(self, commits: Sequence[Commit]) -> Sequence[Outcome]:
        BATCH.observe(len(commits))
        begun = self._clock.monotonic()
        outcomes: list[Outcome] = [BooksAway() for _ in commits]
        try:
            outcomes = await self._settle(commits)
        finally:  # askers hear of a crash by themselves; observers would wait for ever
            for commit, outcome in zip(commits, outcomes, strict=True):
                if commit.observer is not None:
                    commit.observer.tell(Decided(commit.tag, outcome))
        COMMIT_SECONDS.observe(self._clock.monotonic() - begun)
        return outcomes

    @handles_batch(RenewLeases, limit=1000)
    async def renew(self, requests: Sequence[RenewLeases]) -> Sequence[int]:
        leases = [lease for request in requests for lease in request.leases]
        try:
            renewed = await self._store.renew_leases(leases)
        except (Unavailable, Conflict) as error:
            log.warning("leases are not renewed: %s", error)
            return [0] * len(requests)
        return [sum(lease.id in renewed for lease in request.leases) for request in requests]

    async def _settle(self, commits: Sequence[Commit]) -> list[Outcome]:
        """Try until it is decided, or the database has been away for too long."""
        give_up = self._clock.monotonic() + PATIENCE_SECONDS
        tries, conflicts = 0, 0
        while True:
            try:
                return await self._attempt(commits, again=tries > 0)
            except Unavailable:
                # The answer to COMMIT may be what was lost: all is decided anew, by what is found.
                tries += 1
                if tries == TRIES_MAX or self._clock.monotonic() >= give_up:
                    return [BooksAway() for _ in commits]
            except Conflict:
                conflicts += 1
                if conflicts > CONFLICTS_MAX:
                    raise
            except Refused as error:
                return await self._one_by_one(commits, error)

    async def _attempt(self, commits: Sequence[Commit], *, again: bool) -> list[Outcome]:
        async with self._store.transaction() as books:
            rows = await books.lock(keys_of(commits))
            now = self._clock.now()
            changes, outcomes = decide(rows, commits, now, self._random.uuid, again=again)
            broken = violation(rows, changes)
            if broken is not None:
                raise Fatal(broken)
            await books.write(changes)
            fail_point.reach("before_commit", effects_of(commits))
        CHARGED.inc(moved(changes, "USAGE") / UNITS_PER_CREDIT)
        BOUGHT.inc(moved(changes, "STRIPE") / UNITS_PER_CREDIT)
        for event in changes.events:
            EVENTS.labels(event.outcome).inc()
        fail_point.reach("after_commit", effects_of(commits))
        return outcomes

    async def _one_by_one(self, commits: Sequence[Commit], error: Refused) -> list[Outcome]:
        """One commit holds what the database refuses: it alone shall fail."""
        if len(commits) == 1:
            log.error("a commit was refused: %s", error)
            return [GuardFailed("Commit", str(error))]
        return [(await self._settle([commit]))[0] for commit in commits]


def moved(changes: Changes, kind: str) -> int:
    """What a batch moved by transfers of a kind, in units of money."""
    return sum(transfer.amount for transfer in changes.transfers if transfer.kind == kind)


def effects_of(commits: Sequence[Commit]) -> Iterator[Effect]:
    """All changes of jobs and units in a batch, in order."""
    return (effect for commit in commits for effect in commit.effects)
