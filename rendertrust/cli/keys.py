"""``rendertrust keys``: API keys, with which programs act without a login."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

import click

from rendertrust.cli import formats
from rendertrust.cli.command import Group, paged
from rendertrust.cli.session import API_KEY, session_of

if TYPE_CHECKING:
    from rendertrust.client import ApiKey

COLUMNS: Final = ("ID", "NAME", "ENDS IN", "CREATED", "EXPIRES", "USED", "SCOPES")
SCOPES: Final = (
    *("jobs:read", "jobs:write", "uploads:write", "credits:read"),
    *("credits:write", "nodes:read", "nodes:write"),
)
# The scopes for submitting, watching and downloading.
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
    help="When the key expires, in UTC, like 2027-01-31 (default: never).",
)
@click.pass_context
def create(
    context: click.Context, name: str, scopes: tuple[str, ...], expires: datetime | None
) -> None:
    """Create a key. It is printed once and never shown again."""
    session = session_of(context)
    ends = None if expires is None else expires.replace(tzinfo=UTC)
    made = session.run(
        lambda client: client.create_key(name, scopes or USUAL, expires_at=ends), people=True
    )
    session.output.document(made)
    session.output.say(made.key)
    session.output.note(f"Save it: it cannot be shown again. Programs read it from {API_KEY}.")


@keys.command("list")
@paged
@click.pass_context
def list_(context: click.Context, limit: int, offset: int) -> None:
    """List your keys that are not revoked, newest first."""
    session = session_of(context)
    found = session.run(lambda client: client.keys(limit=limit, offset=offset), people=True)
    session.output.document(found)
    if not found.keys:
        session.output.note("No keys. Create one: rendertrust keys create NAME")
        return
    session.output.table(COLUMNS, [_row(key, people=session.output.terminal) for key in found.keys])
    session.output.more(offset + len(found.keys), found.count)


@keys.command()
@click.argument("key", type=click.UUID)
@click.pass_context
def revoke(context: click.Context, key: UUID) -> None:
    """Revoke a key by its id, from `keys list`. It stops working at once."""
    session = session_of(context)
    session.run(lambda client: client.revoke_key(key), people=True)
    session.output.document({"id": key, "revoked": True})
    session.output.say(f"Revoked {key}.")


def _row(key: "ApiKey", *, people: bool) -> tuple[str, ...]:
    when = formats.ago if people else formats.stamp
    return (
        key.id,
        formats.harmless(key.name),
        key.hint,
        when(key.created_at),
        "-" if key.expires_at is None else formats.stamp(key.expires_at),
        "-" if key.last_used_at is None else when(key.last_used_at),
        " ".join(key.scopes),
    )
