"""``rendertrust node earnings``: earnings of this machine's node, with receipts and proofs."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from rendertrust.cli import value_text
from rendertrust.cli.command import Command
from rendertrust.cli.gateway_key_check import look
from rendertrust.cli.money_worth import MoneyWorth
from rendertrust.cli.node_options import state_option
from rendertrust.cli.node_status import joined
from rendertrust.cli.session import CliSession, pass_session
from rendertrust.money import shortened

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, Share

PAGE: Final = 100
SHARES_MOST: Final = 10_000
SHOWN: Final = 10
# The last column is left out on a terminal. --json prints every field.
COLUMNS: Final = ("EARNED", "AMOUNT", "WORTH", "STATE", "WORK", "JOB", "UNIT", "ENTRY", "RECEIPT")
Day = click.DateTime(["%Y-%m-%d", "%Y-%m"])


@attrs.frozen
class Period:
    """A period in UTC, which includes its start and excludes its end."""

    since: datetime | None
    until: datetime | None

    def has(self, at: datetime) -> bool:
        """Return True if a moment is in the period."""
        after = self.since is None or at >= self.since
        return after and (self.until is None or at < self.until)


@click.command(cls=Command)
@state_option
@click.option(
    "--since", type=Day, metavar="DAY", help="Show units from this day on, like 2026-03-01 (UTC)."
)
@click.option(
    "--until", type=Day, metavar="DAY", help="Show units before this day, like 2026-04-01 (UTC)."
)
@click.option(
    "--limit",
    type=click.IntRange(0, SHARES_MOST),
    default=SHOWN,
    show_default=True,
    help="Show at most this many units; --json and the sums include all of them.",
)
@pass_session
def earnings(
    session: CliSession,
    state: Path | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
) -> None:
    """Show the earnings of this machine's node: sums, months, and each unit with its receipt.

    Only the 10,000 newest earnings of all your nodes are read. For all your nodes: rendertrust
    earnings
    """
    found = joined(state)
    session.given = session.given or found.url
    look(session, state)
    period = Period(_utc(since), _utc(until))
    shares = session.run(lambda client: _shares(client, found.node_id, period))
    totals, months = totals_of(shares), months_of(shares)
    session.output.document(
        {
            "node_id": found.node_id,
            "since": period.since,
            "until": period.until,
            "units": len(shares),
            "totals": totals,
            "months": months,
            "earnings": [shown(share, found.url) for share in shares],
        }
    )
    worth = MoneyWorth.ask(session)
    shorter = {state: worth.beside(amount) for state, amount in totals.items()}
    session.output.facts({"node": found.node_id, "units": str(len(shares)), **shorter})
    session.output.facts({month: _sums(sums, worth) for month, sums in months.items()})
    if shares[:limit]:
        people = session.output.terminal
        columns = COLUMNS[:-1] if people else COLUMNS
        rows = [_row(share, worth, people=people)[: len(columns)] for share in shares[:limit]]
        session.output.table(columns, rows)
        session.output.note("Prove that an earning is booked: rendertrust ledger proof ENTRY")
        session.output.note(
            "Show the signed receipt of a unit: rendertrust jobs receipt JOB --unit N"
        )


async def _shares(client: "AsyncClient", node: str, period: Period) -> "list[Share]":
    """Return the node's earnings, newest first."""
    shares: list[Share] = []
    for offset in range(0, SHARES_MOST, PAGE):
        page = await client.earnings(limit=PAGE, offset=offset)
        ours = (share for share in page.earnings if share.node_id == node)
        shares += (share for share in ours if period.has(share.earned_at))
        is_last = offset + len(page.earnings) >= page.count or not page.earnings
        if is_last or (period.since and page.earnings[-1].earned_at < period.since):
            break
    return shares


def totals_of(shares: "Sequence[Share]") -> dict[str, str]:
    """Return the exact sums of the earnings by state."""
    sums: dict[str, Decimal] = {}
    for share in shares:
        sums[share.state] = sums.get(share.state, Decimal(0)) + Decimal(share.amount)
    return {state: str(amount) for state, amount in sorted(sums.items())}


def months_of(shares: "Sequence[Share]") -> dict[str, dict[str, str]]:
    """Return the sums of each month (UTC) with earnings, newest month first."""
    by: dict[str, list[Share]] = {}
    for share in shares:
        by.setdefault(f"{share.earned_at.astimezone(UTC):%Y-%m}", []).append(share)
    return {month: totals_of(by[month]) for month in sorted(by, reverse=True)}


def shown(share: "Share", url: str) -> dict[str, Any]:
    """Return an earning with the absolute URLs of its proof and its receipt."""
    return {
        **attrs.asdict(share),
        "proof_url": share.proof_path and url + share.proof_path,
        "receipt_url": share.receipt_path and url + share.receipt_path,
    }


def _utc(day: datetime | None) -> datetime | None:
    return None if day is None else day.replace(tzinfo=UTC)


def _sums(sums: dict[str, str], worth: MoneyWorth) -> str:
    return ", ".join(f"{worth.beside(amount)} {state}" for state, amount in sums.items())


def _row(share: "Share", worth: MoneyWorth, *, people: bool) -> tuple[str, ...]:
    state = "disputed" if share.disputed else share.state
    made = (
        value_text.ago(share.earned_at) if people else value_text.stamp(share.earned_at),
        shortened(share.amount),
        worth.of(share.amount),
        state,
        share.work,
        value_text.short(share.job_id) if people else share.job_id,
    )
    entry = "-" if share.entry_id is None else str(share.entry_id)
    return (*made, str(share.unit), entry, share.receipt_path or "-")
