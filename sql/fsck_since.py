"""The invariants of the books over what was written since a mark.

A number that was given early may be committed late, or be made up, and clocks of gateways differ:
so what is new is told by transactions. All that was over below ``horizon`` was seen by the audit
before; whatever a later transaction wrote is looked at, whatever its number, if need be once more.

What is seen lies upon what was there before: a new entry must follow on the one before it, and an
account's balance be that of its newest entry, whichever of the two was written. So sums of all
entries, and rows that nobody has touched, are left to ``sql.fsck``, which looks at everything. What
is open or held is looked at whole, each time: it is never much. Of the log, whose leaves are made
of entries, a little of what is old is looked at each time, so that within a day all of it is.
"""

from collections.abc import Sequence
from typing import Any, Final

import attrs

from sql.fsck import FINDINGS_MAX, Finding
from sql.log_audit import LogFault, audit_log
from sql.query_loader import QUERIES

AT_ONCE: Final = 5000  # transfers, entries or accounts in one check
JOBS_AT_ONCE: Final = 250  # with all their units
WALKS: Final = 1200  # audits in which the whole log is gone over once: most of a day's minutes
WALK_LEAST: Final = 256  # leaves
XIDS: Final = 1 << 32


@attrs.frozen
class AuditMark:
    """Up to where the books were looked at. The first one is below everything."""

    horizon: int = 0  # transactions below it were over, and were seen
    covered: int = 0  # the number of an entry, as the log's head said
    leaves: int = 0  # of the log, which were found right
    walked: int = 0  # of those, which were looked at again since the walk began anew


@attrs.frozen
class AuditIncrement:
    """What was found since a mark, where the next audit goes on, and how much was looked at."""

    findings: Sequence[Finding]
    mark: AuditMark
    looked_at: int = 0


async def audit_since(connection: Any, mark: AuditMark | None, *, log_most: int) -> AuditIncrement:
    """Violations since the mark; None: there are none yet, only a mark for the next time.

    In the caller's transaction, which sees one snapshot.
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
    found = dict.fromkeys([*increment.findings, *faults])  # two ways may lead to one of them
    return AuditIncrement([*found], following, increment.looked_at)


async def _walk(connection: Any, mark: AuditMark) -> tuple[Sequence[LogFault], int]:
    """What is wrong with some more of what was found right before, and where the walk goes on.

    Somebody may have altered old entries by hand: the night would find it, this does within a day.
    """
    slice_ = min(max(-(-mark.leaves // WALKS), WALK_LEAST), mark.leaves - mark.walked)
    if slice_ <= 0:
        return (), 0
    old = await audit_log(connection, since=mark.walked, most=slice_, faults_max=FINDINGS_MAX)
    return old.faults, mark.walked + slice_


class _Increment:
    """Picks what is new, and puts it to the checks, so much at a time."""

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
        await self._check("since_held_i2")  # of all that is held: it is read through
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
