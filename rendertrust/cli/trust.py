"""``rendertrust trusted``: users whose nodes may render your jobs besides your own."""

from typing import Final
from uuid import UUID

import click

from rendertrust.cli import value_text
from rendertrust.cli.command import Group
from rendertrust.cli.id_prefix import TRUSTED
from rendertrust.cli.session import CliSession, pass_session

COLUMNS: Final = ("ID", "E-MAIL", "SINCE")


@click.group(cls=Group)
def trusted() -> None:
    """Users you trust: with --pool trusted, your jobs may also go to nodes of these users.

    Your nodes without a sandbox accept jobs of these users.
    """


@trusted.command("list")
@pass_session
def list_(session: CliSession) -> None:
    """List the users you trust."""
    found = session.fetch(lambda client: client.trusted())
    if not found.trusted:
        session.output.note("You trust no users. Trust a user: rendertrust trusted add EMAIL")
        return
    rows = [
        (
            one.user_id,
            value_text.harmless(one.email),
            value_text.stamp(one.since),
        )
        for one in found.trusted
    ]
    session.output.table(COLUMNS, rows)


@trusted.command()
@click.argument("email")
@pass_session
def add(session: CliSession, email: str) -> None:
    """Trust the user with this e-mail address."""
    words = f"If there is an account with the address {email}, you trust its user."
    session.do(lambda client: client.trust(email), words, email=email, trusted=True)


@trusted.command()
@click.argument("user", type=TRUSTED, metavar="USER")
@pass_session
def remove(session: CliSession, user: UUID) -> None:
    """Stop trusting USER, an id from `trusted list`.

    Units that are running on the user's nodes are finished.
    """
    words = "You no longer trust this account."
    session.do(lambda client: client.distrust(user), words, user_id=user, trusted=False)
