"""Description, for creators, of delivered units that wait for their verdict."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from sql.jobs import OpenCheck
from web.gateway import Gateway

MINUTE: Final = 60


@attrs.frozen
class CheckProgress:
    """A delivered unit that waits for its verdict since ``since``; ``words`` explain it."""

    words: str
    since: datetime


async def checking_of(
    gateway: Gateway, job: UUID, units: Sequence[int]
) -> Mapping[int, CheckProgress]:
    """Return the units that wait for a verdict, by number. Raises Unavailable.

    The description does not reveal whether a result is compared. Only some results are compared.
    The owners of nodes, who may be creators or know creators, must not learn which results are.
    """
    if not units:
        return {}
    now = gateway.ports.clock.now()
    return {
        one.unit: CheckProgress(words_of(one, now), one.since)
        for one in await gateway.tables.jobs.open_checks(job, units)
    }


def words_of(check: OpenCheck, now: datetime) -> str:
    """Return two sentences on a delivered unit that waits for its verdict."""
    minutes = int((now - check.since).total_seconds()) // MINUTE
    ago = "just now" if minutes < 1 else f"{minutes} min ago"
    return (
        f"It was delivered {ago}, and is charged once verified."
        " The gateway may have small parts of it rendered again to verify it."
    )
