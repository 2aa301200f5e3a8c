"""``rendertrust node drain|doctor|install``: maintenance commands for operators."""

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from rendertrust.cli import exit_codes, value_text
from rendertrust.cli.command import Command
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.node_options import run_options, settings_of, state_option, words_of
from rendertrust.cli.node_status import joined
from rendertrust.cli.node_update import automatic
from rendertrust.cli.session import CliSession, pass_session

if TYPE_CHECKING:
    from rendertrust.node.doctor import Diagnosis

LOOK_SECONDS: Final = 0.2
LINGER: Final = """\
To run it also while you are logged out:
  loginctl enable-linger"""
START: Final = f"""\
Start it now and at each login:
  systemctl --user daemon-reload
  systemctl --user enable --now rendertrust-node
{LINGER}"""
NO_CARD: Final = "No graphics card with a driver was found, so only the processor renders here."
EXPERIMENTAL: Final = (
    "Rendering on cards is experimental and off by default. To use one: rendertrust node run"
    " --device NAME"
)
BY_HAND: Final = "Run the node in this terminal instead: rendertrust node run."


@click.command(cls=Command)
@state_option
@click.option("--wait", is_flag=True, help="Return when the node has ended.")
@pass_session
def drain(session: CliSession, state: Path | None, *, wait: bool) -> None:
    """Let this machine's node finish its running units, and then end."""
    from rendertrust.node.state_folder import StateFolder

    if not joined(state).running:
        hint = "There is nothing to do: this node takes no work."
        raise CommandExit(Exit(exit_codes.FAILURE, "not_running", "The node is not running", hint))
    folder = StateFolder(state) if state else StateFolder()
    folder.wish_drain()
    session.output.document({"draining": True})
    session.output.say(
        "The node finishes its running units and ends. To take work again: rendertrust node run"
    )
    while wait and folder.is_locked():
        time.sleep(LOOK_SECONDS)


@click.command(cls=Command)
@state_option
@pass_session
def doctor(session: CliSession, state: Path | None) -> None:
    """Check this machine for problems and print how to fix the problems."""
    from rendertrust.node.doctor import BAD, examine

    async def look() -> list["Diagnosis"]:
        found: list[Diagnosis] = []
        async for check in examine(state):
            found.append(check)
            session.output.say(told(check))
        return found

    found = asyncio.run(look())
    bad = [check.name for check in found if check.state == BAD]
    session.output.document({"checks": found, "well": not bad})
    if bad:
        hint = "Follow the advice beside each problem and check again: rendertrust node doctor"
        raise CommandExit(
            Exit(exit_codes.FAILURE, "not_well", f"Problems found: {', '.join(bad)}", hint)
        )


def told(check: "Diagnosis") -> str:
    """Return the result of a check in one line, and its remedy in a second line."""
    line = f"{check.state:<8} {check.name}: {value_text.harmless(check.said)}"
    return f"{line}\n{'':9}{value_text.harmless(check.remedy)}" if check.remedy else line


@click.command(cls=Command)
@pass_session
def devices(session: CliSession) -> None:
    """List the devices that can render: the processor, and the graphics cards with a driver."""
    from rendertrust.node import devices as known
    from rendertrust.node import machine_facts

    cards = known.installed().cards()
    session.output.document({"cpu": machine_facts.facts(), "cards": cards})
    processor = f"{machine_facts.cores()} processors, {machine_facts.isa()}"
    rows = [("cpu", processor, value_text.size(machine_facts.ram_bytes()), "")]
    for card in cards:
        memory = "unknown" if card.memory_bytes is None else value_text.size(card.memory_bytes)
        rows.append((", ".join(known.names_of(card)), card.name, memory, card.driver))
    session.output.table(
        ("device", "what it is", "memory", "driver"),
        [tuple(value_text.harmless(cell) for cell in row) for row in rows],
    )
    session.output.note(EXPERIMENTAL if cards else NO_CARD)


@click.command(cls=Command)
@run_options
@state_option
@click.option(
    "--print",
    "only_print",
    is_flag=True,
    help="Print the unit file instead of installing the file.",
)
@click.option("--start", "starts", is_flag=True, help="Start the service now and at each login.")
@pass_session
def install(
    session: CliSession, /, state: Path | None, *, only_print: bool, starts: bool, **given: Any
) -> None:
    """Write a systemd user unit that runs the node with these options."""
    from rendertrust.node import service
    from rendertrust.node.state_folder import default_folder

    if not sys.platform.startswith("linux"):
        hint = "Start `rendertrust node run` with your system's own service manager."
        raise CommandExit(
            Exit(exit_codes.FAILURE, "no_systemd", "systemd exists only on Linux", hint)
        )
    settings = settings_of(given)
    text = service.unit(
        words_of(settings, state or default_folder()),
        finish_seconds=settings.finish_seconds,
        memory=settings.ram_bytes,
        final=(exit_codes.USAGE, exit_codes.NOT_FOUND, exit_codes.SHUT_OUT),
    )
    if starts:
        check_services()
    if only_print:
        session.output.document({"unit": text})
        session.output.say(text)
        return
    joined(state)
    if settings.update:
        automatic(state, session.output.note)  # refuses what the service could not do
    path = service.write(text, service.folder())
    session.output.document({"path": str(path)})
    session.output.say(f"Wrote {path}.")
    if not starts:
        session.output.note(START)
        return
    for words in (("daemon-reload",), ("enable", "--now", service.NAME)):
        failed = service.control(*words)
        if failed is not None:
            detail = f"systemd did not start the node: {failed}"
            raise CommandExit(Exit(exit_codes.FAILURE, "not_started", detail, BY_HAND))
    session.output.say("The node runs as a service.")
    session.output.note(LINGER)


def check_services(hint: str = BY_HAND) -> None:
    """End the command if systemd runs no services of this user; ``hint`` says what to do."""
    from rendertrust.node import service

    failed = service.control("show-environment")
    if failed is not None:
        detail = f"systemd runs no services of this user here: {failed}"
        raise CommandExit(Exit(exit_codes.FAILURE, "no_systemd", detail, hint))
