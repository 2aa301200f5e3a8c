"""``rendertrust node status``: shows the state of this machine's node."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from rendertrust.cli import exit_codes, value_text
from rendertrust.cli.command import Command
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.node_options import state_option
from rendertrust.cli.session import DEFAULT, CliSession, pass_session

if TYPE_CHECKING:
    from rendertrust.node.agent import Status
    from rendertrust.node.agent_history import HistoryLine

SHOWN: Final = 8
START: Final = "Start the node: rendertrust node run"
DRAINED: Final = "Release the node at the gateway and start the node: rendertrust node run"


@click.command(cls=Command)
@state_option
@click.option(
    "--history",
    type=click.IntRange(0, 500),
    default=SHOWN,
    show_default=True,
    metavar="LINES",
    help="Show at most this many lines of the node's log, which includes earlier runs.",
)
@pass_session
def status(session: CliSession, state: Path | None, history: int) -> None:
    """Show the state and the recent log of this machine's node."""
    from rendertrust.node.state_folder import StateFolder

    found = joined(state)
    session.output.document(attrs.asdict(found))
    session.output.facts(facts(found))
    for unit in found.units:
        session.output.say(_unit(unit))
    for line in found.history[len(found.history) - history :] if history else ():
        session.output.say(_past(line))
    if not found.running:
        folder = StateFolder(state) if state else StateFolder()
        session.output.note(begun(start_of(found, is_own_wish=folder.drain_wished), state))


def start_of(found: "Status", *, is_own_wish: bool) -> str:
    """Return how to start the node again.

    A drain that was ordered on this machine needs no release at the gateway.
    """
    return DRAINED if found.draining and not is_own_wish else START


def begun(hint: str, state: Path | None) -> str:
    """Return the command ``hint``, with ``--state`` if a state folder was given."""
    return hint if state is None else f"{hint} --state {state}"


def facts(found: "Status") -> dict[str, str | None]:
    """Return the facts about a node by name."""
    from rendertrust.node.opengl_probe import HOW_TO_GET_OPENGL

    running = "connected" if found.connected else "running, not connected"
    if found.silent_seconds is not None:
        running = f"running, no answer from the gateway for {found.silent_seconds} s"
    if found.resting is not None:
        running = f"resting: {value_text.harmless(found.resting)}"
    if found.draining:
        running = f"stopped after its running units, {running}"
    stopped = "not running: stopped" if found.draining else "not running"
    return {
        "node": found.node_id,
        "name": value_text.harmless(found.name),
        "gateway": found.url,
        "state": running if found.running else stopped,
        "standing": _standing(found),
        "process": None if found.pid is None else str(found.pid),
        "offers": ", ".join(found.capabilities) or "nothing",
        "serves": None if found.serves in ((), ("any",)) else ", ".join(found.serves),
        "no opengl": HOW_TO_GET_OPENGL if found.opengl is False else None,
        "ended": ", ".join(f"{n} {how}" for how, n in sorted(found.units_ended.items())) or None,
        "results to send": str(found.waiting_results) if found.waiting_results else None,
        **{f"no {kind}": value_text.harmless(why) for kind, why in found.not_offered.items()},
    }


def _unit(unit: Any) -> str:
    words = (f"{name} {value}" for name, value in dict(unit).items())
    return value_text.harmless("unit: " + ", ".join(words))


def _standing(found: "Status") -> str | None:
    from rendertrust.node.agent_snapshot import ACTIVE, told_of

    if found.standing == ACTIVE:
        return None
    return value_text.harmless(told_of(found.standing, found.node_id, found.standing_reason))


def _past(line: "HistoryLine") -> str:
    times = "" if line.times == 1 else f" ({line.times} times, until {line.until})"
    return value_text.harmless(f"{line.since}  {line.said}{times}")


def joined(state: Path | None) -> "Status":
    from rendertrust.node.agent import NotJoined
    from rendertrust.node.agent import status as told

    found = told(state)
    if isinstance(found, NotJoined):
        hint = f"Join a gateway: rendertrust node join {DEFAULT}"
        detail = "This machine has not joined a gateway"
        raise CommandExit(Exit(exit_codes.NOT_FOUND, "not_joined", detail, hint))
    return found
