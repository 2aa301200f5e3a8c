"""Prices of jobs by type, with their history: each change is a row."""

from collections.abc import Sequence
from datetime import datetime

import attrs

from rendertrust import money
from sql.audit import Act, record
from sql.database import Database
from sql.query_loader import QUERIES

EVERY_OTHER = "*"  # job type that stands for all types without a price of their own


@attrs.frozen
class PriceRow:
    """A price from ``since`` on, in units; None: the type no longer has a price of its own."""

    number: int
    job_type: str
    units: int | None
    since: datetime
    changed_by: str
    reason: str


class Prices:
    """Each method raises ``sql.database.Unavailable`` while the database is down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def now(self) -> Sequence[PriceRow]:
        """Return the current prices by type.

        ``EVERY_OTHER`` for types without a price of their own.
        """
        return [PriceRow(**row) for row in await self._database.all("prices_of_now")]

    async def history(
        self, job_type: str | None, before: int | None, limit: int
    ) -> Sequence[PriceRow]:
        """Return changes, newest first; optionally only of one type, or before a number."""
        rows = await self._database.all("prices_history", job_type, before, limit)
        return [PriceRow(**row) for row in rows]

    async def set(self, job_type: str, units: int | None, act: Act) -> PriceRow | None:
        """Set the price for jobs submitted from now on, with an audit record.

        Setting the current price again changes nothing. None: there is no price to remove.
        """
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES["prices_lock"])
            found = await connection.fetchrow(QUERIES["price_of_type"], job_type)
            before = None if found is None else PriceRow(**found)
            old = None if before is None else before.units
            if old == units:
                return before if units is not None else None
            values = (job_type, units, act.at, act.actor, act.reason)
            row = await connection.fetchrow(QUERIES["price_insert"], *values)
            assert row is not None, "it returns what it inserts"
            details = {"price": shown(units), "before": shown(old)}
            await record(connection, attrs.evolve(act, details=details))
        return PriceRow(**row)


def shown(units: int | None) -> str | None:
    """Format a price in credits."""
    return None if units is None else money.render(units)
