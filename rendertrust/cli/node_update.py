"""``rendertrust node update``: a newer program from the gateway; also while the node runs."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from rendertrust import __version__
from rendertrust.cli import exit_codes, value_text
from rendertrust.cli.command import Command
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.node_options import state_option
from rendertrust.cli.node_status import joined
from rendertrust.cli.session import CliSession, pass_session

if TYPE_CHECKING:
    from rendertrust.node.automatic_update import AutomaticUpdate
    from rendertrust.node.program_folder import ProgramFolder
    from rendertrust.node.program_update import NewRelease, NothingNewer, UpdateRefused
    from rendertrust.node.state_folder import Enrolment, StateFolder

NOT_OURS: Final = "This program was not installed by the gateway's script, so it does not update"
SCRIPT: Final = (
    "Install it by the script, which makes a separate folder: curl -fsSL {0}/join.sh | sh\n"
    "Or update by the line that {0}/download shows."
)
RESTART: Final = (
    "The node that runs here has its old program: stop it and start it again, or "
    "systemctl --user restart rendertrust-node"
)
NO_KEY: Final = "The node has stored no release key, so it cannot check updates"
UNKNOWN: Final = "this program does not know it"
CANNOT: Final = "this program cannot do what the node did: {}"


@click.command(cls=Command)
@click.option(
    "--gateway", metavar="URL", help="Fetch from this gateway (default: the node's own gateway)."
)
@click.option("--check", "only_check", is_flag=True, help="Only say whether there is a newer one.")
@click.option(
    "--release-key",
    metavar="KEY",
    help="Trust this release key from now on, instead of the one that is stored.",
)
@state_option
@pass_session
def update(
    session: CliSession,
    state: Path | None,
    gateway: str | None,
    release_key: str | None,
    *,
    only_check: bool,
) -> None:
    """Update this node's program to the version that the gateway hands out.

    The program must be signed by the release key that the node stored when it joined. It is
    installed beside the present one and tested before it is used. A node never goes back to an
    older version.
    """
    folder, known = _enrolment(state)
    if release_key is not None:
        _trust(folder, known.url, release_key)
    url = known.url if gateway is None else _address(gateway)
    found = asyncio.run(_decide(url, folder.release_key(known.url)))
    new = _newer(session, found)
    if new is None:
        return
    version = new.statement.version
    if only_check:
        _document(session, version, "available")
        session.output.say(f"Version {version} is available, signed by this node's release key.")
        return
    program = _program(url)
    asyncio.run(_install(session, program, folder, new, url))
    _document(session, version, "updated")
    session.output.say(f"Updated from version {__version__} to version {version}.")
    if folder.is_locked():
        session.output.note(RESTART)


def _enrolment(state: Path | None) -> "tuple[StateFolder, Enrolment]":
    from rendertrust.node.state_folder import StateFolder

    joined(state)
    folder = StateFolder(state) if state else StateFolder()
    enrolment = folder.enrolment()
    assert enrolment is not None, "the node has joined"
    return folder, enrolment


def _trust(folder: "StateFolder", url: str, key: str) -> None:
    """Store a release key that the operator names."""
    from rendertrust import release

    if (fault := release.why_no_key(key)) is not None:
        raise click.UsageError(f"--release-key: {fault}")
    folder.store_release_key(url, key)


def _address(typed: str) -> str:
    from rendertrust.node.enrolment import normal_url

    url = normal_url(typed)
    if url is None:
        raise click.UsageError(f"--gateway: not an http or https URL: {typed}")
    return url


async def _decide(url: str, key: str | None) -> "NewRelease | NothingNewer | UpdateRefused":
    from rendertrust.http_session import http_session
    from rendertrust.node.program_update import decide
    from rendertrust.node.update_notice import handed_out

    async with http_session() as session:
        offered: Mapping[str, Any] = await handed_out(session, url)
    if not offered:
        detail = f"{url} does not say which program it hands out"
        hint = "Check the address and the network, and try again."
        raise CommandExit(Exit(exit_codes.UNAVAILABLE, "unavailable", detail, hint))
    return decide(offered, key)


def _newer(
    session: CliSession, found: "NewRelease | NothingNewer | UpdateRefused"
) -> "NewRelease | None":
    """Return the newer release; None if there is none. Raises CommandExit if it is refused."""
    from rendertrust.node.program_update import NothingNewer, UpdateRefused

    if isinstance(found, UpdateRefused):
        _refuse(found)
    if isinstance(found, NothingNewer):
        _document(session, found.version, "current")
        session.output.say(value_text.harmless(f"Nothing to do: {found.reason}."))
        return None
    return found


def _refuse(refused: "UpdateRefused") -> NoReturn:
    detail = f"Not updated: {refused.reason}"
    raise CommandExit(Exit(exit_codes.FAILURE, "not_updated", detail, refused.remedy))


def _document(session: CliSession, version: str, state: str) -> None:
    session.output.document({"version": __version__, "offered": version, "state": state})


def _program(url: str) -> "ProgramFolder":
    """Return the folder of this program; end the command if it was installed in another way."""
    from rendertrust.node import program_folder

    folder = program_folder.installed()
    if folder is None:
        raise CommandExit(
            Exit(exit_codes.USAGE, "not_installed_here", NOT_OURS, SCRIPT.format(url))
        )
    return folder


async def _install(
    session: CliSession,
    program: "ProgramFolder",
    folder: "StateFolder",
    new: "NewRelease",
    url: str,
) -> None:
    """Install the release and change to it; raise CommandExit if that fails."""
    from rendertrust.http_session import http_session
    from rendertrust.node.program_tools import VenvTools
    from rendertrust.node.program_update import ProgramUpdate, UpdateRefused

    known = folder.enrolment()
    tools = VenvTools(folder.path, known.capabilities if known else ())
    steps = ProgramUpdate(program, tools, lambda step: session.output.note(f"{step} …"))
    async with http_session() as http:
        prepared = await steps.prepare(http, url, new.statement)
    if isinstance(prepared, UpdateRefused):
        _refuse(prepared)
    if (refused := await steps.activate(prepared)) is not None:
        _refuse(refused)


# ---------------------------------------------------------------- while the node runs


def automatic(state: Path | None, narrate: Callable[[str], None]) -> "AutomaticUpdate":
    """Return what ``node run --update`` runs; end the command if this node cannot update."""
    from rendertrust.node.automatic_update import AutomaticUpdate
    from rendertrust.node.program_tools import VenvTools
    from rendertrust.node.program_update import HOW_TO_STORE, ProgramUpdate

    folder, known = _enrolment(state)
    program = _program(known.url)
    if folder.release_key(known.url) is None:
        raise CommandExit(Exit(exit_codes.USAGE, "no_release_key", NO_KEY, HOW_TO_STORE))
    tools = VenvTools(folder.path, known.capabilities)
    steps = ProgramUpdate(program, tools, narrate)
    return AutomaticUpdate(steps, known.url, lambda: folder.release_key(known.url))


def change(updates: "AutomaticUpdate", words: list[str], *, json: bool) -> None:
    """Change to the program that was prepared, and replace this process by it.

    Return only if the new program is not used.
    """
    assert updates.prepared is not None, "the agent has ended for this"
    steps = updates.update
    refused = asyncio.run(steps.activate(updates.prepared, on_trial=True))
    if refused is not None:
        steps.narrate(f"not updated: {refused.reason}. {refused.remedy}")
        return
    _become(steps.folder, words, steps.narrate, json=json)


def go_back(words: list[str], narrate: Callable[[str], None], *, json: bool) -> None:
    """Replace this process by the program before, if this one is on trial and never connected."""
    from rendertrust.node import program_folder

    folder = program_folder.installed()
    with contextlib.suppress(OSError):
        if folder is not None and folder.begin_start():
            narrate(f"version {__version__} never connected: going back to the program before")
            _become(folder, words, narrate, json=json)


def _become(
    folder: "ProgramFolder", words: list[str], narrate: Callable[[str], None], *, json: bool
) -> None:
    """Replace this process by the program in use; return if that fails."""
    program = str(folder.program)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        words = [program, *(["--json"] if json else []), "node", "run", *words]
        os.execv(program, words)  # noqa: S606 - the program's own path, without a shell
    except OSError as fault:
        narrate(f"{program} does not start: {fault.strerror}")


@click.command("self-test", cls=Command, hidden=True)
@click.option("--kind", "kinds", multiple=True, help="A kind of work that must be possible.")
@state_option
@pass_session
def self_test(session: CliSession, state: Path | None, kinds: tuple[str, ...]) -> None:
    """Test that this program can do the node's work. An update calls this of the new program.

    On a machine that has not joined, the program only starts.
    """
    from rendertrust.node import agent, enrolment
    from rendertrust.node.agent_settings import AgentSettings
    from rendertrust.node.state_folder import StateFolder

    assert callable(agent.run), "the program that will run can be imported"
    folder = StateFolder(state) if state else StateFolder()
    if folder.enrolment() is None:
        session.output.document({"version": __version__, "offers": []})
        session.output.say(f"Version {__version__} starts. This machine has not joined a gateway.")
        return
    settings = AgentSettings.for_test(folder)
    offer, _ = asyncio.run(enrolment.tested_offer(folder, settings, None, None))
    missing = sorted(set(kinds) - offer.plugins.keys())
    if missing:
        named = "; ".join(f"{kind}: {offer.not_offered.get(kind, UNKNOWN)}" for kind in missing)
        hint = "See what this machine lacks: rendertrust node doctor"
        raise CommandExit(Exit(exit_codes.FAILURE, "not_well", CANNOT.format(named), hint))
    session.output.document({"version": __version__, "offers": sorted(offer.plugins)})
    session.output.say(f"Version {__version__} passed: {', '.join(sorted(offer.plugins))}")


@click.command("activate", cls=Command, hidden=True)
@click.argument("sha256")
@state_option
@pass_session
def activate(session: CliSession, sha256: str, state: Path | None) -> None:
    """Use this program from now on, if it passes its self-test. The gateway's script calls this.

    SHA256 is the hash of the wheel from which the script has installed the program.
    """
    from rendertrust import release
    from rendertrust.node import program_folder
    from rendertrust.node.program_tools import VenvTools
    from rendertrust.node.program_update import PreparedUpdate, ProgramUpdate
    from rendertrust.node.state_folder import StateFolder

    program = program_folder.installed()
    if program is None:
        raise click.UsageError(NOT_OURS)
    folder = StateFolder(state) if state else StateFolder()
    known = folder.enrolment()
    tools = VenvTools(folder.path, known.capabilities if known else ())
    steps = ProgramUpdate(program, tools, lambda step: session.output.note(f"{step} …"))
    with program.changing() as is_mine:
        if is_mine:
            program.remove_unused()
    wheel = release.wheel_name(__version__)
    statement = release.ReleaseStatement(__version__, wheel, sha256, size=0)
    environment = Path(sys.prefix).resolve()
    refused = asyncio.run(steps.activate(PreparedUpdate(statement, environment)))
    if refused is not None:
        _refuse(refused)
    _document(session, __version__, "updated")
