"""``rendertrust keys``: API keys, by which programs act for a user without a login."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

import click

from rendertrust.cli import value_text
from rendertrust.cli.account import with_factor
from rendertrust.cli.command import Group, paged
from rendertrust.cli.id_prefix import KEY
from rendertrust.cli.session import API_KEY, CliSession, pass_session

if TYPE_CHECKING:
    from rendertrust.client import ApiKey, AsyncClient, CreatedApiKey

COLUMNS: Final = ("ID", "NAME", "ENDS IN", "CREATED", "EXPIRES", "USED", "SCOPES")
SCOPES: Final = (
    *("jobs:read", "jobs:write", "uploads:write", "credits:read"),
    *("credits:write", "nodes:read", "nodes:write"),
)
# The default scopes: for submitting, watching and downloading.
USUAL: Final = ("jobs:read", "jobs:write", "uploads:write", "credits:read")


@click.group(cls=Group)
def keys() -> None:
    """Create, list and revoke API keys for programs that act for you."""


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    help=f"A scope; may be repeated (default: {', '.join(USUAL)}).",
)
@click.option(
    "--expires",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]),
    metavar="DAY",
    help="When the key expires, in UTC, like 2027-01-31 (default: never).",
)
@pass_session
def create(
    session: CliSession, name: str, scopes: tuple[str, ...], expires: datetime | None
) -> None:
    """Create a key. The key is printed once and never shown again."""
    ends = None if expires is None else expires.replace(tzinfo=UTC)
    made = session.fetch(lambda client: _created(client, name, scopes or USUAL, ends), people=True)
    session.output.say(made.key)
    session.output.note(
        f"Save the key: it cannot be shown again. Programs read the key from {API_KEY}."
    )


@keys.command("list")
@paged
@pass_session
def list_(session: CliSession, limit: int, offset: int) -> None:
    """List your keys that are not revoked, newest first."""
    found = session.fetch(lambda client: client.keys(limit=limit, offset=offset), people=True)
    rows = [_row(key, people=session.output.terminal) for key in found.keys]
    none = "No keys. Create one: rendertrust keys create NAME"
    session.output.listed(COLUMNS, rows, offset=offset, count=found.count, none=none)


@keys.command()
@click.argument("key", type=KEY)
@pass_session
def revoke(session: CliSession, key: UUID) -> None:
    """Revoke a key by its id, from `keys list`. The key stops working at once."""
    session.run(lambda client: client.revoke_key(key), people=True)
    session.output.document({"id": key, "revoked": True})
    session.output.say(f"Revoked {key}.")


async def _created(
    client: "AsyncClient", name: str, scopes: tuple[str, ...], ends: datetime | None
) -> "CreatedApiKey":
    """Create a key; ask for the second factor again if the gateway wants it."""
    return await with_factor(client, lambda: client.create_key(name, scopes, expires_at=ends))


def _row(key: "ApiKey", *, people: bool) -> tuple[str, ...]:
    when = value_text.ago if people else value_text.stamp
    return (
        key.id,
        value_text.harmless(key.name),
        key.hint,
        when(key.created_at),
        "-" if key.expires_at is None else value_text.stamp(key.expires_at),
        "-" if key.last_used_at is None else when(key.last_used_at),
        " ".join(key.scopes),
    )
