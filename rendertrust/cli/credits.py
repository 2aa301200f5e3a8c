"""``rendertrust credits``: what there is, and how it came and went."""

from typing import TYPE_CHECKING, Final

import click

from rendertrust.cli import wording
from rendertrust.cli.command import Group, paged
from rendertrust.cli.session import session_of

if TYPE_CHECKING:
    from rendertrust.client import Entry

COLUMNS: Final = ("WHEN", "AMOUNT", "BALANCE", "SOURCE", "REFERENCE", "DESCRIPTION")


@click.group(cls=Group)
def credits() -> None:  # noqa: A001 - its name
    """What you have, and how it came and went."""


@credits.command()
@click.pass_context
def balance(context: click.Context) -> None:
    """What is booked, what of it is set aside for open jobs, and what is left."""
    session = session_of(context)
    found = session.run(lambda client: client.balance())
    session.output.document(found)
    session.output.facts(
        {"balance": found.balance, "held": found.held, "available": found.available}
    )


@credits.command()
@paged
@click.pass_context
def history(context: click.Context, limit: int, offset: int) -> None:
    """Every movement, newest first."""
    session = session_of(context)
    found = session.run(lambda client: client.history(limit=limit, offset=offset))
    session.output.document(found)
    if not found.entries:
        session.output.note("No movements yet. Submit a job: rendertrust submit SCENE.blend")
        return
    people = session.output.terminal
    session.output.table(COLUMNS, [_row(entry, people=people) for entry in found.entries])
    session.output.more(offset + len(found.entries), found.count)


def _row(entry: "Entry", *, people: bool) -> tuple[str, ...]:
    when = wording.ago(entry.created_at) if people else wording.stamp(entry.created_at)
    sign = "-" if entry.direction == "DEBIT" else "+"
    return (
        when,
        sign + entry.amount,
        entry.balance_after,
        wording.harmless(entry.source),
        wording.harmless(entry.reference_id or "-"),
        wording.harmless(entry.description or ""),
    )
