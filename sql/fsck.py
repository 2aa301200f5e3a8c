"""The invariants of the books, as queries that find violations.

Each invariant is stated once, in ``sql/queries/fsck.sql``. The name of its query,
``fsck_{rows}_i{number}…``, says which rows it checks:

* ``transfers``, ``accounts``, ``jobs``: those with the given ids, or all of them.
* ``always``: all rows, as they are few; part of every audit.
* ``whole``: all rows, for sums and for rows that no new row leads to; only in a whole audit.

A whole audit runs every query over all rows. An audit since a mark runs them over the rows written
since. New rows are recognised by their transactions, as numbers may be committed late or forged,
and gateways' clocks differ. The previous audit saw every transaction below ``horizon``, so rows of
later transactions are checked, some of them twice.

New rows are compared with old rows: a new entry must follow the previous entry, and an account's
balance must be the balance after its newest entry. Each audit also checks a few old leaves of the
log, so that the whole log is checked within a day.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg
import attrs
from asyncpg.pool import PoolConnectionProxy

from rendertrust.merkle import SIZE_MAX
from sql.log_check import LogFault, audit_log, audit_notes
from sql.query_loader import QUERIES

FINDINGS_MAX: Final = 1000  # findings per query
OF_WHAT_IS_NEW: Final = ("I1", "I2", "I3", "I4", "I5", "I7", "I8", "I9", "I11")
INVARIANTS: Final = (*OF_WHAT_IS_NEW, "I12")  # only whole audits check I12
BOOKS_BROKEN: Final = frozenset({"I1", "I2"})  # a violation ends the gateway's process
# How many rows to check at once, by kind; jobs come with all their units.
BY_ID: Final = {"transfers": 5000, "accounts": 5000, "jobs": 250}
WALKS: Final = 1200  # audits, one a minute, in which the whole log is checked again once
WALK_LEAST: Final = 256  # least number of leaves per audit
XIDS: Final = 1 << 32
_NAME = re.compile(r"fsck_(transfers|accounts|jobs|always|whole)_i(\d+)(?:_\w+)?")


@attrs.frozen
class Finding:
    """A violation of an invariant: its subject, and what was found."""

    invariant: str  # 'I1' …
    subject: str
    found: str


@attrs.frozen
class NotedAudit:
    """The latest findings of the auditing gateway.

    ``at``: when its last audit began; ``whole``: when its last audit of all rows began; both by its
    own clock. ``noted_at``: when the findings were stored, by the database's clock.
    """

    at: datetime
    whole: datetime | None
    findings: tuple[Finding, ...]
    noted_at: datetime


@attrs.frozen
class AuditResult:
    """The result of an audit.

    ``verified``: the number of leaves of the log before the first faulty or unchecked one.
    ``ended``: nothing remains to be checked in the log, or it has a fault.
    """

    findings: Sequence[Finding]
    verified: int
    ended: bool = True


@attrs.frozen
class AuditMark:
    """How far the books were checked. The first mark lies before all rows."""

    horizon: int = 0  # transactions with lower ids had ended and were checked
    covered: int = 0  # the log had a leaf for every transfer up to this number
    leaves: int = 0  # number of leaves of the log that were correct
    walked: int = 0  # leaves that the current walk has checked again


@attrs.frozen
class AuditIncrement:
    """The result of an incremental audit: findings, the next mark, and the number of rows
    checked.
    """

    findings: Sequence[Finding]
    mark: AuditMark
    looked_at: int = 0


@attrs.frozen
class InvariantQuery:
    """A query that finds violations of an invariant, and the kind of rows that it checks."""

    name: str
    rows: str
    invariant: str


def _named() -> Iterator[InvariantQuery]:
    for name in QUERIES:
        match = _NAME.fullmatch(name)
        if match is not None:
            yield InvariantQuery(name, match[1], f"I{match[2]}")


INVARIANT_QUERIES: Final = tuple(
    sorted(_named(), key=lambda query: (int(query.invariant[1:]), query.name))
)


# ── everything ───────────────────────────────────────────────────────────────────────────────────


async def run_fsck(
    connection: "asyncpg.Connection[Any] | PoolConnectionProxy[Any]",
) -> Sequence[Finding]:
    """Return every violation of the invariants, in one snapshot.

    The function changes nothing and takes no blocking locks.
    """
    return (await run_audit(connection)).findings


async def run_audit(
    connection: Any, *, log_since: int = 0, log_most: int = SIZE_MAX
) -> AuditResult:
    """Check all rows, and up to ``log_most`` leaves after the first ``log_since`` leaves."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return await audit_within(connection, log_since=log_since, log_most=log_most)


async def audit_within(
    connection: Any, *, log_since: int = 0, log_most: int = SIZE_MAX
) -> AuditResult:
    """Run ``run_audit`` in the caller's transaction, which must see one snapshot."""
    await connection.execute(QUERIES["fsck_settings"], "on")
    findings: list[Finding] = []
    for query in INVARIANT_QUERIES:
        findings += await _violations(connection, query)
    notes = await audit_notes(connection, FINDINGS_MAX)
    findings += [Finding("I12", subject, found) for subject, found in notes]
    log = await _audit_log(connection, log_since, log_most)
    return attrs.evolve(log, findings=[*findings, *log.findings])


async def audit_log_within(connection: Any, since: int, most: int) -> AuditResult:
    """Check only the log, in the caller's transaction, which must see one snapshot."""
    await connection.execute(QUERIES["fsck_settings"], "on")
    return await _audit_log(connection, since, most)


async def _violations(
    connection: Any, query: InvariantQuery, ids: Sequence[Any] | None = None
) -> Sequence[Finding]:
    """Run one query over the rows with these ids, or over all rows.

    The cursor limits the findings. With a LIMIT in the query, PostgreSQL would prefer plans that
    find the first violations fast and are slow where there are none.
    """
    args = (ids,) if query.rows in BY_ID else ()
    cursor = await connection.cursor(QUERIES[query.name], *args)
    rows = await cursor.fetch(FINDINGS_MAX)
    return [Finding(query.invariant, row["subject"], row["found"]) for row in rows]


async def _audit_log(connection: Any, since: int, most: int) -> AuditResult:
    log = await audit_log(connection, since=since, most=most, faults_max=FINDINGS_MAX)
    found = _of_log(log.faults)
    return AuditResult(found, log.verified, ended=bool(found) or log.verified < since + most)


# ── new rows ─────────────────────────────────────────────────────────────────────────────────────


async def audit_since(connection: Any, mark: AuditMark | None, *, log_most: int) -> AuditIncrement:
    """Return the violations in rows written since the mark, and a new mark.

    Without a mark, return only a new mark. The function runs in the caller's transaction, which
    must see one snapshot.
    """
    await connection.execute(QUERIES["fsck_settings"], "off")
    seen = await connection.fetchrow(QUERIES["fsck_snapshot"])
    if mark is None:
        return AuditIncrement((), AuditMark(seen["oldest"], seen["covered"], seen["size"]))
    findings, looked_at = await _new_rows(connection, mark, seen["newest"])
    log = await audit_log(connection, since=mark.leaves, most=log_most, faults_max=FINDINGS_MAX)
    again, walked = await _walk(connection, mark)
    following = AuditMark(seen["oldest"], seen["covered"], log.verified, walked)
    found = dict.fromkeys([*findings, *_of_log([*log.faults, *again])])  # without duplicates
    return AuditIncrement([*found], following, looked_at)


async def _new_rows(connection: Any, mark: AuditMark, newest: int) -> tuple[Sequence[Finding], int]:
    """Check the rows written since the mark, in portions; also return their number."""
    more = {"transfers": (mark.covered,), "accounts": (mark.horizon % XIDS,)}
    findings, looked_at = list[Finding](), 0
    for query in _queries_of("always"):
        findings += await _violations(connection, query)
    for rows, at_once in BY_ID.items():
        args = (mark.horizon, newest, *more.get(rows, ()))
        cursor = await connection.cursor(QUERIES[f"fsck_new_{rows}"], *args)
        while found := await cursor.fetch(at_once):
            looked_at += len(found)
            ids = [row[0] for row in found]
            for query in _queries_of(rows):
                findings += await _violations(connection, query, ids)
    return findings, looked_at


def _queries_of(rows: str) -> Iterator[InvariantQuery]:
    return (query for query in INVARIANT_QUERIES if query.rows == rows)


async def _walk(connection: Any, mark: AuditMark) -> tuple[Sequence[LogFault], int]:
    """Check some more old leaves; return faults, and where the walk continues.

    The walk finds old transfers that somebody altered, within a day.
    """
    slice_ = min(max(-(-mark.leaves // WALKS), WALK_LEAST), mark.leaves - mark.walked)
    if slice_ <= 0:
        return (), 0
    old = await audit_log(connection, since=mark.walked, most=slice_, faults_max=FINDINGS_MAX)
    return old.faults, mark.walked + slice_


def _of_log(faults: Sequence[LogFault]) -> list[Finding]:
    return [Finding(one.invariant, one.subject, one.found) for one in faults]
