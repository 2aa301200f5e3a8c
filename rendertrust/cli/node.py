"""``rendertrust node join`` and ``run``: this machine as a node of a gateway."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from rendertrust.cli import exit_codes, value_text
from rendertrust.cli.command import Group
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.gateway_key_check import look_to_join, refused
from rendertrust.cli.node_earnings import earnings
from rendertrust.cli.node_maintenance import doctor, drain, install
from rendertrust.cli.node_options import (
    accept_no_sandbox,
    accept_option,
    run_options,
    settings_of,
    state_option,
    unsafe_option,
)
from rendertrust.cli.node_status import START, begun, joined, status
from rendertrust.cli.session import CliSession, pass_session

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient
    from rendertrust.node.enrolment import Joined

RUNS: Final = "A node is running here with its old settings: stop it and start it again."
OFF: Final = (
    "The node renders only scenes of its owner, of the organisation that it is lent to, and of "
    "users whom the owner trusts."
)
NOBODYS: Final = "The node has no owner, and without a sandbox and an owner a node renders nothing."
UNOWNED: Final = (
    "The node's earnings are kept until somebody claims the node. To own the node: rendertrust "
    "login, then join again on this machine."
)
NODE_FAILED: Final = "Fix this and start the node again: rendertrust node run"


@click.group(cls=Group)
def node() -> None:
    """Join a gateway, run a node, maintain the node."""


for command in (status, drain, earnings, doctor, install):
    node.add_command(command)


@node.command()
@click.argument("gateway", metavar="[URL]", required=False)
@click.option("--name", help="The node's name (default: its present name, or this machine's name).")
@click.option(
    "--unowned",
    is_flag=True,
    help="Join without an owner; earnings are kept until somebody claims the node.",
)
@click.option(
    "--accept-new-key",
    is_flag=True,
    help="Join even if the gateway's key differs from the key that this node knows.",
)
@click.option(
    "--new-key",
    is_flag=True,
    help="Become a new node with a new key; the old key is kept beside the new key.",
)
@state_option
@unsafe_option
@accept_option
@pass_session
def join(
    session: CliSession,
    gateway: str | None,
    name: str | None,
    state: Path | None,
    *,
    accept: str | None,
    accept_new_key: bool,
    new_key: bool,
    unowned: bool,
    unsafe_no_sandbox: bool,
) -> None:
    """Make this machine a node of the gateway at URL.

    The node is yours if you are logged in at that gateway, unless another user owns it. Each kind
    of work is tried first; the node does not offer a kind that fails.
    """
    from rendertrust.node.enrolment import JoinRefused
    from rendertrust.node.enrolment import join as enrol

    if gateway is not None:
        session.given = gateway
    if unsafe_no_sandbox:
        accept_no_sandbox(session, state, accept)
    look_to_join(session, state, accept_new_key=accept_new_key)
    me = None if unowned else _login(session)
    session.output.note(f"Joining {session.url}: testing what this machine can do …")
    answer = asyncio.run(
        enrol(
            session.url,
            name=name,
            state=state,
            token=None if me is None else me.token,
            accept_new_key=accept_new_key,
            new_key=new_key,
        )
    )
    if isinstance(answer, JoinRefused):
        raise CommandExit(refused(answer, session.url))
    session.output.document(attrs.asdict(answer))
    _tell(session, answer, me, state)


@attrs.frozen
class LoggedInUser:
    """The user who is logged in, and a valid token."""

    user: str
    token: str = attrs.field(repr=False)


def _login(session: CliSession) -> LoggedInUser | None:
    """Return the user of the saved login or API key for the gateway.

    Return None without a login and a key.
    """
    if session.api_key is None and session.credentials.tokens(session.url) is None:
        session.output.note(f"You are not logged in at {session.url}.")
        return None

    async def ask(client: "AsyncClient") -> LoggedInUser:
        user = (await client.balance()).user_id
        return LoggedInUser(str(user), await client.access_token())

    return session.run(ask)


def owner_of(found: "Joined", me: LoggedInUser | None) -> str:
    """Return text that names the owner of the node."""
    if not found.owned:
        return "unowned"
    if me is not None and found.owner in (me.user, None):
        return "yours"
    return "already owned by another user"


def _tell(
    session: CliSession, found: "Joined", me: LoggedInUser | None, state: Path | None
) -> None:
    name, owner = value_text.harmless(found.name), owner_of(found, me)
    session.output.say(f"Joined {found.url} as {name}; the node is {owner}.")
    measured = (f"{name.replace('_', ' ')} {value:g}" for name, value in found.figures.items())
    session.output.facts(
        {
            "node": found.node_id,
            "offers": ", ".join(found.capabilities) or "nothing",
            "per second": ", ".join(measured) or None,
        }
    )
    for kind, reason in found.not_offered.items():
        session.output.note(f"Not offered: {kind}: {reason}")
    if not found.has_sandbox:
        session.output.note(f"Without a sandbox. {OFF if found.owned else NOBODYS}")
    if not found.owned:
        session.output.note(UNOWNED)
    session.output.note(RUNS if found.running else begun(START, state))


@node.command()
@run_options
@state_option
@unsafe_option
@accept_option
@pass_session
def run(
    session: CliSession,
    /,
    state: Path | None,
    *,
    unsafe_no_sandbox: bool,
    accept: str | None,
    **given: Any,
) -> None:
    """Run the node until Ctrl-C or a drain. Outside of its working hours, the node rests."""
    from rendertrust.node import agent

    settings = settings_of(given)
    known = joined(state)
    if unsafe_no_sandbox:
        accept_no_sandbox(session, state, accept)
    session.output.say(f"Node {value_text.harmless(known.name)} of {known.url}. Ctrl-C stops it.")
    ended = asyncio.run(agent.run(state, settings=settings, narrator=narrator(session)))
    session.output.document({"event": "ended", **attrs.asdict(ended)})
    if not ended.ok:
        code = exit_codes.SHUT_OUT if ended.for_good else exit_codes.FAILURE
        raise CommandExit(Exit(code, "node_ended", ended.reason, NODE_FAILED))
    session.output.say(f"Ended: {value_text.harmless(ended.reason)}.")


def narrator(session: CliSession) -> Callable[[str], None]:
    """Return a function that prints the agent's messages, line by line."""

    def narrate(text: str) -> None:
        session.output.document({"event": "told", "text": text})
        session.output.say(value_text.harmless(text))

    return narrate
