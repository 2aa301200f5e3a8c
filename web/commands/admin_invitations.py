"""``rendertrust admin invitations``: one-time links with which people open an account."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import attrs
import click
import orjson

from web.commands.admin_command import ID, act, as_requested, common, whole_id, with_database
from web.commands.options import settings_from, where_options

if TYPE_CHECKING:
    from sql.invitations import InvitationRow

ANYBODY: Final = "-"
TOO_MANY: Final = "There are too many open invitations: revoke some first"
NOT_OPEN: Final = "There is no open invitation with this id"


@click.group
def invitations() -> None:
    """Make, list and revoke invitations, for gateways that open accounts by invitation only."""


@invitations.command
@click.option("--email", help="The only address that may use it (default: any address).")
@click.option(
    "--days", type=int, default=7, show_default=True, help="How long it is valid, 1 to 90 days."
)
@common
def create(*, email: str | None, days: int, as_json: bool, reason: str, **where: Any) -> None:
    """Make an invitation, and print the link. The link is shown only now, and works once."""
    from sql.invitations import Invitations
    from supervisors.engines.system_clock import SystemClock, SystemRandom
    from web.identity.invitation_tokens import link_of, make_token
    from web.routes.invitations import InvitationOrder, details_of, invitation_of, shown, target_of

    order = as_requested(InvitationOrder, email=email, days=days, reason=reason)
    token = make_token(SystemRandom())
    new = invitation_of(order, token, SystemRandom().uuid(), SystemClock().now())
    record = act("user.invite", target_of(new.id), reason, **details_of(new))
    row = with_database(where, lambda database: Invitations(database).insert(new, record))
    if row is None:
        raise click.ClickException(TOO_MANY)
    settings = settings_from(None, None, where["data"], where["config"])
    link = link_of(settings.server.public_url, token, order.email)
    if as_json:
        click.echo(orjson.dumps({**attrs.asdict(shown(row)), "token": token, "link": link}))
        return
    click.echo(link)
    if not settings.server.public_url:
        click.echo("Put the gateway's address before it: server.public_url is not set.", err=True)


@invitations.command("list")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@where_options
def list_(*, limit: int, as_json: bool, **where: Any) -> None:
    """List open invitations, newest first: id, address, expiry, admin."""
    from sql.invitations import Invitations
    from supervisors.engines.system_clock import SystemClock

    now = SystemClock().now()
    rows = with_database(where, lambda database: Invitations(database).page(now, limit, 0))
    tell(rows, as_json=as_json)


@invitations.command
@click.argument("invitation_id", type=ID)
@common
def revoke(*, invitation_id: UUID | str, as_json: bool, reason: str, **where: Any) -> None:
    """Revoke an invitation that was not used."""
    from sql.invitations import Invitations
    from web.routes.invitations import target_of

    id_ = whole_id(where, "invitations_beginning", invitation_id)
    record = act("user.revoke_invitation", target_of(id_), reason)
    work = with_database(where, lambda d: Invitations(d).revoke(id_, record))
    if not work:
        raise click.ClickException(NOT_OPEN)
    told = {"id": str(id_), "revoked": True}
    click.echo(orjson.dumps(told) if as_json else "The invitation is revoked.")


def tell(rows: "Sequence[InvitationRow]", *, as_json: bool) -> None:
    """Print one line per invitation."""
    from web.routes.invitations import shown

    if as_json:
        click.echo(orjson.dumps({"invitations": [attrs.asdict(shown(row)) for row in rows]}))
        return
    for row in rows:
        until = f"{row.expires_at:%Y-%m-%dT%H:%M:%SZ}"
        click.echo("\t".join((str(row.id), row.email or ANYBODY, until, row.created_by)))
