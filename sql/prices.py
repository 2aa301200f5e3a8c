"""Prices of jobs by type, with their history: each change is a row."""

from collections.abc import Sequence
from datetime import datetime

import attrs

from rendertrust import money
from sql.audit_log import Act, record
from sql.database import Table
from sql.query_loader import QUERIES

EVERY_OTHER = "*"  # job type that stands for all types without a price


@attrs.frozen
class PriceRow:
    """A price from ``since`` on; ``units`` is None if the type's price was removed."""

    number: int
    job_type: str
    units: int | None
    since: datetime
    changed_by: str
    reason: str


class Prices(Table):
    async def now(self) -> Sequence[PriceRow]:
        """Return the current prices by type.

        The type ``EVERY_OTHER`` stands for all types without a price.
        """
        return await self._database.rows(PriceRow, "prices_of_now")

    async def at(self, job_type: str, at: datetime) -> PriceRow | None:
        """Return the row that gave the price of a job type at a time; None before all prices."""
        return await self._database.row(PriceRow, "price_at", job_type, at)

    async def history(
        self, job_type: str | None, before: int | None, limit: int
    ) -> Sequence[PriceRow]:
        """Return price changes, newest first; if given, only of ``job_type``, or with numbers below
        ``before``.
        """
        return await self._database.rows(PriceRow, "prices_history", job_type, before, limit)

    async def set(self, job_type: str, units: int | None, act: Act) -> PriceRow | None:
        """Set the price for jobs submitted from now on, with an audit record.

        Setting the current price again changes nothing. None if there is no price to remove.
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
