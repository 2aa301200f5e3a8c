"""``rendertrust node``: this machine as a node of a gateway."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from rendertrust.cli import exit_codes, wording
from rendertrust.cli.command import Group
from rendertrust.cli.ending import Ending, Stop
from rendertrust.cli.session import DEFAULT, Session, session_of

if TYPE_CHECKING:
    from rendertrust.node.agent import Status
    from rendertrust.node.enrolment import Joined, JoinRefused

state_option = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of the node's key, token and results; else the XDG state folder.",
)
unsafe_option = click.option(
    "--unsafe-no-sandbox",
    is_flag=True,
    help="Let scenes render without a sandbox: they can read what you can read.",
)
NODE_FAILED: Final = "Mend that, and start it again: rendertrust node run"


@click.group(cls=Group)
def node() -> None:
    """Join a gateway, run the node, see how it is."""


@node.command()
@click.argument("gateway", metavar="[URL]", required=False)
@click.option("--name", help="What the node is called; else this machine's name.")
@click.option("--unowned", is_flag=True, help="Join without your login: nobody earns yet.")
@state_option
@unsafe_option
@click.pass_context
def join(
    context: click.Context,
    gateway: str | None,
    name: str | None,
    state: Path | None,
    *,
    unowned: bool,
    unsafe_no_sandbox: bool,
) -> None:
    """Make this machine a node of a gateway. Where you are logged in there, it is yours."""
    from rendertrust.node.enrolment import JoinRefused
    from rendertrust.node.enrolment import join as enrol

    session = session_of(context)
    if gateway is not None:
        session.given = gateway
    token = None if unowned else _token(session)
    session.output.note(f"Joining {session.url}: trying out what this machine can do …")
    joined = asyncio.run(
        enrol(
            session.url,
            name=name,
            state=state,
            token=token,
            unsafe_no_sandbox=unsafe_no_sandbox,
        )
    )
    if isinstance(joined, JoinRefused):
        raise Stop(refused(joined, session.url))
    session.output.document(attrs.asdict(joined))
    _tell(session, joined)


def _token(session: Session) -> str | None:
    """A token that works, of whoever is logged in at that gateway; None when nobody is."""
    if session.api_key is None and session.credentials.tokens(session.url) is None:
        session.output.note("You are not logged in there, so the node will belong to nobody.")
        return None
    return session.run(lambda client: client.access_token())


def _tell(session: Session, joined: "Joined") -> None:
    owner = "yours" if joined.owned else "nobody's"
    session.output.say(f"Joined {joined.url} as {wording.harmless(joined.name)}; it is {owner}.")
    session.output.facts(
        {"node": joined.node_id, "offers": ", ".join(joined.capabilities) or "nothing"}
    )
    for kind, reason in joined.not_offered.items():
        session.output.note(f"Not offered: {kind}: {reason}")
    session.output.note("Start it: rendertrust node run")


def refused(answer: "JoinRefused", url: str) -> Ending:
    """Why it did not join, and what to do."""
    passing = answer.code is None or answer.code in (429, 502, 503, 504)
    code = exit_codes.UNAVAILABLE if passing else exit_codes.FAILURE
    if answer.code in (401, 403):
        code = exit_codes.NOT_AUTHENTICATED
    hint = f"Check that {url} is the gateway and runs, and join again."
    return Ending(code, "join_refused", answer.reason, hint, {"status": answer.code})


@node.command()
@click.option("--slots", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--threads", type=click.IntRange(1), help="Per slot; else an even share of all.")
@click.option(
    "--health-port",
    type=click.IntRange(-1, 65_535),
    default=8081,
    show_default=True,
    help="0 takes a free one, -1 none.",
)
@state_option
@unsafe_option
@click.pass_context
def run(
    context: click.Context,
    slots: int,
    threads: int | None,
    health_port: int,
    state: Path | None,
    *,
    unsafe_no_sandbox: bool,
) -> None:
    """Take work until stopped by Ctrl-C."""
    from rendertrust.node import agent
    from rendertrust.node.settings import Settings

    session = session_of(context)
    settings = Settings(
        slots=slots,
        threads=threads,
        health_port=None if health_port < 0 else health_port,
        unsafe_no_sandbox=unsafe_no_sandbox,
    )
    known = _joined(state)
    session.output.say(f"Node {wording.harmless(known.name)} of {known.url}. Ctrl-C stops it.")
    ended = asyncio.run(agent.run(state, settings=settings, narrator=narrator(session)))
    session.output.document({"event": "ended", **attrs.asdict(ended)})
    if not ended.ok:
        raise Stop(Ending(exit_codes.FAILURE, "node_ended", ended.reason, NODE_FAILED))
    session.output.say(f"Ended: {wording.harmless(ended.reason)}.")


def narrator(session: Session) -> Callable[[str], None]:
    """What the agent tells, line by line."""

    def narrate(text: str) -> None:
        session.output.document({"event": "told", "text": text})
        session.output.say(wording.harmless(text))

    return narrate


@node.command()
@state_option
@click.pass_context
def status(context: click.Context, state: Path | None) -> None:
    """What the node of this machine is doing."""
    session = session_of(context)
    found = _joined(state)
    session.output.document(attrs.asdict(found))
    session.output.facts(facts(found))
    for unit in found.units:
        session.output.say(_unit(unit))
    if not found.running:
        session.output.note("Start it: rendertrust node run")


def facts(found: "Status") -> dict[str, str | None]:
    """What there is to say about a node, by name."""
    running = "connected" if found.connected else "running, not connected"
    return {
        "node": found.node_id,
        "name": wording.harmless(found.name),
        "gateway": found.url,
        "state": running if found.running else "not running",
        "process": None if found.pid is None else str(found.pid),
        "offers": ", ".join(found.capabilities) or "nothing",
        "results to send": str(found.waiting_results) if found.waiting_results else None,
        **{f"no {kind}": wording.harmless(why) for kind, why in found.not_offered.items()},
    }


def _unit(unit: Any) -> str:
    words = (f"{name} {value}" for name, value in dict(unit).items())
    return wording.harmless("unit: " + ", ".join(words))


def _joined(state: Path | None) -> "Status":
    from rendertrust.node.agent import NotJoined
    from rendertrust.node.agent import status as told

    found = told(state)
    if isinstance(found, NotJoined):
        hint = f"Join one: rendertrust node join {DEFAULT}"
        detail = "This machine has not joined a gateway"
        raise Stop(Ending(exit_codes.NOT_FOUND, "not_joined", detail, hint))
    return found
