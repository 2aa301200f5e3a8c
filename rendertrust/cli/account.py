"""``rendertrust register``, ``login`` and ``logout``.

A password is never a command-line argument, because other users of the machine could read it.
"""

import os
import sys
from typing import TYPE_CHECKING, Final, TypeVar

import click

from rendertrust.cli import exit_codes
from rendertrust.cli.command import Command
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.session import CliSession, is_interactive, pass_session
from rendertrust.cli.value_text import harmless

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rendertrust.client import AsyncClient, Registered, Tokens

T = TypeVar("T")

VARIABLE: Final = "RENDERTRUST_PASSWORD"
INVITATION: Final = "RENDERTRUST_INVITATION"
OTP: Final = "RENDERTRUST_OTP"
OTP_ASKED: Final = "Code of your authenticator app, or a recovery code"
NO_OTP: Final = f"Set {OTP} to the code, or run this in a terminal to be asked."
LENGTH_MIN: Final = 8
NO_PASSWORD: Final = (
    f"No password: use --password-stdin or {VARIABLE}, or run this in a terminal to be asked"
)
from_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input."
)


@click.command(cls=Command)
@click.argument("email", required=False)
@click.option(
    "--name",
    help="Your name, as other users see it (default: the part of the email before the @).",
)
@from_stdin
@pass_session
def register(
    session: CliSession, email: str | None, name: str | None, password_stdin: bool
) -> None:
    """Open an account and log in.

    Where accounts are opened by invitation, the invitation is asked for, or read from
    RENDERTRUST_INVITATION.
    """
    address = asked("E-mail", email)
    password = secret(from_input=password_stdin, twice=True)
    if len(password) < LENGTH_MIN:
        raise click.UsageError(f"The password is too short: at least {LENGTH_MIN} characters")
    called = name or address.split("@", 1)[0]
    session.warn_of_plain_http()
    session.credentials.prepare()
    user = session.run(lambda client: _register(client, address, called, password), address).user
    session.output.document({"url": session.url, "user": user})
    session.output.say(f"Registered {user.email} at {session.url}, and logged in.")


@click.command(cls=Command)
@click.argument("email", required=False)
@from_stdin
@click.option(
    "--browser",
    "--oidc",
    "browser",
    is_flag=True,
    help="Log in with a code that you confirm in a browser, on any device.",
)
@pass_session
def login(session: CliSession, email: str | None, password_stdin: bool, browser: bool) -> None:
    """Log in.

    If you have a second factor, its code is asked for, or read from RENDERTRUST_OTP. With --browser
    you sign in to the console, with whatever you sign in there: a password, a passkey, or an
    account elsewhere (OpenID Connect).
    """
    if browser:
        if email is not None or password_stdin:
            raise click.UsageError("--browser needs neither an e-mail address nor a password")
        login_by_code(session)
        return
    address = asked("E-mail", email, session.credentials.email(session.url))
    password = secret(from_input=password_stdin)
    session.warn_of_plain_http()
    session.credentials.prepare()
    session.run(lambda client: _login(client, address, password), address)
    session.output.document({"url": session.url, "email": address})
    session.output.say(f"Logged in as {address} at {session.url}.")


def login_by_code(session: CliSession) -> None:
    """Log in with a code that the user confirms in a browser."""
    session.warn_of_plain_http()
    session.credentials.prepare()
    tokens, address = session.run(lambda client: _login_by_code(client, session), people=True)
    session.credentials.keep(session.url, tokens, address)
    session.output.document({"url": session.url, "email": address})
    session.output.say(f"Logged in as {address} at {session.url}.")


@click.command(cls=Command)
@pass_session
def logout(session: CliSession) -> None:
    """Log out: end the session at the gateway and delete its tokens from this machine."""
    url, known = session.url, session.credentials.tokens(session.url) is not None
    if known:
        session.run(lambda client: client.logout(), people=True)
    session.output.document({"url": url, "logged_out": known})
    session.output.say(f"Logged out of {url}." if known else f"You are not logged in at {url}.")


async def _register(client: "AsyncClient", email: str, name: str, password: str) -> "Registered":
    from rendertrust.api.refusal_code import RefusalCode, refusal_code
    from rendertrust.client import Conflict, Forbidden

    invitation = token_of(os.environ.get(INVITATION, "")) or None
    try:
        try:
            return await client.register(email, name, password, invitation=invitation)
        except Forbidden as error:
            if (
                refusal_code(error.code) is not RefusalCode.INVITATION_NEEDED
                or not is_interactive()
            ):
                raise
            given = token_of(asked("Invitation", None))
            return await client.register(email, name, password, invitation=given)
    except Conflict as error:
        raise CommandExit(
            Exit(
                exit_codes.FAILURE,
                "already_registered",
                f"{email} already has an account: {error}",
                f"Log in: rendertrust login {email}",
            )
        ) from error


async def _login(client: "AsyncClient", email: str, password: str) -> None:
    from rendertrust.api.refusal_code import RefusalCode, refusal_code
    from rendertrust.client import NotAuthenticated

    otp = os.environ.get(OTP) or None
    try:
        try:
            await client.login(email, password, otp=otp)
        except NotAuthenticated as error:
            if (
                refusal_code(error.code) is not RefusalCode.SECOND_FACTOR_REQUIRED
                or not is_interactive()
            ):
                raise
            await client.login(email, password, otp=asked(OTP_ASKED, None))
    except NotAuthenticated as error:
        hints: dict[str, str] = {
            RefusalCode.SECOND_FACTOR_REQUIRED: NO_OTP,
            RefusalCode.SECOND_FACTOR_INVALID: (
                "Wait for the next code of your app: each works once."
            ),
            RefusalCode.ACCOUNT_DEACTIVATED: "Ask an admin of the farm to activate it.",
            RefusalCode.SECOND_FACTOR_MISSING: "Sign in to the console in a browser.",
        }
        usual = f"Check the password; rendertrust register {email} opens an account."
        hint = hints.get(error.code or "", usual)
        raise CommandExit(
            Exit(exit_codes.NOT_AUTHENTICATED, "not_authenticated", str(error), hint)
        ) from error


async def with_factor(client: "AsyncClient", work: "Callable[[], Awaitable[T]]") -> "T":
    """Return what ``work`` returns; ask for the second factor again if the gateway wants it."""
    from rendertrust.api.refusal_code import RefusalCode, refusal_code
    from rendertrust.client import Forbidden

    try:
        return await work()
    except Forbidden as error:
        otp = os.environ.get(OTP)
        if refusal_code(error.code) is not RefusalCode.RECENT_FACTOR_NEEDED or not (
            otp or is_interactive()
        ):
            raise
    await client.give_second_factor(otp or asked(OTP_ASKED, None))
    return await work()


async def _login_by_code(client: "AsyncClient", session: CliSession) -> "tuple[Tokens, str]":
    from rendertrust.api.refusal_code import RefusalCode
    from rendertrust.client import Refused

    started = await client.start_login_by_code()
    uri, code = map(harmless, (started.verification_uri_complete, started.user_code))
    session.output.note(
        f"Open {uri} in a browser, on any device, and confirm the code {code} within "
        f"{started.expires_in // 60} minutes."
    )
    try:
        tokens = await client.finish_login_by_code(started)
    except Refused as error:
        hints: dict[str, str] = {
            RefusalCode.ACCESS_DENIED: "You refused it in the browser.",
            RefusalCode.EXPIRED_TOKEN: "Run rendertrust login --browser again.",
        }
        hint = hints.get(error.code or "")
        if hint is None:
            raise
        raise CommandExit(
            Exit(exit_codes.NOT_AUTHENTICATED, "not_authenticated", str(error), hint)
        ) from error
    return tokens, (await client.account()).email


def token_of(invitation: str) -> str:
    """Return the token of an invitation, of which people may paste the whole link."""
    return invitation.rpartition("#invitation=")[2].strip()


def asked(what: str, given: str | None, last: str | None = None) -> str:
    """Return ``given``, the value from the command line, or ask the user for a value."""
    if given is None and not is_interactive():
        raise click.UsageError(f"{what} is missing")
    answer: str = given or click.prompt(what, default=last, err=True)
    return answer.strip()


def secret(
    *, from_input: bool, twice: bool = False, label: str = "Password", variable: str = VARIABLE
) -> str:
    """Return the password from standard input, the environment or a hidden prompt."""
    if from_input:
        return sys.stdin.readline().rstrip("\r\n")
    kept = os.environ.get(variable)
    if kept:
        return kept
    if not is_interactive():
        raise click.UsageError(NO_PASSWORD.replace(VARIABLE, variable))
    typed: str = click.prompt(label, hide_input=True, confirmation_prompt=twice, err=True)
    return typed
