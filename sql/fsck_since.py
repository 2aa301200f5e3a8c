"""The invariants of the books, over rows written since a mark.

Entry numbers may be committed late or invented, and gateways' clocks differ, so new rows are
recognised by their transactions. The previous audit saw everything that had ended below
``horizon``; whatever a later transaction wrote is checked, whatever its number, if necessary again.

New rows build on old ones: a new entry must follow the previous one, and an account's balance must
be that of its newest entry, whichever of the two was written. Sums of all entries, and untouched
rows, are left to ``sql.fsck``, which checks everything. Open and held rows are few and are always
checked as a whole. Of the log, a few old leaves are checked each time, so that all of it is checked
within a day.
"""

from collections.abc import Sequence
from typing import Any, Final

import attrs

from sql.fsck import FINDINGS_MAX, Finding
from sql.log_audit import LogFault, audit_log
from sql.query_loader import QUERIES

AT_ONCE: Final = 5000  # transfers, entries or accounts per query
JOBS_AT_ONCE: Final = 250  # with all their units
WALKS: Final = 1200  # audits per walk over the whole log: most of a day's minutes
WALK_LEAST: Final = 256  # leaves
XIDS: Final = 1 << 32


@attrs.frozen
class AuditMark:
    """The position up to which the books were checked. The first one is below everything."""

    horizon: int = 0  # transactions below it had ended and were checked
    covered: int = 0  # an entry number, from the log's head
    leaves: int = 0  # leaves of the log that were correct
    walked: int = 0  # of those, how many the current walk has checked again


@attrs.frozen
class AuditIncrement:
    """Findings since a mark, the next mark, and the number of rows checked."""

    findings: Sequence[Finding]
    mark: AuditMark
    looked_at: int = 0


async def audit_since(connection: Any, mark: AuditMark | None, *, log_most: int) -> AuditIncrement:
    """Return the violations since the mark; without a mark only a new mark.

    Runs in the caller's transaction, which must see one snapshot.
    """
    await connection.execute(QUERIES["fsck_unhurried"])
    seen = await connection.fetchrow(QUERIES["since_snapshot"])
    if mark is None:
        return AuditIncrement((), AuditMark(seen["oldest"], seen["covered"], seen["size"]))
    increment = _Increment(connection)
    await increment.run(mark, seen["newest"])
    log = await audit_log(connection, since=mark.leaves, most=log_most, faults_max=FINDINGS_MAX)
    again, walked = await _walk(connection, mark)
    faults = [Finding(one.invariant, one.subject, one.found) for one in (*log.faults, *again)]
    following = AuditMark(seen["oldest"], seen["covered"], log.verified, walked)
    found = dict.fromkeys([*increment.findings, *faults])  # without duplicates
    return AuditIncrement([*found], following, increment.looked_at)


async def _walk(connection: Any, mark: AuditMark) -> tuple[Sequence[LogFault], int]:
    """Check some more old leaves; return faults and where the walk continues.

    Old entries may have been altered by hand. The nightly audit would find that; this does within a
    day.
    """
    slice_ = min(max(-(-mark.leaves // WALKS), WALK_LEAST), mark.leaves - mark.walked)
    if slice_ <= 0:
        return (), 0
    old = await audit_log(connection, since=mark.walked, most=slice_, faults_max=FINDINGS_MAX)
    return old.faults, mark.walked + slice_


class _Increment:
    """Selects new rows and checks them in portions."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.findings: list[Finding] = []
        self.looked_at = 0

    async def run(self, mark: AuditMark, newest: int) -> None:
        new = mark.horizon, newest
        kinds = {
            "since_transfers": await self._new("since_transfers", *new),
            "since_entries": await self._new("since_entries", *new),
            "since_accounts": await self._new("since_accounts", *new, mark.horizon % XIDS),
            "since_jobs": await self._new("since_jobs", *new),
        }
        await self._check("since_held_i2")  # scans all holds
        await self._connection.execute(QUERIES["since_by_index"])
        for kind, cursor in kinds.items():
            while rows := await cursor.fetch(JOBS_AT_ONCE if kind == "since_jobs" else AT_ONCE):
                self.looked_at += len(rows)
                await self._check(f"{kind}_i", [row[0] for row in rows])
        await self._check("since_open_i")
        await self._check("since_log_i7_late")
        await self._check("since_log_i7_beyond")
        await self._check("since_log_i7_missing", mark.covered)

    async def _new(self, name: str, *args: int) -> Any:
        return await self._connection.cursor(QUERIES[name], *args)

    async def _check(self, prefix: str, *args: Any) -> None:
        for name in sorted(name for name in QUERIES if name.startswith(prefix)):
            rows = await self._connection.fetch(QUERIES[name], FINDINGS_MAX, *args)
            invariant = name.split("_")[2].upper()
            found = (Finding(invariant, row["subject"], row["found"]) for row in rows)
            self.findings += found
