"""The Store port over PostgreSQL."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Final
from uuid import UUID

import asyncpg
import attrs
import orjson

from sql.access import Access, circles_of
from sql.attempt_logs import DONE_MOST, LOGS_MOST, last_of
from sql.audit_log import Act
from sql.audit_log import record as audit_record
from sql.books import BooksTransaction, Changes, Keys, ReadBooks, Rows, needs_locks
from sql.books_statements import Reading, RecentAccounts, Seen, SqlBooks
from sql.checks import (
    CheckId,
    Pending,
    Place,
    SceneReport,
    SeenVerifier,
    UncutScene,
    VerifierLoad,
    pending,
)
from sql.database import (
    AnswerLost,
    Conflict,
    Database,
    Mismatch,
    Refused,
    Unavailable,
    names_of,
    refused,
)
from sql.earnings import (
    SHARES_MOST,
    WITHHELD_MOST,
    ClaimableEarning,
    MaturedEarning,
    UncheckedEarning,
)
from sql.fsck import (
    AuditIncrement,
    AuditMark,
    Finding,
    NotedAudit,
    audit_log_within,
    audit_since,
    audit_within,
)
from sql.halts import Halts
from sql.job_plan import JobPlan, plan_of
from sql.log import LogKeys, LogTransaction, LogView, SqlLog, look
from sql.multiparts import MultipartName, ResultMultipart, ResultMultiparts
from sql.node_failures import FailureNote
from sql.nodes import (
    NodeRow,
    Nodes,
    SessionStart,
    SignsOfLife,
    StandingChange,
    StandingRecord,
    StandingRow,
    standing_of,
)
from sql.overruns import Overrun
from sql.payout_rules import PassedDate
from sql.query_loader import QUERIES
from sql.reputation_rules import HISTORY, RELEASED_BY, TRIED_MOST, Record, record
from sql.statement_batch import ROWS_MISSING, columns_of
from sql.units import (
    JobPlace,
    KnownPlan,
    Lease,
    LeaseId,
    OpenJob,
    OpenJobTerms,
    OpenUnit,
    UnitDuration,
    nothing_known,
    parts_of,
)

BOOKS_SECONDS: Final = 1.8
LOG_SECONDS: Final = 10.0  # long, as no request waits for the log
PLANS_MOST: Final = 256  # jobs whose plans are read at once
TURN: Final = 256  # rows between two yields to the event loop
AUDIT_SECONDS: Final = 300.0
WHOLE_SECONDS: Final = 4 * 3600.0
# leaves of the log per snapshot; the next snapshot continues after these leaves
AUDIT_LEAVES: Final = 200_000
_OF_OPEN_UNIT: Final = tuple({*names_of(OpenUnit)} - {"plan", "number"})


class SqlStore:
    """The Store and LogStore ports over PostgreSQL.

    Every method raises Unavailable while the database is down. ``seconds``: a clock that is as fast
    as the database's.
    """

    def __init__(
        self,
        database: Database,
        halts: Halts | None = None,
        *,
        seconds: Callable[[], float] = monotonic,
    ) -> None:
        self._database = database
        self._multiparts = ResultMultiparts(database)
        self._halts = halts or Halts(database, chain=False)
        self._recent = RecentAccounts(seconds)
        self._signs_of_life = SignsOfLife(database)

    def transaction(
        self, *, within: float = BOOKS_SECONDS
    ) -> AbstractAsyncContextManager[BooksTransaction]:
        """Begin the Ledger's transaction on the books, which is committed at exit; see
        ``actors.ports.Store``.

        After AnswerLost it is unknown whether the transaction was committed.
        """
        return self._transaction(within)

    async def read_books(
        self, keys: Keys, shard: int, *, from_database: bool = False
    ) -> ReadBooks | None:
        if needs_locks(keys):
            return None
        await self._halts.refuse()
        known = None if from_database else self._recent.find(keys, shard)
        if known is not None:
            return _SqlReadBooks(self._database, *known, self._recent, is_remembered=True)
        reading = Reading(keys, shard)
        with _refusals():
            async with self._database.connection(within=BOOKS_SECONDS) as connection:
                is_enough = await reading.read(connection)
        if not is_enough:
            return None
        self._recent.read(reading.rows, reading.seen, keys, shard)
        return _SqlReadBooks(self._database, reading.rows, reading.seen, self._recent)

    async def foresee_books(
        self, keys: Keys, shard: int, before: ReadBooks, changes: Changes
    ) -> ReadBooks | None:
        assert isinstance(before, _SqlReadBooks), "it was read here"
        await self._halts.refuse()
        known = self._recent.find(keys, shard, {row.name: row for row in changes.accounts})
        if known is None:
            return None
        rows, seen = known
        written = frozenset(row.id for row in changes.accounts if row.id in seen.accounts)
        follows = Follows(before, written)
        return _SqlReadBooks(
            self._database, rows, seen, self._recent, is_remembered=True, follows=follows
        )

    @asynccontextmanager
    async def _transaction(self, within: float) -> AsyncGenerator[BooksTransaction]:
        await self._halts.refuse()
        with _refusals():
            async with self._database.transaction(within=within) as connection:
                books = SqlBooks(connection)
                try:
                    yield books
                finally:
                    self._recent.forget(books.accounts)

    @asynccontextmanager
    async def log(self) -> AsyncGenerator[LogTransaction]:
        # Halts of all gateways are in the database, where each read of the log sees them.
        halted = await self._halts.only_here()
        try:
            async with self._database.transaction(within=LOG_SECONDS) as connection:
                yield SqlLog(connection, halted=halted)
        except asyncpg.UniqueViolationError as error:  # another gateway was faster
            raise Conflict(str(error)) from error

    async def log_look(self, limit: int) -> LogView | None:
        halted = await self._halts.only_here()
        found = await look(self._database, limit)
        return attrs.evolve(found, halted=True) if found is not None and halted else found

    async def now(self) -> datetime:
        row = await self._database.one("database_time")
        assert row is not None, "the query returns one row"
        time: datetime = row["now"]
        return time

    async def renew_leases(self, leases: Sequence[Lease]) -> frozenset[LeaseId]:
        columns = (
            [lease.job for lease in leases],
            [lease.unit for lease in leases],
            [lease.attempt for lease in leases],
            [lease.node for lease in leases],
            [lease.seconds for lease in leases],
        )
        rows = await self._database.all("units_renew_leases", *columns)
        if len(rows) < len(leases):  # the others may be leases of speculative attempts
            rows = [*rows, *await self._database.all("units_renew_copies", *columns)]
        return frozenset((row["job"], row["unit"], row["attempt"], row["node"]) for row in rows)

    async def audit(self) -> Sequence[Finding]:
        async with self._database.transaction(within=WHOLE_SECONDS, snapshot=True) as connection:
            audit = await audit_within(connection, log_most=AUDIT_LEAVES)
        findings = list(audit.findings)
        while not audit.ended:  # as long as the log is sound
            async with self._database.transaction(
                within=AUDIT_SECONDS, snapshot=True
            ) as connection:
                audit = await audit_log_within(connection, audit.verified, AUDIT_LEAVES)
            findings += audit.findings
        return findings

    async def note_audit(
        self, at: datetime, whole: datetime | None, findings: Sequence[Finding]
    ) -> None:
        told = [list(attrs.astuple(one)) for one in findings]
        await self._database.execute("last_audit_note", at, whole, told)

    async def last_audit(self) -> NotedAudit | None:
        row = await self._database.one("last_audit")
        if row is None:
            return None
        findings = tuple(Finding(*one) for one in row["findings"])
        return NotedAudit(row["at"], row["whole"], findings, row["noted_at"])

    async def audit_since(self, mark: AuditMark | None) -> AuditIncrement:
        async with self._database.transaction(within=AUDIT_SECONDS, snapshot=True) as connection:
            return await audit_since(connection, mark, log_most=AUDIT_LEAVES)

    async def open_jobs(self, after: JobPlace | None, most: int) -> Sequence[OpenJob]:
        place = (None, None) if after is None else after
        return await self._database.rows(OpenJob, "jobs_open_page", *place, most)

    async def open_job_terms(self, jobs: Sequence[UUID]) -> Sequence[OpenJobTerms]:
        rows = await self._database.all("jobs_placement", list(jobs))
        return [
            OpenJobTerms(row["job"], row["user"], plan_of(row), row["units"], row["is_free"])
            for row in rows
        ]

    async def open_units(
        self, jobs: Sequence[UUID], window: int, known: KnownPlan = nothing_known
    ) -> Sequence[OpenUnit]:
        rows = await self._database.all("units_of_jobs", list(jobs), window)
        plans = {job: known(job) for job in {row["job"] for row in rows}}
        unknown = [job for job, found in plans.items() if found is None]
        for begin in range(0, len(unknown), PLANS_MOST):
            few = unknown[begin : begin + PLANS_MOST]
            found = await self._database.all("jobs_plans", few)
            plans |= {row["job"]: plan_of(row) for row in found}
        return await _open_units(rows, plans)

    async def ready_units(
        self, jobs: Sequence[UUID], window: int, known: Sequence[tuple[UUID, int]] = ()
    ) -> Sequence[OpenUnit]:
        named = [job for job, _ in known], [unit for _, unit in known]
        rows = await self._database.all("units_ready", list(jobs), window, *named)
        return await _open_units(rows)

    async def done_units(self, jobs: Sequence[UUID], most: int) -> Sequence[UnitDuration]:
        return await self._database.rows(UnitDuration, "units_done", list(jobs), most)

    async def running_units(self) -> int:
        return await self._database.number("units_running")

    async def open_units_of(self, node: UUID) -> Sequence[OpenUnit]:
        return [_open_unit(row) for row in await self._database.all("units_of_node", node)]

    async def lost_units(self, unsent: timedelta) -> Sequence[OpenUnit]:
        rows = await self._database.all("units_lost", unsent)
        return [_open_unit(row) for row in rows]

    async def waiting_units(self, longer_than: timedelta) -> Sequence[OpenUnit]:
        rows = await self._database.all("units_waiting", longer_than)
        return [_open_unit(row) for row in rows]

    async def healthy_nodes(self) -> Sequence[NodeRow]:
        rows = await self._database.all("nodes_healthy")
        return [_node(row) for row in rows]

    async def standings(self, since: datetime) -> Sequence[StandingRow]:
        rows = await self._database.all("nodes_standings", since)
        return [_standing(row) for row in rows]

    async def circles(self) -> Access:
        return circles_of(await self._database.all("access_circles"))

    async def session_opened(self, node: UUID) -> SessionStart:
        row = await self._database.one("node_session_opened", node)
        return SessionStart(0, await self.now()) if row is None else SessionStart(**row)

    async def note_failures(self, node: UUID, note: FailureNote) -> None:
        values = (note.failures, note.is_failing, note.code, note.reason)
        await self._database.execute("node_failures_note", node, *values)

    async def node_seen(self, node: UUID) -> None:
        await self._signs_of_life.note(node)

    async def keep_thumbnail(
        self, job: UUID, unit: int, attempt: int, node: UUID, *, frame: int, picture: bytes
    ) -> bool:
        row = await self._database.one("thumbnail_keep", job, unit, attempt, node, frame, picture)
        return row is not None and bool(row["kept"])

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
        said = (job, unit, attempt, node, last_of(lines) if completed else lines, at)
        most = DONE_MOST if completed else LOGS_MOST
        await self._database.execute("attempt_log_keep", *said, most, completed)

    async def mark_silent_nodes(self) -> Sequence[UUID]:
        rows = await self._database.all("nodes_mark_silent")
        return [row["id"] for row in rows if row["was"] == "HEALTHY"]

    async def matured_earnings(self, limit: int) -> Sequence[MaturedEarning]:
        return await self._database.rows(MaturedEarning, "earnings_ripe", limit, WITHHELD_MOST)

    async def unchecked_earnings(self, limit: int) -> Sequence[UncheckedEarning]:
        return await self._database.rows(UncheckedEarning, "earnings_unlooked", limit)

    async def pending_checks(self, limit: int, after: Place | None = None) -> list[Pending]:
        place = after or (None, None, None)
        return pending(await self._database.all("checks_pending", limit, *place, TRIED_MOST))

    async def claim_checks(
        self, gateway: UUID, checks: Collection[CheckId], seconds: float
    ) -> frozenset[CheckId]:
        if await self._halts.only_here():  # this gateway could not book a verdict, but another can
            await self.release_checks(gateway, checks)
            return frozenset()
        named = _columns(checks)
        rows = await self._database.all("checks_claim", gateway, *named, seconds)
        return frozenset((row["job_id"], row["unit"], row["attempt"]) for row in rows)

    async def release_checks(self, gateway: UUID, checks: Collection[CheckId]) -> None:
        await self._database.execute("checks_release", gateway, *_columns(checks))

    async def note_finding(self, job: UUID, unit: int, finding: str) -> None:
        await self._database.execute("dispute_finding", job, unit, finding)

    async def meet_verifiers(
        self, connected: Sequence[VerifierLoad], within: float
    ) -> Sequence[SeenVerifier]:
        columns = columns_of(connected, *names_of(VerifierLoad))
        return await self._database.rows(SeenVerifier, "verifiers_meet", *columns, within)

    async def longest_wait(self) -> float:
        row = await self._database.one("longest_wait")
        assert row is not None, "an aggregate has one row"
        return float(row["seconds"])

    async def draw_secret(self) -> bytes | None:
        row = await self._database.one("draw_secret")
        return None if row is None else bytes(row["sealed"])

    async def keep_draw_secret(self, sealed: bytes, instead_of: bytes | None) -> None:
        await self._database.execute("draw_secret_keep", sealed, instead_of)

    async def newest_log_keys(self) -> LogKeys | None:
        row = await self._database.one("log_newest_keys")
        return None if row is None else LogKeys(row["origin"], row["verifiers"])

    async def records(self, nodes: Sequence[UUID]) -> list[Record]:
        rows = await self._database.all("checks_records", list(nodes), HISTORY)
        return [record(row) for row in rows]

    async def note_overrun(self, found: Overrun, newest: int) -> list[Overrun]:
        named = (found.job, found.unit)
        values = (*named, found.attempt, found.node, found.percent, found.at)
        await self._database.execute("overrun_note", *values)
        return await self._database.rows(Overrun, "overruns_of", *named, newest)

    async def scene_reports(self, job: UUID, unit: int) -> list[SceneReport]:
        return await self._database.rows(SceneReport, "scene_reports", job, unit)

    async def note_uncut_scene(self, scene: UncutScene) -> None:
        values = (*scene.scene, *scene.found_by, scene.at)
        await self._database.execute("uncut_note", *values)

    async def quarantine(
        self, node: UUID, released_at: datetime | None, act: Act
    ) -> StandingRecord | None:
        values = (node, act.reason, released_at)
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(QUERIES["node_quarantine"], *values)
            if row is not None:
                await audit_record(connection, act)
        return None if row is None else standing_of(row)

    async def releasable_nodes(self) -> Mapping[UUID, int]:
        rows = await self._database.all("nodes_releasable", RELEASED_BY)
        return {row["node"]: row["version"] for row in rows}

    async def stand(self, change: StandingChange, act: Act) -> StandingRecord | None:
        shown = await Nodes(self._database).stand(change, act)
        return None if shown is None else shown.standing

    async def result_multipart(self, name: MultipartName) -> ResultMultipart | None:
        return await self._multiparts.of(name)

    async def keep_result_multipart(self, begun: ResultMultipart, now: datetime) -> ResultMultipart:
        return await self._multiparts.keep(begun, now)

    async def end_result_multipart(self, multipart: ResultMultipart) -> None:
        await self._multiparts.end(multipart)

    async def passed_payout_dates(
        self, limit: int, least: int, *, pays_money: bool
    ) -> Sequence[PassedDate]:
        bounds = (limit, SHARES_MOST, least, pays_money)
        return await self._database.rows(PassedDate, "payout_dates_passed", *bounds)

    async def move_payout_date(self, operator: UUID, date: datetime, to: datetime | None) -> None:
        await self._database.execute("payout_date_move", operator, date, to)

    async def claimable_earnings(self, limit: int) -> Sequence[ClaimableEarning]:
        return await self._database.rows(ClaimableEarning, "earnings_claimable", limit)


def _node(row: Any) -> NodeRow:
    values: dict[str, Any] = {**row, "capabilities": tuple(row["capabilities"])}
    return NodeRow(**values)


def _standing(row: Any) -> StandingRow:
    return StandingRow(row["node"], row["owner"], standing_of(row), row["at"])


async def _open_units(
    rows: Sequence[Any], plans: Mapping[UUID, JobPlan | None] | None = None
) -> Sequence[OpenUnit]:
    """Build open units. ``plans``: by job, if the rows lack them."""
    found: list[OpenUnit] = []
    for number, row in enumerate(rows, 1):
        found.append(_open_unit(row, None if plans is None else plans[row["job"]]))
        if number % TURN == 0:  # ten thousand at once would block the loop for 50 ms
            await asyncio.sleep(0)
    return found


def _open_unit(row: Any, plan: JobPlan | None = None) -> OpenUnit:
    values = {name: row[name] for name in _OF_OPEN_UNIT}
    plan = values["plan"] = plan_of(row) if plan is None else plan
    times = [at for at in (row["not_before"], plan.spec.start_after) if at is not None]
    values["not_before"] = max(times, default=None)
    values["number"] = row["unit"]
    values["avoid"], values["barred"] = frozenset(row["avoid"]), frozenset(row["barred"])
    values["parts"] = parts_of(row["parts"])
    if values["state"] == "QUEUED":
        values["node"] = None  # a queued unit's row keeps the node of the last attempt
    return OpenUnit(**values)


def _columns(checks: Collection[CheckId]) -> tuple[list[UUID], list[int], list[int]]:
    ordered = sorted(checks)
    return [one[0] for one in ordered], [one[1] for one in ordered], [one[2] for one in ordered]


@contextmanager
def _refusals() -> Generator[None]:
    """Convert errors of a write to the books to those of the Store port."""
    try:
        yield
    except asyncpg.UniqueViolationError as error:  # a row inserted since our read
        raise Mismatch(f"{error.constraint_name} is taken") from error
    except orjson.JSONEncodeError as error:
        raise Refused(type(error).__name__) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        if getattr(error, "sqlstate", None) == ROWS_MISSING:
            part: str | None = getattr(error, "constraint_name", None)
            raise Mismatch(str(error), part) from error
        # the error's message names columns and constraints; only its detail has data of rows
        if refused(error):
            raise Refused(f"{type(error).__name__}: {error}") from error
        raise


@attrs.define
class _SqlReadBooks:
    """``ReadBooks`` over PostgreSQL.

    ``follows``: a batch whose transaction writes some of the rows. ``xid``: the transaction, once
    it has written.
    """

    database: Database
    rows: Rows
    seen: Seen
    recent: RecentAccounts
    is_remembered: bool = False
    follows: "Follows | None" = None
    xid: int = 0

    async def write(self, changes: Changes) -> Mapping[UUID, int]:
        if self.follows is not None:
            written = dict.fromkeys(self.follows.accounts, self.follows.batch.xid)
            self.seen.accounts.update(written)
        try:
            with _refusals():
                async with self.database.connection(within=BOOKS_SECONDS) as connection:
                    books = SqlBooks.over(connection, self.rows, self.seen)
                    numbers = await books.write(changes)
                    self.xid = books.xid
        except BaseException as error:
            self.recent.forget(self.rows.accounts)
            if isinstance(error, Unavailable):
                raise AnswerLost(str(error)) from error
            raise
        self.recent.wrote(changes.accounts, books.xid)
        return numbers


@attrs.frozen
class Follows:
    """A batch that is being written, and the accounts whose rows another batch takes from it."""

    batch: _SqlReadBooks
    accounts: frozenset[int]
