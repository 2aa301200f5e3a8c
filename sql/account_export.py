"""Export of an account: everything that is stored of a person, page by page."""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final
from uuid import UUID

from sql.database import Table

PAGE: Final = 500  # rows that are in memory at once
# The query for each section's pages, in the order of the export.
SECTIONS: Final = {
    "sessions": "export_sessions",
    "factors": "export_factors",
    "identities": "export_identities",
    "keys": "export_keys",
    "mails": "export_mails",
    "organisations": "export_organisations",
    "trusted": "export_trusted",
    "webhooks": "export_webhooks",
    "nodes": "export_nodes",
    "uploads": "export_uploads",
    "preflights": "export_preflights",
    "jobs": "export_jobs",
    "presets": "export_presets",
    "share_links": "export_share_links",
    "disputes": "export_disputes",
    "dispute_answers": "export_dispute_answers",
    "purchases": "export_purchases",
    "credits": "export_credits",
    "earnings": "export_earnings",
    "payout_rules": "export_payout_rules",
    "payouts": "export_payouts",
    "audit": "export_audit",
}


class AccountExport(Table):
    """Reads of the export. Methods raise ``sql.database.Unavailable``."""

    async def pages(self, section: str, user: UUID) -> AsyncIterator[Sequence[Any]]:
        """Yield the rows of a section, a page at a time."""
        place = ""
        while True:
            rows = await self._database.all(SECTIONS[section], user, place, PAGE)
            if rows:
                yield [row["item"] for row in rows]
            if len(rows) < PAGE:
                return
            place = rows[-1]["place"]
