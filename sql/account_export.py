"""Export of an account: everything that is stored of a person, page by page."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final
from uuid import UUID

from sql.database import Table

PAGE: Final = 500  # rows that are in memory at once
# Sections in the order of the export. Each has a query that reads a page.
SECTIONS: Final = (
    *("sessions", "factors", "keys", "mails", "organisations", "trusted", "webhooks", "nodes"),
    *("uploads", "preflights", "jobs", "disputes", "purchases", "credits", "earnings"),
    *("payouts", "audit"),
)


class AccountExport(Table):
    """Reads of the export. Methods raise ``sql.database.Unavailable``."""

    async def pages(self, section: str, user: UUID) -> AsyncIterator[Sequence[Any]]:
        """Yield the rows of a section, a page at a time."""
        place = ""
        while True:
            rows = await self._database.all(f"export_{section}", user, place, PAGE)
            if rows:
                yield [row["item"] for row in rows]
            if len(rows) < PAGE:
                return
            place = rows[-1]["place"]
