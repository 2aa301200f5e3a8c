"""``rendertrust trusted``: whose nodes may see your work, besides your own."""

from typing import Final
from uuid import UUID

import click

from rendertrust.cli import formatting
from rendertrust.cli.command import Group
from rendertrust.cli.session import session_of

COLUMNS: Final = ("ID", "E-MAIL", "SINCE")


@click.group(cls=Group)
def trusted() -> None:
    """Whom you trust: jobs of yours with --pool trusted go to their nodes, besides your own.

    Nodes of yours without a sandbox take their jobs.
    """


@trusted.command("list")
@click.pass_context
def list_(context: click.Context) -> None:
    """All of them."""
    session = session_of(context)
    found = session.run(lambda client: client.trusted())
    session.output.document(found)
    if not found.trusted:
        session.output.note("Nobody. Trust somebody: rendertrust trusted add EMAIL")
        return
    rows = [
        (
            one.user_id,
            formatting.harmless(one.email),
            formatting.stamp(one.since),
        )
        for one in found.trusted
    ]
    session.output.table(COLUMNS, rows)


@trusted.command()
@click.argument("email")
@click.pass_context
def add(context: click.Context, email: str) -> None:
    """Trust somebody by the address of their account."""
    words = f"If somebody has the address {email} there, you trust them."
    session_of(context).do(lambda client: client.trust(email), words, email=email, trusted=True)


@trusted.command()
@click.argument("user", type=click.UUID, metavar="ID")
@click.pass_context
def remove(context: click.Context, user: UUID) -> None:
    """Trust him no more; what his nodes have of yours they finish."""
    words = "You no longer trust this account."
    session_of(context).do(lambda client: client.distrust(user), words, user_id=user, trusted=False)
