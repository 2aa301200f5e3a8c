"""``rendertrust node join`` and ``run``: this machine as a node of a gateway."""

import asyncio
import os
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
from rendertrust.cli.node_maintenance import check_services, devices, doctor, drain, install
from rendertrust.cli.node_options import (
    accept_no_sandbox,
    accept_option,
    blender_option,
    renderers_option,
    run_options,
    settings_of,
    state_option,
    unsafe_option,
    words_of,
)
from rendertrust.cli.node_status import START, begun, joined, status
from rendertrust.cli.node_update import activate, automatic, change, go_back, self_test, update
from rendertrust.cli.session import CliSession, is_interactive, pass_session
from rendertrust.cli.unix_only import refuse_on_windows

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient
    from rendertrust.join_code import PinnedCode
    from rendertrust.node.agent_runtime import AgentExit
    from rendertrust.node.agent_settings import AgentSettings
    from rendertrust.node.enrolment import Joined

RUNS: Final = "A node is running here with its old settings: stop it and start it again."
OFF: Final = (
    "The node renders only scenes of its owner, of the organisation that it is lent to, and of "
    "users whom the owner trusts."
)
NOBODYS: Final = "The node has no owner, and without a sandbox and an owner a node renders nothing."
SIGNED: Final = "signed by {}"
UNOWNED: Final = (
    "The node's earnings are kept until somebody claims the node. To own the node: rendertrust "
    "login, then join again on this machine."
)
CODE_REFUSED: Final = "The code is not a join code: copy the whole line from the page {}"
CODE_ASKED: Final = "Join code from {}: "
NO_OWNER: Final = "The node would have no owner: give a join code, or log in first"
GIVE_CODE: Final = (
    "Make a code on {} and run the line that the page shows. Or log in: rendertrust login --url {}."
    " To join without an owner: --unowned"
)
OWNER_TWICE: Final = "--code and --unowned exclude each other"
IN_TERMINAL: Final = "Paste the line again, with --run in place of --service."
RUN_TWICE: Final = "--run and --service exclude each other"
NODE_FAILED: Final = "Fix this and start the node again: rendertrust node run"


@click.group(cls=Group)
def node() -> None:
    """Join a gateway, run a node, maintain the node."""
    refuse_on_windows("Nodes run")


for command in (status, devices, drain, earnings, doctor, install, update, self_test, activate):
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
    "--code",
    metavar="CODE",
    help="A join code from the console's page Add a machine; the node is its user's.",
)
@click.option("--run", "runs", is_flag=True, help="Then run the node, until Ctrl-C.")
@click.option(
    "--service", is_flag=True, help="Then install the node as a systemd service, and start it."
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
@renderers_option
@blender_option
@state_option
@unsafe_option
@accept_option
@pass_session
@click.pass_context
def join(
    context: click.Context,
    session: CliSession,
    /,
    gateway: str | None,
    name: str | None,
    state: Path | None,
    *,
    accept: str | None,
    accept_new_key: bool,
    blenders: tuple[Path, ...],
    code: str | None,
    new_key: bool,
    renderers: int | None,
    runs: bool,
    service: bool,
    unowned: bool,
    unsafe_no_sandbox: bool,
) -> None:
    """Make this machine a node of the gateway at URL.

    The node is yours if you give a join code from the page Add a machine, or are logged in at that
    gateway, unless another user owns it. Each kind of work is tried first; the node does not offer
    a kind that fails.
    """
    if gateway is not None:
        session.given = gateway
    if unowned and code is not None:
        raise click.UsageError(OWNER_TWICE)
    if runs and service:
        raise click.UsageError(RUN_TWICE)
    given = None if code is None else _read_code(session, code)
    if service:
        check_services(IN_TERMINAL)
    if unsafe_no_sandbox:
        accept_no_sandbox(session, state, accept)
    look_to_join(session, state, accept_new_key=accept_new_key)
    me = None if unowned or given is not None else _login(session)
    if me is None and given is None and not unowned and (new_key or not _is_owned(session, state)):
        given = _asked_code(session)
    keys: dict[str, Any] = {"accept_new_key": accept_new_key, "new_key": new_key}
    more: dict[str, Any] = {"state": state, "renderers": renderers, "blenders": blenders}
    answer = _enrol(session, me, given, name=name, **more, **keys)
    if service:
        context.invoke(install, starts=True, **more)
    elif runs:
        context.invoke(run, **more)
    else:
        session.output.note(RUNS if answer.running else begun(START, state))


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
        return None

    async def ask(client: "AsyncClient") -> LoggedInUser:
        user = (await client.balance()).user_id
        return LoggedInUser(str(user), await client.access_token())

    return session.run(ask)


def _enrol(
    session: CliSession,
    me: LoggedInUser | None,
    code: "PinnedCode | None",
    *,
    renderers: int | None,
    blenders: tuple[Path, ...],
    **asked: Any,
) -> "Joined":
    """Join as the user's node, or with the code; raise CommandExit if the gateway refuses it."""
    from rendertrust.node.enrolment import JoinRefused, join
    from rendertrust.node.state_folder import BlenderChoice

    session.output.note(f"Joining {session.url} and testing what this machine can do …")
    token = None if me is None else me.token
    chosen = BlenderChoice(renderers, tuple(path.absolute() for path in blenders))
    asked |= {"blenders": chosen, "narrate": session.output.note}
    answer = asyncio.run(join(session.url, token=token, code=code, **asked))
    if isinstance(answer, JoinRefused):
        raise CommandExit(refused(answer, session.url))
    session.output.document(attrs.asdict(answer))
    _tell(session, answer, me)
    return answer


def _is_owned(session: CliSession, state: Path | None) -> bool:
    """Return True if this machine's node joined this gateway before, and has an owner."""
    from rendertrust.node.state_folder import StateFolder

    before = (StateFolder(state) if state else StateFolder()).enrolment()
    return before is not None and before.owned and before.url == session.url


def _page(session: CliSession) -> str:
    return f"{session.url}/console/fleet/add"


def _read_code(session: CliSession, typed: str) -> "PinnedCode":
    """Return the code that was typed; raise UsageError if it cannot be one."""
    from rendertrust.join_code import read

    code = read(typed)
    if code is None:
        raise click.UsageError(CODE_REFUSED.format(_page(session)))
    return code


def _asked_code(session: CliSession) -> "PinnedCode":
    """Ask for a join code at the terminal; raise CommandExit without a terminal."""
    page = _page(session)
    if not is_interactive():
        hint = GIVE_CODE.format(page, session.url)
        raise CommandExit(Exit(exit_codes.NOT_AUTHENTICATED, "code_missing", NO_OWNER, hint))
    asked = click.prompt(CODE_ASKED.format(page), prompt_suffix="", hide_input=True, err=True)
    return _read_code(session, asked)


def owner_of(found: "Joined", me: LoggedInUser | None) -> str:
    """Return text that names the owner of the node."""
    if not found.owned:
        return "unowned"
    user = found.code_owner if me is None else me.user
    if user is None:
        return "owned as before"
    return "yours" if found.owner in (user, None) else "already owned by another user"


def _tell(session: CliSession, found: "Joined", me: LoggedInUser | None) -> None:
    name, owner = value_text.harmless(found.name), owner_of(found, me)
    session.output.say(f"Joined {found.url} as {name}; the node is {owner}.")
    measured = (f"{name.replace('_', ' ')} {value:g}" for name, value in found.figures.items())
    session.output.facts(
        {
            "node": found.node_id,
            "offers": ", ".join(found.capabilities) or "nothing",
            "per second": ", ".join(measured) or None,
            "updates": None if found.release_key is None else SIGNED.format(found.release_key),
        }
    )
    for reason in dict.fromkeys(found.not_offered.values()):
        kinds = (kind for kind, why in found.not_offered.items() if why == reason)
        session.output.note(f"Not offered: {', '.join(kinds)}: {reason}")
    if not found.has_sandbox:
        session.output.note(f"Without a sandbox. {OFF if found.owned else NOBODYS}")
    if not found.owned:
        session.output.note(UNOWNED)


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
    settings = settings_of(given)
    known = joined(state)
    if unsafe_no_sandbox:
        accept_no_sandbox(session, state, accept)
    if settings.update:
        automatic(state, narrator(session))  # refuses before the node connects
    session.output.say(f"Node {value_text.harmless(known.name)} of {known.url}. Ctrl-C stops it.")
    ended = _run(session, state, settings)
    session.output.document({"event": "ended", **attrs.asdict(ended)})
    if not ended.ok:
        code = exit_codes.SHUT_OUT if ended.for_good else exit_codes.FAILURE
        raise CommandExit(Exit(code, "node_ended", ended.reason, NODE_FAILED))
    session.output.say(f"Ended: {value_text.harmless(ended.reason)}.")


def _run(session: CliSession, state: Path | None, settings: "AgentSettings") -> "AgentExit":
    """Run the node until it ends for another reason than an update of its program."""
    from rendertrust.node import agent, program_folder

    narrate, words = narrator(session), words_of(settings, state)
    if settings.update:
        go_back(words, narrate, json=session.output.json)
    held = program_folder.hold()
    try:
        while True:
            updates = automatic(state, narrate) if settings.update else None
            ended = asyncio.run(
                agent.run(state, settings=settings, narrator=narrate, updates=updates)
            )
            if updates is None or not ended.updates:
                return ended
            change(updates, words, json=session.output.json)
    finally:
        if held is not None:
            os.close(held)


def narrator(session: CliSession) -> Callable[[str], None]:
    """Return a function that prints the agent's messages, line by line."""

    def narrate(text: str) -> None:
        session.output.document({"event": "told", "text": text})
        session.output.say(value_text.harmless(text))

    return narrate
