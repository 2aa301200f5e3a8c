"""``rendertrust account``: the account of the user who is logged in."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from rendertrust.cli import value_text
from rendertrust.cli.account import LENGTH_MIN, from_stdin, secret, with_factor
from rendertrust.cli.command import Group
from rendertrust.cli.id_prefix import BEGINNING, chosen
from rendertrust.cli.session import CliSession, is_interactive, pass_session

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, Session

NEW_VARIABLE: Final = "RENDERTRUST_NEW_PASSWORD"
COLUMNS: Final = ("ID", "CLIENT", "SINCE", "LAST USED", "")
EXPORT: Final = Path("rendertrust-account.json")
WARNING: Final = (
    "Your name, address, password, sessions, API keys and webhooks are erased for good, and your\n"
    "nodes are revoked. Entries of the ledger and receipts stay, without your name; invoices stay\n"
    "as they are."
)


@click.group(cls=Group)
def account() -> None:
    """Show, change, export or delete your account."""


@account.command()
@pass_session
def show(session: CliSession) -> None:
    """Show your account, and which mails you get."""
    found = session.fetch(lambda client: client.account(), people=True)
    verified = "not verified" if found.verified_at is None else "verified"
    session.output.facts(
        {
            "name": value_text.harmless(found.name),
            "email": f"{value_text.harmless(found.email)} ({verified})",
            "role": found.role,
            "since": value_text.stamp(found.created_at),
            "mails": " ".join(found.mails) or "only about the account's security",
            "invoices to": value_text.harmless(found.invoice_to.replace("\n", ", ")) or None,
            "id": found.id,
        }
    )


@account.command("invoice-to")
@click.argument("lines", nargs=-1, required=True)
@pass_session
def invoice_to(session: CliSession, lines: tuple[str, ...]) -> None:
    """Set your name and address on invoices: each of the LINES is one argument.

    One empty argument ('') removes them. Issued invoices stay as they are.
    """
    wanted = "\n".join(lines)
    changed = session.run(lambda client: client.address_invoices(wanted), people=True)
    session.output.document(changed)
    session.output.say("Your next invoices are addressed to:")
    session.output.say(value_text.lines(changed.invoice_to or f"{changed.name}\n{changed.email}"))


@account.command()
@click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the current password and the new one from standard input, one per line.",
)
@pass_session
def password(session: CliSession, password_stdin: bool) -> None:
    """Change your password. All your other sessions end."""
    old = secret(from_input=password_stdin, label="Current password")
    new = secret(from_input=password_stdin, twice=True, label="New password", variable=NEW_VARIABLE)
    if len(new) < LENGTH_MIN:
        raise click.UsageError(f"The password is too short: at least {LENGTH_MIN} characters")
    session.warn_of_plain_http()
    session.run(lambda client: client.change_password(old, new), people=True)
    session.output.document({"changed": True})
    session.output.say("Your password is changed. All your other sessions have ended.")


@account.command()
@click.option("--end", "end", metavar="ID", type=BEGINNING, help="End the session with this id.")
@click.option("--end-others", is_flag=True, help="End all sessions but this one.")
@pass_session
def sessions(session: CliSession, end: str | None, end_others: bool) -> None:
    """List your sessions, or end them. API keys are kept."""
    if end is not None and end_others:
        raise click.UsageError("--end and --end-others exclude each other")
    if end is None and not end_others:
        _list(session, session.run(_sessions, people=True))
        return
    ended = session.run(lambda client: _ended(client, end), people=True)
    session.output.document({"ended": ended})
    session.output.say(f"Ended: {len(ended)} session{'' if len(ended) == 1 else 's'}.")


def _list(session: CliSession, found: Sequence["Session"]) -> None:
    session.output.document({"sessions": found, "count": len(found)})
    when = value_text.ago if session.output.terminal else value_text.stamp
    rows = [
        (
            one.sid,
            value_text.harmless(one.client),
            when(one.created_at),
            when(one.refreshed_at),
            "this one" if one.current else "",
        )
        for one in found
    ]
    session.output.table(COLUMNS, rows)


async def _sessions(client: "AsyncClient") -> "list[Session]":
    return [one async for one in client.each_session()]


async def _ended(client: "AsyncClient", wanted: str | None) -> list[str]:
    """End the session whose id begins with ``wanted``, or all others; return their ids."""
    found = await _sessions(client)
    if wanted is None:
        ending = [one.sid for one in found if not one.current]
    else:
        labels = {one.sid: value_text.harmless(one.client) for one in found}
        ending = [chosen(wanted, labels, "session", "rendertrust account sessions")]
    for sid in ending:
        await client.end_session(sid)
    return ending


@account.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default=EXPORT)
@pass_session
def export(session: CliSession, file: Path) -> None:
    """Write everything that the gateway stores of you to FILE, as JSON.

    Without FILE, the file is rendertrust-account.json. Pictures are not part of it.
    """
    path = session.run(
        lambda client: with_factor(client, lambda: client.export_account(file)), people=True
    )
    session.output.document({"path": str(path), "size": path.stat().st_size})
    session.output.say(f"Saved {path}, {value_text.size(path.stat().st_size)}.")


@account.command()
@click.option("--yes", is_flag=True, help="Do not ask again.")
@from_stdin
@pass_session
def delete(session: CliSession, yes: bool, password_stdin: bool) -> None:
    """Delete your account for good.

    Refused while jobs or disputes are open, or bought credits or unpaid earnings are left.
    """
    if not yes and not is_interactive():
        raise click.UsageError("Deletion is for good: confirm it with --yes")
    session.output.note(WARNING)
    given = secret(from_input=password_stdin)
    if not yes and not click.confirm("Delete the account?", err=True):
        raise click.Abort
    session.warn_of_plain_http()
    session.run(
        lambda client: with_factor(client, lambda: client.delete_account(given)), people=True
    )
    session.output.document({"url": session.url, "deleted": True})
    session.output.say(f"Your account at {session.url} is deleted.")
