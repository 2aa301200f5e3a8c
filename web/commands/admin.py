"""``rendertrust admin``: users, their roles and passwords, the queue of checks, keys of tokens."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import orjson

from web.commands.admin_command import act, as_requested, common, with_database
from web.commands.admin_credits import credits_
from web.commands.admin_disputes import disputes
from web.commands.admin_invitations import invitations
from web.commands.admin_log_key import log_key
from web.commands.admin_payouts import payouts
from web.commands.admin_prices import prices
from web.commands.admin_skus import skus
from web.commands.options import settings_from, where_options

if TYPE_CHECKING:
    from rendertrust.api.checks import CheckQueue
    from sql.database import Database
    from sql.users import Administration, UserRow, Users

ROLES: Final = ("user", "operator", "admin", "auditor")
GIVEN: Final = """\
The key that signs tokens comes from the settings. To rotate it:
  1. jwt.previous (RENDERTRUST_JWT_PREVIOUS): the present jwt.secret
  2. jwt.secret (RENDERTRUST_JWT_SECRET): a new one, e.g. from: openssl rand -base64 33
  3. restart every gateway
  4. after {days} days, empty jwt.previous again"""

stdin_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input."
)


@click.group("admin")
def admin() -> None:
    """Manage users, invitations, prices, SKUs, credits, payouts, disputes, checks and keys."""


admin.add_command(prices)
admin.add_command(credits_)
admin.add_command(skus)
admin.add_command(payouts)
admin.add_command(disputes)
admin.add_command(invitations)


@admin.command
@click.option("--email", required=True, help="The address to log in with.")
@click.option("--name", required=True, help="The name that others see.")
@click.option(
    "--role",
    type=click.Choice(ROLES),
    default="admin",
    show_default=True,
    help="The role of the user; see `admin role --help`.",
)
@stdin_option
@common
def create(
    *,
    email: str,
    name: str,
    role: str,
    password_stdin: bool,
    as_json: bool,
    reason: str,
    **where: Any,
) -> None:
    """Create a user with a role. The password is asked for, or read from standard input."""
    from sql.users import NewUser
    from supervisors.engines.system_clock import SystemRandom

    checked = registration(email, name, new_password(from_input=password_stdin))
    user = SystemRandom().uuid()

    async def work(users: "Users", acts: "Administration") -> "UserRow | None":
        new = NewUser(user, checked.email, checked.name, hashed(checked.password), role)
        return await acts.create(new, act("user.create", f"user:{user}", reason, role=role))

    row = done(where, work)
    if row is None:
        raise click.ClickException(f"{checked.email} already has an account: see `admin role`")
    tell(row, f"Created {row.email} with the role {row.role}.", as_json=as_json)


@admin.command
@click.argument("email")
@click.argument("role", type=click.Choice(ROLES))
@common
def role(*, email: str, role: str, as_json: bool, reason: str, **where: Any) -> None:
    """Set a user's role and end all their sessions.

    admin: sees and changes everything. auditor: sees what an admin sees, and changes nothing of
    other users. user and operator have the same rights.
    """
    from sql.users import LastAdmin

    async def work(users: "Users", acts: "Administration") -> "UserRow | None":
        row = await users.by_email(email)
        if row is None:
            return None
        ended = await acts.set_role(
            row.id, role, act("user.role", f"user:{row.id}", reason, role=role)
        )
        return None if ended is None else ended.user

    try:
        row = found(done(where, work), email)
    except LastAdmin as error:
        said = f"The farm would have no admin left: make another user admin before {email}"
        raise click.ClickException(said) from error
    tell(row, f"{row.email} has the role {row.role} from the next login on.", as_json=as_json)


@admin.command
@click.argument("email")
@stdin_option
@common
def password(*, email: str, password_stdin: bool, as_json: bool, reason: str, **where: Any) -> None:
    """Set a user's password and end all their sessions."""
    fresh = registration(email, "-", new_password(from_input=password_stdin)).password

    async def work(users: "Users", acts: "Administration") -> "UserRow | None":
        row = await users.by_email(email)
        if row is None:
            return None
        record = act("user.password", f"user:{row.id}", reason)
        ended = await acts.set_password(row.id, hashed(fresh), record)
        return None if ended is None else ended.user

    row = found(done(where, work), email)
    tell(row, f"{row.email} has a new password; all their sessions have ended.", as_json=as_json)


@admin.command("reset-link")
@click.argument("email")
@common
def reset_link(*, email: str, as_json: bool, reason: str, **where: Any) -> None:
    """Print a link with which a user chooses a new password, for gateways that send no mail.

    The link is shown only now. It works once, for 30 minutes.
    """
    from sql.link_tokens import BYTES, RESET, link_of, link_token
    from sql.password_resets import PasswordResets
    from sql.users import Users
    from supervisors.engines.system_clock import SystemClock, SystemRandom

    token = link_token(RESET, SystemRandom().token(BYTES), SystemClock().now())

    async def work(database: "Database") -> "UserRow | None":
        row = await Users(database).by_email(email)
        if row is None:
            return None
        record = act("user.reset_link", f"user:{row.id}", reason)
        return await PasswordResets(database).insert(row.id, token, record)

    if with_database(where, work) is None:
        raise click.ClickException(f"There is no active user with the e-mail address {email}")
    address = settings_from(None, None, where["data"], where["config"]).server.public_url
    link = link_of(RESET, address, token.text)
    if as_json:
        click.echo(orjson.dumps({"link": link, "expires_at": token.expires_at}))
        return
    click.echo(link)
    if not address:
        click.echo("Put the gateway's address before it: server.public_url is not set.", err=True)


@admin.command("remove-factors")
@click.argument("email")
@common
def remove_factors(*, email: str, as_json: bool, reason: str, **where: Any) -> None:
    """Remove a user's second factors and end all their sessions, as after a lost phone.

    The user then signs in with the password alone. An admin must set up a new factor first, unless
    accounts.admin_second_factor is off.
    """
    from sql.second_factors import SecondFactors
    from sql.users import Users

    async def work(database: "Database") -> "tuple[UserRow | None, bool]":
        row = await Users(database).by_email(email)
        if row is None:
            return None, False
        record = act("user.remove_factors", f"user:{row.id}", reason)
        return row, await SecondFactors(database).remove_all(row.id, record)

    row, was_done = with_database(where, work)
    row = found(row, email)
    if not was_done:
        raise click.ClickException(f"{row.email} has no second factor")
    tell(row, f"{row.email} has no second factor; all their sessions have ended.", as_json=as_json)


@admin.command
@where_options
def checks(*, as_json: bool, **where: Any) -> None:
    """Show the queue of checks and the verifiers' load.

    The figures are of all gateways that use the database. Each verifier has a line: id, name,
    build of Blender, cores, results in its running check, and its load: the share of the last five
    minutes in which it ran checks.
    """
    from web.http.responses import encode
    from web.jobs.check_queue import check_queue_of

    found = with_database(where, check_queue_of)
    click.echo(encode(found) if as_json else "\n".join(lines_of(found)))


def lines_of(queue: "CheckQueue") -> list[str]:
    """Return the figures of the queue, and a line for each verifier."""
    from rendertrust.cli.value_text import harmless

    lines = [
        f"waiting\t{queue.waiting}",
        f"oldest\t{queue.oldest_seconds:.0f} s",
        f"overdue\t{queue.overdue}",
        f"being checked\t{queue.checking}",
    ]
    if not queue.verifiers:
        lines.append("No verifier is connected.")
    for one in queue.verifiers:
        cores = "-" if one.cores is None else str(one.cores)
        words = (str(one.node_id), harmless(one.name), harmless(one.build) or "-", cores)
        lines.append("\t".join((*words, str(one.checking), f"{one.load:.0%}")))
    return lines


@admin.group
def keys() -> None:
    """Show and rotate the keys that sign tokens and the log."""


keys.add_command(log_key)


@keys.command
@click.option(
    "--force", is_flag=True, help="Drop an old key even if tokens that it signed are still valid."
)
@where_options
def rotate(config: Path | None, data: Path | None, *, force: bool, as_json: bool) -> None:
    """Sign tokens with a new key.

    The old key verifies until its tokens have expired. A running gateway adopts the new key within
    a second. Two rotations with --force log everybody out.
    """
    from config.data_folder import data_folder
    from supervisors.engines.system_clock import SystemClock
    from web.identity.keyring import KeyStillInUse, key_file
    from web.identity.keyring import rotate as rotate_file

    settings = settings_from(None, None, data, config)
    lifetime = longest(settings.jwt)
    if settings.jwt.secret:
        raise click.ClickException(GIVEN.format(days=-(-lifetime // timedelta(days=1))))
    path = key_file(data_folder(settings))
    try:
        kept = rotate_file(path, SystemClock().now(), lifetime, force=force)
    except KeyStillInUse as error:
        raise click.ClickException(
            f"The previous key verifies until {error}; --force drops it now"
        ) from error
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{path} contains no valid key: {error}") from error
    until = f"{kept.until:%Y-%m-%dT%H:%M:%SZ}"
    told = f"A new key signs; the old one verifies until {until}."
    click.echo(orjson.dumps({"previous_until": until}) if as_json else told)


def longest(jwt: Any) -> timedelta:
    """Return the longest lifetime of any token."""
    return max(
        timedelta(minutes=jwt.access_minutes),
        timedelta(days=jwt.refresh_days),
        timedelta(hours=jwt.node_hours),
    )


def new_password(*, from_input: bool) -> str:
    """Ask for a password. A password is never an argument, because other users of the machine can
    read arguments.
    """
    from rendertrust.cli.account import secret

    return secret(from_input=from_input, twice=True)


def registration(email: str, name: str, password: str) -> Any:
    """Return the validated registration; raise UsageError if the API would refuse it."""
    from web.routes.auth import Registration

    return as_requested(Registration, email=email, name=name, password=password)


def hashed(password: str) -> str:
    """Return the password's hash."""
    from web.identity.passwords import hasher

    return hasher().hash(password)


def done(
    where: dict[str, Any],
    work: "Callable[[Users, Administration], Awaitable[UserRow | None]]",
) -> "UserRow | None":
    """Run ``work`` with the tables of users and of user administration; return its result."""
    from sql.users import Administration, Users

    return with_database(where, lambda database: work(Users(database), Administration(database)))


def found(row: "UserRow | None", email: str) -> "UserRow":
    """Return the user; raise ClickException if there is none."""
    if row is None:
        raise click.ClickException(f"There is no user with the e-mail address {email}")
    return row


def tell(row: "UserRow", text: str, *, as_json: bool) -> None:
    """Print the result."""
    shown = {"id": str(row.id), "email": row.email, "name": row.name, "role": row.role}
    click.echo(orjson.dumps(shown) if as_json else text)
