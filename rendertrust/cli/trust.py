"""``rendertrust trusted``: users whose nodes may render your jobs besides your own."""

from typing import Final
from uuid import UUID

import click

from rendertrust.cli import formats
from rendertrust.cli.command import Group
from rendertrust.cli.session import session_of

COLUMNS: Final = ("ID", "E-MAIL", "SINCE")


@click.group(cls=Group)
def trusted() -> None:
    """Users you trust: with --pool trusted, your jobs may also go to their nodes.

    Your nodes without a sandbox accept their jobs.
    """


@trusted.command("list")
@click.pass_context
def list_(context: click.Context) -> None:
    """List the users you trust."""
    session = session_of(context)
    found = session.run(lambda client: client.trusted())
    session.output.document(found)
    if not found.trusted:
        session.output.note("You trust no users. Trust a user: rendertrust trusted add EMAIL")
        return
    rows = [
        (
            one.user_id,
            formats.harmless(one.email),
            formats.stamp(one.since),
        )
        for one in found.trusted
    ]
    session.output.table(COLUMNS, rows)


@trusted.command()
@click.argument("email")
@click.pass_context
def add(context: click.Context, email: str) -> None:
    """Trust the user with this e-mail address."""
    words = f"If there is an account with the address {email}, you trust its user."
    session_of(context).do(lambda client: client.trust(email), words, email=email, trusted=True)


@trusted.command()
@click.argument("user", type=click.UUID, metavar="USER")
@click.pass_context
def remove(context: click.Context, user: UUID) -> None:
    """Stop trusting USER, an id from `trusted list`. Running units on their nodes are finished."""
    words = "You no longer trust this account."
    session_of(context).do(lambda client: client.distrust(user), words, user_id=user, trusted=False)
