"""The invariants of the books, as queries that find violations."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg
import attrs
from asyncpg.pool import PoolConnectionProxy

from rendertrust.merkle import SIZE_MAX
from sql.log_audit import audit_log, audit_notes
from sql.query_loader import QUERIES

FINDINGS_MAX: Final = 1000  # per invariant
OF_WHAT_IS_NEW: Final = ("I1", "I2", "I3", "I4", "I5", "I7", "I8", "I9", "I11")
INVARIANTS: Final = (*OF_WHAT_IS_NEW, "I12")  # I12 always checks all of its few rows
BOOKS_BROKEN: Final = frozenset({"I1", "I2"})  # after one of these nothing more may be posted


@attrs.frozen
class NotedAudit:
    """The last findings of the auditing gateway: of new rows ``at``, of everything at ``whole``.

    ``noted_at`` is the database's time.
    """

    at: datetime
    whole: datetime | None
    findings: "tuple[Finding, ...]"
    noted_at: datetime


@attrs.frozen
class Finding:
    """One violation of an invariant: its subject and what was found."""

    invariant: str  # 'I1' …
    subject: str
    found: str


@attrs.frozen
class AuditResult:
    """Findings, and the number of correct leaves; ``ended``: the whole log was checked."""

    findings: Sequence[Finding]
    verified: int
    ended: bool = True


async def run_fsck(
    connection: "asyncpg.Connection[Any] | PoolConnectionProxy[Any]",
) -> Sequence[Finding]:
    """Return every violation of I1 to I5, I7 to I9, I11 and I12, in one snapshot.

    It changes nothing and takes no blocking locks.
    """
    return (await run_audit(connection)).findings


async def run_audit(
    connection: Any, *, log_since: int = 0, log_most: int = SIZE_MAX
) -> AuditResult:
    """Check everything, but only ``log_most`` leaves after the ``log_since`` correct ones."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return await audit_within(connection, log_since=log_since, log_most=log_most)


async def audit_within(
    connection: Any, *, log_since: int = 0, log_most: int = SIZE_MAX
) -> AuditResult:
    """Do the same in the caller's transaction, which must see one snapshot."""
    await connection.execute(QUERIES["fsck_unhurried"])
    findings: list[Finding] = []
    for name in sorted(name for name in QUERIES if name.startswith("fsck_i")):
        invariant = name.split("_")[1].upper()
        rows = await connection.fetch(QUERIES[name], FINDINGS_MAX)
        findings += [Finding(invariant, row["subject"], row["found"]) for row in rows]
    notes = await audit_notes(connection, FINDINGS_MAX)
    findings += [Finding("I12", subject, found) for subject, found in notes]
    log = await _audit_log(connection, log_since, log_most)
    return attrs.evolve(log, findings=[*findings, *log.findings])


async def audit_log_within(connection: Any, since: int, most: int) -> AuditResult:
    """Check only the log, in the caller's transaction, which must see one snapshot."""
    await connection.execute(QUERIES["fsck_unhurried"])
    return await _audit_log(connection, since, most)


async def _audit_log(connection: Any, since: int, most: int) -> AuditResult:
    log = await audit_log(connection, since=since, most=most, faults_max=FINDINGS_MAX)
    found = [Finding(fault.invariant, fault.subject, fault.found) for fault in log.faults]
    return AuditResult(found, log.verified, ended=bool(found) or log.verified < since + most)
