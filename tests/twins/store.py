"""The database in memory, for the actors' tests: the same rows, the same rules, and failures."""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from uuid import UUID

import attrs

from sql.audit import Act
from sql.books import (
    MADE_WHEN_NEEDED,
    PLATFORM_ACCOUNTS,
    AccountRow,
    BooksTransaction,
    Changes,
    EntryRow,
    HoldRow,
    JobRow,
    KeyId,
    KeyRow,
    Keys,
    Rows,
    TransferKey,
    TransferRow,
    UnitId,
    UnitRow,
)
from sql.database import Unavailable
from sql.earnings import Claimable, DisputeRow, EarningRow, PayoutRow, Ripe
from sql.fsck import Finding
from sql.log import LogTransaction, Look
from sql.work import NOTHING_SAID, Lease, LeaseId, NodeRow, OpenUnit, Standing, StandingRow
from tests.twins.store_audit import audit
from tests.twins.store_earnings import claimable, keep_earnings, lock_earnings, ripe
from tests.twins.store_log import LogTables, LogTwin, look_at
from tests.twins.store_rules import check

AWAY_SECONDS, AWAY_STEPS = 1.8, 36  # how long a method tries while the database is away
UNHEALTHY, OFFLINE = timedelta(seconds=90), timedelta(seconds=300)


@attrs.define
class NodeTwin:
    """A row of ``nodes``."""

    id: UUID
    owner: UUID | None
    capabilities: tuple[str, ...]
    load: float
    verified: bool
    status: str
    seen_at: datetime | None
    standing: Standing = NOTHING_SAID
    standing_at: datetime | None = None


class StoreTwin:
    """A Store over dicts. Several ledgers may share it: transactions exclude each other.

    ``away`` makes every method raise Unavailable; ``fail_next`` and ``lose_commit_answer`` do so
    once. Unlike the real one it does not know users, nor whether a unit's node exists.
    """

    def __init__(self) -> None:
        self.accounts: dict[str, AccountRow] = {}
        self.holds: dict[str, HoldRow] = {}
        self.jobs: dict[UUID, JobRow] = {}
        self.units: dict[UnitId, UnitRow] = {}
        self.transfers: dict[TransferKey, TransferRow] = {}
        self.entries: dict[tuple[str, int], EntryRow] = {}  # by account and version
        self.answers: dict[KeyId, KeyRow] = {}
        self.acts: list[Act] = []
        self.earnings: dict[UnitId, EarningRow] = {}
        self.disputes: dict[UnitId, DisputeRow] = {}
        self.payouts: dict[UUID, PayoutRow] = {}
        self.nodes: dict[UUID, NodeTwin] = {}
        self.away = False
        self.latency = 0.0  # seconds of each round trip, one that fails too
        self.commits = 0
        self.pause: Callable[[], object] | None = None  # called at each round trip
        self.transfer_ids, self.entry_ids = itertools.count(1), itertools.count(1)
        self._account_ids = itertools.count(1)
        self._failures: deque[Exception] = deque()
        self.lost_answers = 0
        self._locked, self._log_locked = asyncio.Lock(), asyncio.Lock()
        self.log_tables = LogTables()
        self.under_way: set[int] = set()  # transactions, by their numbers
        self.next_transaction = 1
        for name in PLATFORM_ACCOUNTS:
            self.make_account(name, may_overdraw=True)

    # -- what tests do to it

    def fail_next(self, *errors: Exception) -> None:
        """The next round trips fail with these; Unavailable when none is given."""
        self._failures.extend(errors or (Unavailable("injected"),))

    def lose_commit_answer(self, times: int = 1) -> None:
        """The next commits happen, and Unavailable is raised all the same."""
        self.lost_answers = times

    def add_node(
        self,
        node: UUID,
        capabilities: Sequence[str],
        *,
        owner: UUID | None = None,
        load: float = 0.0,
        verified: bool = True,
        status: str = "HEALTHY",
        seen_at: datetime | None = None,
    ) -> None:
        """A row of ``nodes``, as the web writes it."""
        row = NodeTwin(node, owner, tuple(capabilities), load, verified, status, seen_at)
        self.nodes[node] = row

    def make_account(self, name: str, *, may_overdraw: bool = False) -> None:
        number = next(self._account_ids)
        self.accounts[name] = AccountRow(number, name, may_overdraw=may_overdraw)

    # -- the port

    def transaction(self) -> AbstractAsyncContextManager[BooksTransaction]:
        return self._transaction()

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[BooksTransaction]:
        await self.round_trip()
        async with self._locked:
            books = BooksTwin(self)
            with self._numbered():
                yield books
                await self.round_trip()
                books.commit()
            self.commits += 1
            self._lose_answer()

    def log(self) -> AbstractAsyncContextManager[LogTransaction]:
        return self._log()

    @asynccontextmanager
    async def _log(self) -> AsyncGenerator[LogTransaction]:
        await self.round_trip()
        async with self._log_locked:
            with self._numbered() as number:
                log = LogTwin(self, number)
                yield log
                await self.round_trip()
                log.commit()
            self._lose_answer()

    async def log_look(self, limit: int) -> Look | None:
        await self.round_trip()
        return look_at(self, limit)

    async def renew_leases(self, leases: Sequence[Lease]) -> frozenset[LeaseId]:
        await self.round_trip()
        renewed: set[LeaseId] = set()
        for lease in leases:
            unit = self.units.get((lease.job, lease.unit))
            if unit is None or unit.state not in ("DISPATCHED", "RUNNING"):
                continue
            if (unit.attempt, unit.node_id) == (lease.attempt, lease.node):
                self.units[lease.job, lease.unit] = attrs.evolve(unit, lease_until=lease.until)
                renewed.add(lease.id)
        return frozenset(renewed)

    async def audit(self, *, whole: bool = True) -> Sequence[Finding]:
        await self.round_trip()
        async with self._locked:
            return audit(self)

    async def open_units(self) -> Sequence[OpenUnit]:
        await self.round_trip()
        found = [self._open_unit(unit) for unit in self.units.values() if unit.ended_at is None]
        return sorted(found, key=lambda unit: (unit.queued_at, unit.job, unit.unit))

    async def open_units_of(self, node: UUID) -> Sequence[OpenUnit]:
        await self.round_trip()
        found = [unit for unit in self._at_work() if unit.node_id == node]
        found.sort(key=lambda unit: (unit.assigned_at, unit.job_id, unit.number))
        return [self._open_unit(unit) for unit in found]

    async def lost_units(self, now: datetime, unsent_since: datetime) -> Sequence[OpenUnit]:
        await self.round_trip()
        found = [unit for unit in self._at_work() if _is_lost(unit, now, unsent_since)]
        found.sort(key=lambda unit: (unit.job_id, unit.number))
        return [self._open_unit(unit) for unit in found]

    async def waiting_units(self, submitted_before: datetime) -> Sequence[OpenUnit]:
        await self.round_trip()
        found = [
            unit
            for unit in self.units.values()
            if unit.state == "QUEUED" and self.jobs[unit.job_id].created_at < submitted_before
        ]
        found.sort(key=lambda unit: (unit.job_id, unit.number))
        return [self._open_unit(unit) for unit in found[:1000]]

    async def healthy_nodes(self) -> Sequence[NodeRow]:
        await self.round_trip()
        healthy = [node for node in self.nodes.values() if node.status == "HEALTHY"]
        return [
            NodeRow(n.id, n.owner, n.capabilities, n.load, n.verified)
            for n in sorted(healthy, key=lambda node: node.id)
        ]

    async def standings(self, since: datetime) -> Sequence[StandingRow]:
        await self.round_trip()
        rows = [
            StandingRow(node.id, node.owner, node.standing, node.standing_at)
            for node in self.nodes.values()
            if node.standing_at is not None and node.standing_at >= since
        ]
        return sorted(rows, key=lambda row: (row.at, row.node))

    async def node_seen(self, node: UUID, at: datetime) -> None:
        await self.round_trip()
        row = self.nodes.get(node)
        if row is not None and (row.seen_at is None or row.seen_at <= at):
            row.seen_at, row.status = at, "HEALTHY"

    async def ripe_earnings(self, now: datetime, limit: int) -> Sequence[Ripe]:
        await self.round_trip()
        return ripe(self, now, limit)

    async def claimable_earnings(self, limit: int) -> Sequence[Claimable]:
        await self.round_trip()
        return claimable(self, limit)

    async def silence(self, now: datetime) -> Sequence[UUID]:
        await self.round_trip()
        gone: list[UUID] = []
        for node in self.nodes.values():
            if node.status not in ("HEALTHY", "UNHEALTHY"):
                continue
            if node.seen_at is not None and node.seen_at > now - UNHEALTHY:
                continue
            if node.status == "HEALTHY":
                gone.append(node.id)
            offline = node.seen_at is None or node.seen_at <= now - OFFLINE
            node.status = "OFFLINE" if offline else "UNHEALTHY"
        return gone

    # -- inside

    async def round_trip(self) -> None:
        """Let others run, as they would while the network is waited for; then perhaps fail."""
        if self.pause is not None:
            self.pause()
        await asyncio.sleep(self.latency)
        for _ in range(AWAY_STEPS):
            if not self.away:
                break
            await asyncio.sleep(AWAY_SECONDS / AWAY_STEPS)
        if self.away:
            raise Unavailable("away")
        if self._failures:
            raise self._failures.popleft()

    @contextmanager
    def _numbered(self) -> Generator[int]:
        number = self.next_transaction
        self.next_transaction += 1
        self.under_way.add(number)
        try:
            yield number
        finally:
            self.under_way.discard(number)

    def _lose_answer(self) -> None:
        if self.lost_answers:
            self.lost_answers -= 1
            raise Unavailable("the answer to COMMIT was lost")

    def numbers_of(self, job: UUID) -> Iterator[UnitId]:
        """The ids of a job's units, which are numbered from 0."""
        return itertools.takewhile(self.units.__contains__, ((job, n) for n in itertools.count()))

    def _at_work(self) -> list[UnitRow]:
        return [unit for unit in self.units.values() if unit.state in ("DISPATCHED", "RUNNING")]

    def _open_unit(self, unit: UnitRow) -> OpenUnit:
        job = self.jobs[unit.job_id]
        return OpenUnit(
            job=job.id,
            unit=unit.number,
            user=job.user_id,
            job_type=job.job_type,
            payload_ref=job.payload_ref,
            params=job.params,
            state=unit.state,
            attempt=unit.attempt,
            node=None if unit.state == "QUEUED" else unit.node_id,
            avoid=frozenset(unit.avoid),
            failures=unit.failures,
            not_before=unit.not_before,
            assigned_at=unit.assigned_at,
            lease_until=unit.lease_until,
            queued_at=job.queued_at,
        )


class BooksTwin:
    """One transaction: what is written is kept back until the commit."""

    def __init__(self, store: StoreTwin) -> None:
        self._store = store
        self._changes: list[Changes] = []

    async def lock(self, keys: Keys) -> Rows:
        await self._store.round_trip()
        store = self._store
        whole = {key for job in keys.whole for key in store.numbers_of(job)}
        units = {key: store.units[key] for key in keys.units | whole if key in store.units}
        holds = set(keys.holds) | {f"job:{job}:{number}" for job, number in whole}
        found = {name: hold for name, hold in store.holds.items() if name in holds}
        names = set(keys.accounts) | {hold.account for hold in found.values()}
        earned = lock_earnings(store, keys)
        names |= {row.account for row in earned["earnings"].values()}
        names |= {f"operator:{row.operator_id}" for row in earned["payouts"].values()}
        for name in sorted(names - store.accounts.keys()):
            if name.startswith(MADE_WHEN_NEEDED):
                store.make_account(name)
        return Rows(
            accounts={n: store.accounts[n] for n in sorted(names) if n in store.accounts},
            holds=found,
            jobs={job: store.jobs[job] for job in keys.jobs if job in store.jobs},
            units=units,
            transfers={
                key: (store.transfers[key], self._entry_of_subject(store.transfers[key]))
                for key in keys.transfers
                if key in store.transfers
            },
            idempotency={k: store.answers[k] for k in keys.idempotency if k in store.answers},
            transfer_ids=itertools.islice(store.transfer_ids, keys.postings),
            entry_ids=itertools.islice(store.entry_ids, 2 * keys.postings),
            **earned,
        )

    async def write(self, changes: Changes) -> None:
        await self._store.round_trip()
        check(self._store, changes)
        self._changes.append(changes)

    def commit(self) -> None:
        store = self._store
        for changes in self._changes:
            store.accounts.update({row.name: row for row in changes.accounts})
            store.holds.update({row.reference: row for row in changes.holds})
            store.jobs.update({row.id: row for row in changes.jobs})
            store.units.update({(row.job_id, row.number): row for row in changes.units})
            for row in changes.transfers:
                store.transfers[row.subject, row.kind, row.reference] = row
            store.entries.update({(row.account, row.version): row for row in changes.entries})
            store.acts.extend(changes.acts)
            store.answers.update({(row.user_id, row.key): row for row in changes.idempotency})
            keep_earnings(store, changes)

    def _entry_of_subject(self, transfer: TransferRow) -> EntryRow:
        entries = self._store.entries.values()
        return next(
            entry
            for entry in entries
            if entry.transfer_id == transfer.id and entry.account == transfer.subject
        )


def _is_lost(unit: UnitRow, now: datetime, unsent_since: datetime) -> bool:
    if unit.lease_until is not None:
        return unit.lease_until <= now
    return unit.assigned_at is not None and unit.assigned_at < unsent_since
