"""Check, before a login is sent to a gateway, that this machine's node joined that gateway."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from rendertrust.cli import exit_codes
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.session import CliSession

if TYPE_CHECKING:
    from rendertrust.node.enrolment import JoinRefused


JOIN: Final = "Check that {} is the right gateway and is running, then join again."
KEPT: Final = "Your login was not sent. Check that {} is the right gateway and is running."


def look(session: CliSession, state: Path | None) -> None:
    """End the command if the gateway's key differs from the key at the node's join, or is unknown.

    The check itself sends no login.
    """
    _look(session, state, KEPT)


def look_to_join(session: CliSession, state: Path | None, *, accept_new_key: bool) -> None:
    """Check the gateway's key before the node joins."""
    _look(session, state, JOIN, accept_new_key=accept_new_key)


def _look(
    session: CliSession, state: Path | None, hint: str, *, accept_new_key: bool = False
) -> None:
    from rendertrust.node.enrolment import why_not

    refusal = asyncio.run(why_not(session.url, state, accept_new_key=accept_new_key))
    if refusal is not None:
        raise CommandExit(
            attrs.evolve(refused(refusal, session.url), hint=hint.format(session.url))
        )


def refused(answer: "JoinRefused", url: str) -> Exit:
    """Return the exit code, message and hint for a refused join."""
    passing = answer.code is None or answer.code in (429, 502, 503, 504)
    code = exit_codes.UNAVAILABLE if passing else exit_codes.FAILURE
    if answer.code in (401, 403):
        code = exit_codes.NOT_AUTHENTICATED
    hint = answer.remedy or JOIN.format(url)
    return Exit(code, "join_refused", answer.reason, hint, {"status": answer.code})
