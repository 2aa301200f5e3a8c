"""In-memory database for tests of actors, with the real rows and rules, and failures on demand."""

import asyncio
import itertools
from collections import deque
from collections.abc import (
    AsyncGenerator,
    Callable,
    Collection,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import attrs

from actors.ports import Clock
from sql.access import ALONE, Access
from sql.account_names import MADE_WHEN_NEEDED
from sql.audit_log import Act
from sql.books import (
    AccountRow,
    BooksTransaction,
    Changes,
    EntryRow,
    HoldRow,
    JobRow,
    KeyId,
    KeyRow,
    Keys,
    NewJob,
    ReadBooks,
    Rows,
    TransferKey,
    TransferRow,
    UnitId,
    UnitRow,
    needs_accounts_alone,
    needs_locks,
)
from sql.checks import (
    CheckId,
    CheckRow,
    Pending,
    Place,
    SceneReport,
    SeenVerifier,
    UncutScene,
    VerifierLoad,
    WordRow,
)
from sql.database import AnswerLost, Mismatch, Unavailable
from sql.earnings import (
    ClaimableEarning,
    DisputeRow,
    EarningRow,
    FineId,
    FineRow,
    MaturedEarning,
    PayoutRow,
    UncheckedEarning,
)
from sql.fsck import AuditIncrement, AuditMark, Finding, NotedAudit
from sql.halts import Halted
from sql.job_plan import JobPlan, read_plan
from sql.log import LogKeys, LogTransaction, LogView
from sql.node_failures import FailureNote
from sql.nodes import (
    NOTHING_SAID,
    QUARANTINED,
    NodeRow,
    SessionStart,
    StandingChange,
    StandingRecord,
    StandingRow,
)
from sql.overruns import Overrun
from sql.payout_rules import PassedDate, PayoutRule
from sql.purchases import PurchaseRow, ReversalRow, StripeEventRow
from sql.receipts import ReceiptRow
from sql.reputation_rules import LIES, Record
from sql.units import (
    JobPlace,
    KnownPlan,
    Lease,
    LeaseId,
    OpenJob,
    OpenJobTerms,
    OpenUnit,
    PartResult,
    UnitDuration,
    nothing_known,
)
from tests.twins.clock import TwinClock
from tests.twins.store_audit import audit
from tests.twins.store_checks import (
    find_checks,
    keep_checks,
    pending_checks,
    quarantine,
    records,
    releasable_nodes,
    scene_reports,
    stand,
    unchecked_earnings,
)
from tests.twins.store_earnings import (
    at_stake,
    claimable,
    keep_earnings,
    lock_earnings,
    matured_earnings,
    passed_payout_dates,
)
from tests.twins.store_log import LogTables, LogTwin, log_view
from tests.twins.store_multiparts import MultipartsOfResults
from tests.twins.store_purchases import find_purchases
from tests.twins.store_rules import check

# How long, and in how many steps, a method tries while the database is away.
AWAY_SECONDS, AWAY_STEPS = 1.8, 36
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PLATFORM_ACCOUNTS = ("purchases", "revenue", "adjustments", "payouts", "disputes", "suspense")
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
    standing: StandingRecord = NOTHING_SAID
    standing_at: datetime | None = None
    released_at: datetime | None = None
    quarantined_at: datetime | None = None
    caught: str | None = None
    epoch: int = 0
    failures: int = 0
    failing_since: datetime | None = None

    @property
    def ends_by_results(self) -> bool:
        """Return whether valid results for its owner end the node's quarantine."""
        is_ours = self.caught == LIES and self.standing_at == self.quarantined_at
        return self.standing.name == QUARANTINED and is_ours and self.released_at is None


class StoreTwin(MultipartsOfResults):
    """A Store over dicts, which several Ledgers may share, as its transactions exclude each other.

    ``away`` makes every method raise Unavailable; ``fail_next`` makes the next round trips fail; a
    failed COMMIT of the books raises AnswerLost. ``lose_commit_answer`` loses the answers to the
    next commits. ``halted``: transactions of the books raise Halted. Unlike the real store, the
    twin knows no users and does not check that a unit's node exists.
    """

    sealed_secret: bytes | None = None
    log_keys: LogKeys | None = None  # the newest keys
    noted_audit: NotedAudit | None = None
    halted = False

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__()
        self.own_clock = TwinClock()  # the database's clock, unless a test gives another
        self.clock = clock or self.own_clock
        self.accounts: dict[str, AccountRow] = {}
        self.holds: dict[str, HoldRow] = {}
        self.jobs: dict[UUID, JobRow] = {}
        self.new_jobs: dict[UUID, NewJob] = {}  # the columns of jobs that never change
        self.units: dict[UnitId, UnitRow] = {}
        self.logs: dict[tuple[UUID, int, int], str] = {}
        self.thumbnails: dict[tuple[UUID, int], bytes] = {}
        self.transfers: dict[TransferKey, TransferRow] = {}
        self.entries: dict[tuple[str, int], EntryRow] = {}  # by account and version
        self.answers: dict[KeyId, KeyRow] = {}
        self.batches: dict[UUID, int] = {}  # the newest batch of each Ledger
        self.acts: list[Act] = []
        self.earnings: dict[UnitId, EarningRow] = {}
        self.fines: dict[FineId, FineRow] = {}
        self.disputes: dict[UnitId, DisputeRow] = {}
        # by dispute: the finding of a check that did not decide it
        self.findings: dict[UUID, str] = {}
        # by dispute: the places where the creator's own render differs most
        self.comparisons: dict[UUID, tuple[tuple[float, float], ...]] = {}
        self.payouts: dict[UUID, PayoutRow] = {}
        self.payout_rules: dict[UUID, PayoutRule] = {}
        self.receipts: dict[UnitId, ReceiptRow] = {}
        self.checks: dict[tuple[UUID, int, int], CheckRow] = {}  # by job, unit and attempt
        # checks of work that the node's owner, or a member of an organisation with them, ordered
        self.own_work: set[tuple[UUID, int, int]] = set()
        self.uncut_scenes: dict[tuple[UUID, str], UncutScene] = {}
        self.words: list[WordRow] = []
        # by check: the claiming gateway and the end of its claim
        self.claims: dict[CheckId, tuple[UUID, datetime]] = {}
        # by verifier: device class and last time seen
        self.verifiers: dict[UUID, tuple[VerifierLoad, datetime]] = {}
        self.loads: Sequence[VerifierLoad] = ()  # as the gateway reported last
        self.overruns: dict[tuple[UUID, int, int], Overrun] = {}
        self.nodes: dict[UUID, NodeTwin] = {}
        self.ties: Access = ALONE
        self.purchases: dict[UUID, PurchaseRow] = {}
        self.reversals: dict[str, ReversalRow] = {}
        self.events: dict[str, StripeEventRow] = {}
        self.away = False
        self.latency = 0.0  # seconds of each round trip, also of one that fails
        self.commits = 0
        self._known: dict[str, AccountRow] = {}  # as last read, or written, without locks
        self.pause: Callable[[], object] | None = None  # called at each round trip
        self.transfer_ids = itertools.count(1)
        self._account_ids = itertools.count(1)
        self._failures: deque[Exception] = deque()
        self.lost_answers = 0
        self._locked, self._log_locked = asyncio.Lock(), asyncio.Lock()
        self.log_tables = LogTables()
        self.under_way: set[int] = set()  # numbers of open transactions
        self.next_transaction = 1
        for name in PLATFORM_ACCOUNTS:
            self.make_account(name, may_overdraw=True)

    # -- control by tests

    def fail_next(self, *errors: Exception) -> None:
        """Make the next round trips fail with these errors, or once with Unavailable."""
        self._failures.extend(errors or (Unavailable("injected"),))

    def lose_commit_answer(self, times: int = 1) -> None:
        """Let the next commits succeed, but raise AnswerLost for each."""
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
        """Add a row of ``nodes``."""
        row = NodeTwin(node, owner, tuple(capabilities), load, verified, status, seen_at)
        self.nodes[node] = row

    def make_account(self, name: str, *, may_overdraw: bool = False) -> None:
        number = next(self._account_ids)
        self.accounts[name] = AccountRow(number, name, may_overdraw=may_overdraw)
        owner = name.replace("debt:", "user:")
        if owner != name:
            self.accounts[owner] = attrs.evolve(self.accounts[owner], debt=number)

    # -- the Store port

    def transaction(self) -> AbstractAsyncContextManager[BooksTransaction]:
        return self._transaction()

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[BooksTransaction]:
        await self.round_trip()
        if self.halted:
            raise Halted("a test says so")
        async with self._locked:
            with self._numbered():
                books = BooksTwin(self)
                yield books
                try:
                    await self.round_trip()
                except Unavailable as error:
                    raise AnswerLost("COMMIT was lost") from error
                books.commit()
            self.commits += 1
            self._lose_answer()

    async def read_books(
        self, keys: Keys, shard: int, *, from_database: bool = False
    ) -> ReadBooks | None:
        """Read as without locks; writing fails if a row has changed since."""
        if needs_locks(keys) or not keys.accounts <= self.accounts.keys():
            return None
        if self.halted:
            raise Halted("a test says so")
        known = {name: self._known[name] for name in keys.accounts if name in self._known}
        if not from_database and needs_accounts_alone(keys) and known.keys() == keys.accounts:
            rows = Rows(known, {}, {}, {}, {}, {}, self.clock.now())
            return ReadBooksTwin(self, keys, rows, is_remembered=True)
        await self.round_trip()
        rows = await BooksTwin(self).lock(keys, quietly=True)
        has_debts = any(account.debt is not None for account in rows.accounts.values())
        if has_debts or any(unit.is_delivered_beside for unit in rows.units.values()):
            return None
        self._known |= rows.accounts
        return ReadBooksTwin(self, keys, rows)

    async def foresee_books(
        self, keys: Keys, shard: int, before: ReadBooks, changes: Changes
    ) -> ReadBooks | None:
        if self.halted:
            raise Halted("a test says so")
        known = self._known | {row.name: row for row in changes.accounts}
        if not needs_accounts_alone(keys) or not keys.accounts <= known.keys():
            return None
        assert isinstance(before, ReadBooksTwin), "it was read here"
        accounts = {name: known[name] for name in keys.accounts}
        rows = Rows(accounts, {}, {}, {}, {}, {}, self.clock.now())
        return ReadBooksTwin(self, keys, rows, is_remembered=True, follows=before)

    async def write_read(self, read: "ReadBooksTwin", changes: Changes) -> Mapping[UUID, int]:
        """Write the changes to rows that were read without locks, in one round trip."""
        async with self._locked:
            with self._numbered():
                try:
                    await self.round_trip()
                except Unavailable as error:
                    raise AnswerLost("the write was lost") from error
                books = BooksTwin(self)
                now = await books.lock(read.keys, quietly=True)
                if attrs.evolve(now, now=read.rows.now) != read.rows:
                    raise Mismatch("a row has changed since it was read")
                numbers = await books.write(changes, quietly=True)
                books.commit()
            self.commits += 1
            if self.commits % 4:  # otherwise it is as if another gateway had written the accounts
                self._known |= {account.name: account for account in changes.accounts}
            self._lose_answer()
        return numbers

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

    async def log_look(self, limit: int) -> LogView | None:
        await self.round_trip()
        return log_view(self, limit)

    async def now(self) -> datetime:
        await self.round_trip()
        return self.clock.now()

    async def renew_leases(self, leases: Sequence[Lease]) -> frozenset[LeaseId]:
        await self.round_trip()
        renewed: set[LeaseId] = set()
        for lease in leases:
            until = self.clock.now() + timedelta(seconds=lease.seconds)
            unit = self.units.get((lease.job, lease.unit))
            if unit is None or unit.state not in ("DISPATCHED", "RUNNING"):
                continue
            if (unit.attempt, unit.node_id) == (lease.attempt, lease.node):
                self.units[lease.job, lease.unit] = attrs.evolve(unit, lease_until=until)
                renewed.add(lease.id)
            elif (unit.copy_attempt, unit.copy_node_id) == (lease.attempt, lease.node):
                kept = attrs.evolve(unit, copy_lease_until=until)
                self.units[lease.job, lease.unit] = kept
                renewed.add(lease.id)
        return frozenset(renewed)

    async def audit(self) -> Sequence[Finding]:
        await self.round_trip()
        async with self._locked:
            return audit(self)

    async def note_audit(
        self, at: datetime, whole: datetime | None, findings: Sequence[Finding]
    ) -> None:
        await self.round_trip()
        self.noted_audit = NotedAudit(at, whole, tuple(findings), self.clock.now())

    async def last_audit(self) -> NotedAudit | None:
        await self.round_trip()
        return self.noted_audit

    async def audit_since(self, mark: AuditMark | None) -> AuditIncrement:
        return AuditIncrement([] if mark is None else await self.audit(), AuditMark())

    async def open_jobs(self, after: JobPlace | None, most: int) -> Sequence[OpenJob]:
        await self.round_trip()
        rows = (job for job in self.jobs.values() if job.completed_at is None)
        found = [OpenJob(job.id, job.queued_at, job.open_units) for job in rows]
        found = [job for job in found if after is None or job.place > after]
        return sorted(found, key=lambda job: job.place)[:most]

    async def open_job_terms(self, jobs: Sequence[UUID]) -> Sequence[OpenJobTerms]:
        await self.round_trip()
        rows = [self.jobs[job] for job in jobs if job in self.jobs]
        return [self._terms(job) for job in rows if job.completed_at is None]

    def _terms(self, job: JobRow) -> OpenJobTerms:
        plan, is_free = _without_params(self.plan_of(job)), not self.new_jobs[job.id].price
        return OpenJobTerms(job.id, job.user_id, plan, job.units, is_free)

    def plan_of(self, job: JobRow) -> JobPlan:
        """Return the plan that is stored with the job."""
        new = self.new_jobs[job.id]
        return read_plan(new.plan, job.job_type, new.payload_ref)

    async def open_units(
        self, jobs: Sequence[UUID], window: int, known: KnownPlan = nothing_known
    ) -> Sequence[OpenUnit]:
        await self.round_trip()
        asked = set(jobs)
        at_work = [unit for unit in self._at_work() if unit.job_id in asked]
        found = [*at_work, *self._ready(jobs, window)]
        copies = [unit for unit in self._copies() if unit.job in asked]
        units = sorted([*map(self._open_unit, found), *copies], key=_queue_order)
        held = {unit.job: known(unit.job) or unit.plan for unit in units}
        return [attrs.evolve(unit, plan=held[unit.job]) for unit in units]

    async def ready_units(
        self, jobs: Sequence[UUID], window: int, known: Sequence[tuple[UUID, int]] = ()
    ) -> Sequence[OpenUnit]:
        await self.round_trip()
        return sorted(map(self._open_unit, self._ready(jobs, window, known)), key=_queue_order)

    async def done_units(self, jobs: Sequence[UUID], most: int) -> Sequence[UnitDuration]:
        await self.round_trip()
        found: list[UnitDuration] = []
        for job in jobs:
            units = [u for u in self.units.values() if u.job_id == job and u.state == "COMPLETED"]
            units.sort(key=lambda unit: unit.ended_at or EPOCH, reverse=True)
            found += [self._done(unit) for unit in units[:most]]
        return found

    async def running_units(self) -> int:
        await self.round_trip()
        return sum(unit.state == "RUNNING" for unit in self.units.values())

    async def open_units_of(self, node: UUID) -> Sequence[OpenUnit]:
        await self.round_trip()
        found = [self._open_unit(unit) for unit in self._at_work()]
        found = [unit for unit in [*found, *self._copies()] if unit.node == node]
        return sorted(found, key=lambda unit: (unit.assigned_at, unit.job, unit.number))

    async def lost_units(self, unsent: timedelta) -> Sequence[OpenUnit]:
        await self.round_trip()
        now = self.clock.now()
        found = [*map(self._open_unit, self._at_work()), *self._copies()]
        lost = [unit for unit in found if _is_lost(unit, now, now - unsent)]
        return sorted(lost, key=lambda unit: (unit.job, unit.number, unit.attempt))

    async def waiting_units(self, longer_than: timedelta) -> Sequence[OpenUnit]:
        await self.round_trip()
        before = self.clock.now() - longer_than
        found = [
            unit
            for unit in self.units.values()
            if unit.state == "QUEUED" and self._waits_since(self.jobs[unit.job_id]) < before
        ]
        found.sort(key=lambda unit: (unit.job_id, unit.number))
        return [self._open_unit(unit) for unit in found[:1000]]

    def _waits_since(self, job: JobRow) -> datetime:
        heard, start = _last_progress(job), self.plan_of(job).spec.start_after
        return heard if start is None else max(heard, start)

    async def healthy_nodes(self) -> Sequence[NodeRow]:
        await self.round_trip()
        healthy = [node for node in self.nodes.values() if node.status == "HEALTHY"]
        now = self.clock.now()
        return [
            NodeRow(
                n.id, n.owner, n.capabilities, n.load, n.verified, _ago(n.seen_at, now), n.epoch
            )
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

    async def circles(self) -> Access:
        await self.round_trip()
        return self.ties

    async def keep_thumbnail(
        self, job: UUID, unit: int, attempt: int, node: UUID, *, frame: int, picture: bytes
    ) -> bool:
        await self.round_trip()
        row = self.units.get((job, unit))
        if row is None or row.ended_at is not None:
            return False
        attempts = [(row.attempt, row.node_id)] if row.state in ("DISPATCHED", "RUNNING") else []
        if row.copy_delivered_at is None:
            attempts.append((row.copy_attempt, row.copy_node_id))
        if (attempt, node) not in attempts:
            return False
        self.thumbnails[job, frame] = picture
        return True

    async def keep_log(
        self,
        job: UUID,
        unit: int,
        attempt: int,
        node: UUID,
        lines: str,
        *,
        at: datetime,
        completed: bool = False,
    ) -> None:
        await self.round_trip()
        row = self.units.get((job, unit))
        if row is None:
            return
        if (attempt, node) in ((row.attempt, row.node_id), (row.copy_attempt, row.copy_node_id)):
            self.logs.setdefault((job, unit, attempt), lines)

    async def session_opened(self, node: UUID) -> SessionStart:
        await self.round_trip()
        row = self.nodes.get(node)
        if row is None:
            return SessionStart(0, self.clock.now())
        row.epoch += 1
        return SessionStart(row.epoch, self.clock.now(), row.failures)

    async def note_failures(self, node: UUID, note: FailureNote) -> None:
        await self.round_trip()
        row = self.nodes.get(node)
        if row is None:
            return
        row.failures = note.failures
        if note.failures == 0:
            row.failing_since = None
        elif note.is_failing and row.failing_since is None:
            row.failing_since = self.clock.now()

    async def node_seen(self, node: UUID) -> None:
        await self.round_trip()
        row = self.nodes.get(node)
        if row is not None:
            row.seen_at, row.status = self.clock.now(), "HEALTHY"

    async def matured_earnings(self, limit: int) -> Sequence[MaturedEarning]:
        await self.round_trip()
        return matured_earnings(self, self.clock.now(), limit)

    async def passed_payout_dates(
        self, limit: int, least: int, *, pays_money: bool
    ) -> Sequence[PassedDate]:
        await self.round_trip()
        return passed_payout_dates(self, least, pays_money=pays_money)[:limit]

    async def move_payout_date(self, operator: UUID, date: datetime, to: datetime | None) -> None:
        await self.round_trip()
        rule = self.payout_rules.get(operator)
        if rule is not None and rule.next_at == date:
            self.payout_rules[operator] = attrs.evolve(rule, next_at=to)

    async def claimable_earnings(self, limit: int) -> Sequence[ClaimableEarning]:
        await self.round_trip()
        return claimable(self, limit)

    async def unchecked_earnings(self, limit: int) -> list[UncheckedEarning]:
        await self.round_trip()
        return unchecked_earnings(self, limit)

    async def pending_checks(self, limit: int, after: Place | None = None) -> list[Pending]:
        await self.round_trip()
        return pending_checks(self, limit, after)

    async def claim_checks(
        self, gateway: UUID, checks: Collection[CheckId], seconds: float
    ) -> frozenset[CheckId]:
        await self.round_trip()
        if self.halted:
            await self.release_checks(gateway, checks)
            return frozenset()
        now = self.clock.now()
        free = [one for one in checks if one in self.checks and self._is_free(one, gateway, now)]
        self.claims |= dict.fromkeys(free, (gateway, now + timedelta(seconds=seconds)))
        return frozenset(free)

    def _is_free(self, check: CheckId, gateway: UUID, now: datetime) -> bool:
        whose, until = self.claims.get(check, (gateway, now))
        return whose == gateway or until <= now

    async def release_checks(self, gateway: UUID, checks: Collection[CheckId]) -> None:
        await self.round_trip()
        for one in checks:
            if self.claims.get(one, (None, None))[0] == gateway:
                del self.claims[one]

    async def note_finding(self, job: UUID, unit: int, finding: str) -> None:
        await self.round_trip()
        disputed = self.disputes.get((job, unit))
        if disputed is not None and disputed.state == "OPEN":
            self.findings.setdefault(disputed.id, finding)

    async def meet_verifiers(
        self, connected: Sequence[VerifierLoad], within: float
    ) -> Sequence[SeenVerifier]:
        await self.round_trip()
        now = self.clock.now()
        self.loads = connected
        self.verifiers |= {one.node: (one, now) for one in connected}
        since = now - timedelta(seconds=within)
        return [
            SeenVerifier(
                node,
                one.device_class,
                self.nodes[node].owner if node in self.nodes else None,
                one.checks,
                one.others,
            )
            for node, (one, seen_at) in self.verifiers.items()
            if seen_at >= since
        ]

    async def longest_wait(self) -> float:
        await self.round_trip()
        opened = [row.opened_at for row in self.checks.values() if row.state == "PENDING"]
        now = self.clock.now()
        return (now - min(opened, default=now)).total_seconds()

    def at_stake(self, operator: UUID) -> int:
        """Return the sum of the operator's pending shares that count as their stake."""
        return at_stake(self, operator)

    async def draw_secret(self) -> bytes | None:
        await self.round_trip()
        return self.sealed_secret

    async def keep_draw_secret(self, sealed: bytes, instead_of: bytes | None) -> None:
        await self.round_trip()
        if self.sealed_secret in (None, instead_of):
            self.sealed_secret = sealed

    async def newest_log_keys(self) -> LogKeys | None:
        await self.round_trip()
        return self.log_keys

    def price_of(self, check: CheckRow) -> int:
        """Return the price of the check's unit."""
        return self.units[check.id[:2]].price

    async def records(self, nodes: Sequence[UUID]) -> list[Record]:
        await self.round_trip()
        return records(self, nodes)

    async def note_overrun(self, found: Overrun, newest: int) -> list[Overrun]:
        await self.round_trip()
        self.overruns.setdefault((found.job, found.unit, found.attempt), found)
        of = [one for key, one in self.overruns.items() if key[:2] == (found.job, found.unit)]
        return sorted(of, key=lambda one: -one.attempt)[:newest]

    async def scene_reports(self, job: UUID, unit: int) -> list[SceneReport]:
        await self.round_trip()
        return scene_reports(self, job, unit)

    async def note_uncut_scene(self, scene: UncutScene) -> None:
        await self.round_trip()
        self.uncut_scenes.setdefault(scene.scene, scene)

    async def quarantine(
        self, node: UUID, released_at: datetime | None, act: Act
    ) -> StandingRecord | None:
        await self.round_trip()
        return quarantine(self, node, released_at, act)

    async def releasable_nodes(self) -> Mapping[UUID, int]:
        await self.round_trip()
        return releasable_nodes(self)

    async def stand(self, change: StandingChange, act: Act) -> StandingRecord | None:
        await self.round_trip()
        return stand(self, change, act)

    async def mark_silent_nodes(self) -> Sequence[UUID]:
        await self.round_trip()
        now = self.clock.now()
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

    # -- helpers

    async def round_trip(self) -> None:
        """Let other tasks run, as during a real round trip, then fail if a test wants that."""
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
            raise AnswerLost("the answer to COMMIT was lost")

    def numbers_of(self, job: UUID) -> Iterator[UnitId]:
        """Return the ids of a job's units, which are numbered from 0."""
        return itertools.takewhile(self.units.__contains__, ((job, n) for n in itertools.count()))

    def _ready(
        self, jobs: Iterable[UUID], window: int, known: Sequence[tuple[UUID, int]] = ()
    ) -> list[UnitRow]:
        """Return each job's next units that may be given to a node."""
        lines: dict[UUID, list[UnitRow]] = {job: [] for job in jobs if job in self.jobs}
        for unit in self.units.values():
            if (unit.job_id, unit.number) in known:
                continue
            if unit.job_id in lines and unit.state == "QUEUED" and unit.missing == 0:
                paused = self.jobs[unit.job_id].paused
                if paused is None or (paused == "cap" and unit.price == 0):
                    lines[unit.job_id].append(unit)
        for line in lines.values():
            line.sort(key=lambda unit: (unit.place, unit.number))
        return [unit for line in lines.values() for unit in line[:window]]

    def _at_work(self) -> list[UnitRow]:
        return [unit for unit in self.units.values() if unit.state in ("DISPATCHED", "RUNNING")]

    def _open_unit(self, unit: UnitRow) -> OpenUnit:
        job = self.jobs[unit.job_id]
        return OpenUnit(
            job=job.id,
            number=unit.number,
            user=job.user_id,
            plan=self.plan_of(job),
            state=unit.state,
            attempt=unit.attempt,
            node=None if unit.state == "QUEUED" else unit.node_id,
            avoid=frozenset(unit.avoid),
            failures=unit.failures,
            not_before=_later(unit.not_before, self.plan_of(job).spec.start_after),
            assigned_at=unit.assigned_at,
            lease_until=unit.lease_until,
            queued_at=job.queued_at,
            place=unit.place,
            frames=unit.frames,
            tile=unit.tile,
            parts=self.parts_of(unit),
            priority=job.priority,
            barred=frozenset(job.avoid),
            units=job.units,
            price=unit.price,
            started_at=unit.started_at,
            copied=unit.copy_attempt,
            paused=job.paused,
            faults=unit.faults,
            unsent=unit.unsent,
            answered=unit.copy_delivered_at is not None,
            needs_memory=unit.needs_memory,
            needs_opengl=unit.needs_opengl,
            needs_vram=unit.needs_vram,
            needs_scripts=unit.needs_scripts,
            vram_used=job.vram_used,
        )

    def _copies(self) -> list[OpenUnit]:
        """Return the speculative attempts that have not delivered."""
        return [
            attrs.evolve(
                self._open_unit(unit),
                state="DISPATCHED" if unit.copy_started_at is None else "RUNNING",
                attempt=unit.copy_attempt,
                node=unit.copy_node_id,
                assigned_at=unit.copy_assigned_at,
                lease_until=unit.copy_lease_until,
                started_at=unit.copy_started_at,
                is_copy=True,
                answered=False,
            )
            for unit in self.units.values()
            if unit.copy_node_id is not None and unit.copy_delivered_at is None
        ]

    def _done(self, unit: UnitRow) -> UnitDuration:
        """Return how long the unit's last attempt took."""
        check = self.checks.get((unit.job_id, unit.number, unit.attempt))
        ended = unit.ended_at if check is None else check.opened_at
        began = max(at for at in (unit.started_at, unit.assigned_at) if at is not None)
        assert ended is not None, "a complete unit has an end"
        seconds = (ended - began).total_seconds()
        return UnitDuration(unit.job_id, unit.frames, unit.tile is not None, seconds)

    def parts_of(self, unit: UnitRow) -> tuple[PartResult, ...]:
        if unit.tile is not None or self.plan_of(self.jobs[unit.job_id]).grid is None:
            return ()
        found = [self.units[key] for key in self.numbers_of(unit.job_id)]
        tiles = sorted(
            (one for one in found if one.feeds == unit.number), key=lambda one: one.tile or 0
        )
        return tuple(
            PartResult(
                *(one.number, one.attempt),
                one.result_sha256.hex() if one.result_sha256 is not None else None,
                one.result_size,
            )
            for one in tiles
        )


class BooksTwin:
    """A transaction of the books; its changes are applied on commit."""

    def __init__(self, store: StoreTwin) -> None:
        self._store = store
        self._changes: list[Changes] = []

    async def lock(self, keys: Keys, *, quietly: bool = False) -> Rows:
        """Return the rows; ``quietly``: without a round trip of its own."""
        if not quietly:
            await self._store.round_trip()
        store = self._store
        whole = {key for job in keys.whole for key in store.numbers_of(job)}
        units = {key: store.units[key] for key in keys.units | whole if key in store.units}
        for unit in [units[key] for key in keys.units if key in units]:
            if unit.feeds is not None:
                units[unit.job_id, unit.feeds] = store.units[unit.job_id, unit.feeds]
        tiles = {tile for key in keys.tiled for tile in self._beside(key)}
        units |= {key: store.units[key] for key in tiles}
        holds = set(keys.holds) | {f"job:{job}:{number}" for job, number in whole | tiles}
        found = {name: hold for name, hold in store.holds.items() if name in holds}
        names = set(keys.accounts) | {hold.account for hold in found.values()}
        purchases, reversals, owners = find_purchases(store, keys.purchases)
        earned = lock_earnings(store, keys)
        names |= owners | {row.account for row in earned["earnings"].values()}
        names |= {f"operator:{row.operator_id}" for row in earned["payouts"].values()}
        for name in sorted(names - store.accounts.keys(), key=lambda n: (n.startswith("debt:"), n)):
            if name.startswith(MADE_WHEN_NEEDED):
                store.make_account(name, may_overdraw=name.startswith("debt:"))
        names |= {name.replace("user:", "debt:") for name in names}
        return Rows(
            accounts={n: store.accounts[n] for n in sorted(names) if n in store.accounts},
            holds=found,
            jobs={job: store.jobs[job] for job in keys.jobs if job in store.jobs},
            units=units,
            transfers={k: store.transfers[k] for k in keys.transfers if k in store.transfers},
            idempotency={k: store.answers[k] for k in keys.idempotency if k in store.answers},
            now=store.clock.now(),
            purchases=purchases,
            reversals=reversals,
            events={e: store.events[e] for e in keys.purchases.events if e in store.events},
            checks=find_checks(store, keys),
            **earned,
        )

    def _beside(self, key: UnitId) -> list[UnitId]:
        """Return all tiles of the frame to which this tile belongs."""
        unit = self._store.units.get(key)
        if unit is None or unit.feeds is None:
            return []
        numbers = self._store.numbers_of(unit.job_id)
        return [one for one in numbers if self._store.units[one].feeds == unit.feeds]

    async def write(self, changes: Changes, *, quietly: bool = False) -> Mapping[UUID, int]:
        if changes == Changes():
            return {}
        if not quietly:
            await self._store.round_trip()
        check(self._store, changes)
        ids = self._store.transfer_ids
        transfers = tuple(attrs.evolve(row, id=next(ids)) for row in changes.transfers)
        self._changes.append(attrs.evolve(changes, transfers=transfers))
        return {row.key: row.id for row in transfers}

    async def last_batch(self, ledger: UUID) -> int:
        await self._store.round_trip()
        return self._store.batches.get(ledger, 0)

    async def numbers(self, changes: Changes) -> Mapping[UUID, int]:
        await self._store.round_trip()
        keys = {row.key for row in changes.transfers}
        return {row.key: row.id for row in self._store.transfers.values() if row.key in keys}

    def commit(self) -> None:
        store = self._store
        for changes in self._changes:
            if changes.batch is not None:
                store.batches[changes.batch.ledger] = changes.batch.number
            store.accounts.update({row.name: row for row in changes.accounts})
            store.holds.update({row.reference: row for row in changes.holds})
            store.jobs.update({row.id: row for row in changes.jobs})
            store.new_jobs.update({row.id: row for row in changes.new_jobs})
            store.units.update({(row.job_id, row.number): row for row in changes.units})
            for row in changes.transfers:
                store.transfers[row.subject, row.kind, row.reference] = row
                store.entries.update({(side.account, side.version): side for side in row.sides})
            store.acts.extend(changes.acts)
            store.answers.update({(row.user_id, row.key): row for row in changes.idempotency})
            store.purchases.update({row.id: row for row in changes.purchases})
            store.reversals.update({row.id: row for row in changes.reversals})
            store.events.update({row.id: row for row in changes.events})
            keep_checks(store, changes)
            store.words.extend(changes.words)
            numbers = {row.key: row.sides[0].entry_id for row in changes.transfers}
            for one in changes.receipts:
                entry = None if one.paid_by is None else numbers[one.paid_by]
                receipt = ReceiptRow(
                    *(one.job_id, one.unit, one.attempt, one.document, one.hash, one.signature),
                    entry_id=entry,
                    issued_at=one.issued_at,
                )
                store.receipts[one.job_id, one.unit] = receipt
            keep_earnings(store, changes)


@attrs.define
class ReadBooksTwin:
    """Rows that were read without locks, or are foreseen: then ``follows`` is written first."""

    store: StoreTwin
    keys: Keys
    rows: Rows
    is_remembered: bool = False
    follows: "ReadBooksTwin | None" = None
    is_written: bool = False

    async def write(self, changes: Changes) -> Mapping[UUID, int]:
        assert self.follows is None or self.follows.is_written, "it is written too early"
        numbers = {} if changes == Changes() else await self.store.write_read(self, changes)
        self.is_written = True
        return numbers


def _queue_order(unit: OpenUnit) -> tuple[datetime, UUID, int, int, int]:
    return (unit.queued_at, unit.job, unit.place, unit.number, unit.attempt)


def _last_progress(job: JobRow) -> datetime:
    """Return when the job was queued or, if later, when one of its units last went to a node.

    For a job of one unit, return when it was queued.
    """
    if job.units == 1 or job.dispatched_at is None:
        return job.queued_at
    return max(job.queued_at, job.dispatched_at)


def _ago(at: datetime | None, now: datetime) -> float | None:
    return None if at is None else (now - at).total_seconds()


def _is_lost(unit: OpenUnit, now: datetime, unsent_since: datetime) -> bool:
    if unit.lease_until is not None:
        return unit.lease_until <= now
    return unit.assigned_at is not None and unit.assigned_at < unsent_since


def _without_params(plan: JobPlan) -> JobPlan:
    return attrs.evolve(plan, spec=attrs.evolve(plan.spec, params={}))


def _later(*times: datetime | None) -> datetime | None:
    return max((time for time in times if time is not None), default=None)
