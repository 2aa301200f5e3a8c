"""Whether a gateway is the one that the node of this machine joined, before a login goes there."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from rendertrust.cli import exit_codes
from rendertrust.cli.exits import CommandExit, Exit
from rendertrust.cli.session import CliSession

if TYPE_CHECKING:
    from rendertrust.node.enrolment import JoinRefused


JOIN: Final = "Check that {} is the gateway and runs, and join again."
KEPT: Final = "Your login was not shown there. Check that {} is the gateway and runs."


def look(session: CliSession, state: Path | None) -> None:
    """Stop where the session's gateway has not the key that it had when the node joined it, or
    nobody can say: a login is for the gateway of before alone. The look itself shows nothing.
    """
    _look(session, state, KEPT)


def look_to_join(session: CliSession, state: Path | None, *, accept_new_key: bool) -> None:
    """The same before the node joins there."""
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
    """Why it did not join, and what to do."""
    passing = answer.code is None or answer.code in (429, 502, 503, 504)
    code = exit_codes.UNAVAILABLE if passing else exit_codes.FAILURE
    if answer.code in (401, 403):
        code = exit_codes.NOT_AUTHENTICATED
    hint = answer.remedy or JOIN.format(url)
    return Exit(code, "join_refused", answer.reason, hint, {"status": answer.code})
