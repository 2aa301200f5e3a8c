"""The queue of checks and the load of the verifiers, for API, command line and console."""

from typing import Final

from rendertrust.api.checks import CheckQueue, VerifierStatus
from rendertrust.device_class import kin_of
from sql.database import Database
from sql.gateway_totals import VerifierRow, read_checks, read_verifiers
from web.http.responses import from_row

# Gateways record their verifiers every ten seconds.
SEEN_SECONDS: Final = 30.0


async def check_queue_of(database: Database) -> CheckQueue:
    """Return the queue of checks and the verifiers of all gateways. Raises Unavailable."""
    checks, rows = await read_checks(database), await read_verifiers(database, SEEN_SECONDS)
    return CheckQueue(
        waiting=checks.waiting,
        oldest_seconds=round(checks.oldest, 3),
        overdue=checks.overdue,
        checking=min(sum(row.checking for row in rows), checks.waiting),
        verifiers=tuple(map(status_of, rows)),
    )


def status_of(row: VerifierRow) -> VerifierStatus:
    """Return the API's model of a verifier."""
    build = kin_of(row.device_class)[1]
    return from_row(VerifierStatus, row, build=build, load=round(row.load, 3))
