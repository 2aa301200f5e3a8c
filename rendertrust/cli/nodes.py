"""``rendertrust nodes``: list, drain, release, quarantine and revoke nodes at the gateway."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

import click

from rendertrust.cli import value_text
from rendertrust.cli.command import Group, paged
from rendertrust.cli.id_prefix import JOIN_CODE, NODE
from rendertrust.cli.output import SHORT
from rendertrust.cli.session import CliSession, is_interactive, pass_session

if TYPE_CHECKING:
    from rendertrust.api.nodes import NodeCheck, NodeConnection, Reputation
    from rendertrust.client import Node
    from rendertrust.client.arguments import NodeVerb

# The columns of the table, which fit 80 characters on a terminal. --json prints every field.
COLUMNS: Final = ("NAME", "ID", "STATUS", "STANDING", "LOAD", "SEEN")
ALL_COLUMNS: Final = ("ID", "STATUS", "STANDING", "LOAD", "SEEN", "NAME", "OFFERS", "OWNER")
NAME_SHOWN: Final = 20  # characters of a name in the table
FOR_GOOD: Final = "A revoked node and its key never work again. Revoke the node?"
UNCHECKABLE: Final = (
    "no verifier of this gateway has the node's build of Blender: results drawn for comparison "
    "cannot be verified"
)
WHY: Final = "Give a reason, which the operator is shown: --reason 'the frames are black'"
STANDINGS: Final = {
    "ACTIVE": "active",
    "DRAINING": "stopped",
    "QUARANTINED": "in quarantine",
    "REVOKED": "revoked",
}
ONLY_OWN: Final = ": it gets only its owner's work"
STOPPED_BY: Final = {"owner": "by its owner", "admin": "by an admin"}
CHECK_COLUMNS: Final = ("WHEN", "VERDICT", "WHY", "JOB", "UNIT", "ATTEMPT")
node_argument = click.argument("node", type=NODE)
reason_option = click.option("--reason", default="", help="The reason; shown with the node.")


@click.group(cls=Group)
def nodes() -> None:
    """List, show, drain and revoke your nodes."""


@nodes.command("list")
@paged
@pass_session
def list_nodes(session: CliSession, limit: int, offset: int) -> None:
    """List your nodes, newest first; admins and auditors see all nodes."""
    found = session.fetch(lambda client: client.nodes(limit=limit, offset=offset))
    if not found.nodes:
        session.output.note("No nodes. Make this machine one: rendertrust node join")
        return
    if session.output.terminal:
        session.output.table(COLUMNS, [_short_row(node) for node in found.nodes])
    else:
        session.output.table(ALL_COLUMNS, [_row(node) for node in found.nodes])
    session.output.more(offset + len(found.nodes), found.count)


@nodes.group(cls=Group)
def codes() -> None:
    """Join codes: with one, a machine becomes your node without your login."""


@codes.command()
@click.option("--install", is_flag=True, help="Print the line for a machine without the program.")
@pass_session
def create(session: CliSession, *, install: bool) -> None:
    """Make a join code, and print the line to run on the machine. The line is printed once.

    With --install, the line also installs the program: nothing has to be on the machine.
    """
    made = session.fetch(lambda client: client.make_join_code())
    session.output.say(made.install_command if install else made.command)
    session.output.note(
        "Run this line on the machine within 15 minutes; add --service or --run to start the node."
        f" To revoke the code: rendertrust nodes codes revoke {made.id}"
    )


@codes.command("list")
@pass_session
def list_codes(session: CliSession) -> None:
    """List your join codes that are open or were used in the last hour, newest first."""
    found = session.fetch(lambda client: client.join_codes()).codes
    if not found:
        session.output.note("No join codes. Make one: rendertrust nodes codes create")
        return
    time = value_text.ago if session.output.terminal else value_text.stamp
    rows = [
        (code.id, time(code.created_at), value_text.stamp(code.expires_at), code.node_id or "-")
        for code in found
    ]
    session.output.table(("ID", "CREATED", "EXPIRES", "NODE"), rows)


@codes.command("revoke")
@click.argument("code", type=JOIN_CODE)
@pass_session
def revoke_code(session: CliSession, code: UUID) -> None:
    """Revoke an open join code by its id, from `nodes codes list`. It stops working at once."""
    words = f"Revoked {code}."
    session.do(lambda client: client.revoke_join_code(code), words, id=str(code), revoked=True)


@nodes.command()
@node_argument
@pass_session
def show(session: CliSession, node: UUID) -> None:
    """Show all facts about a node."""
    found = session.fetch(lambda client: client.node(node))
    session.output.facts(facts(found))


@nodes.command()
@node_argument
@click.option(
    "--limit",
    type=click.IntRange(1, 500),
    default=50,
    show_default=True,
    help="Show at most this many checks.",
)
@pass_session
def checks(session: CliSession, node: UUID, limit: int) -> None:
    """List the checks of a node's results and of its reports on scenes, newest first."""
    found = session.fetch(lambda client: client.node_checks(node, limit=limit))
    if not found.checks:
        session.output.note("None of the node's results has been checked yet.")
        return
    time = value_text.ago if session.output.terminal else value_text.stamp
    session.output.table(CHECK_COLUMNS, [check_row(each, time) for each in found.checks])


@nodes.command()
@node_argument
@pass_session
def history(session: CliSession, node: UUID) -> None:
    """List the connections of a node and the close codes.

    Show the last twenty connections, at all gateways. docs/PROTOCOL.md explains the codes.
    """
    found = session.fetch(lambda client: client.node_connections(node))
    if not found.connections:
        session.output.note("The node has not connected yet.")
        return
    rows = [_connection(one) for one in found.connections]
    session.output.table(("FROM", "UNTIL", "CODE", "WHY", "ADDRESS"), rows)


def _connection(one: "NodeConnection") -> tuple[str, ...]:
    ended = "connected" if one.ended_at is None else value_text.stamp(one.ended_at)
    by = " (by the gateway)" if one.by_us else ""
    why = "" if one.why is None else f"{one.why}{by}"
    code = "" if one.code is None else str(one.code)
    return (value_text.stamp(one.opened_at), ended, code, why, one.address)


def _verb(command: Callable[..., None]) -> click.Command:
    """Register a command that changes a node's standing."""
    return nodes.command()(node_argument(reason_option(pass_session(command))))


@_verb
def drain(session: CliSession, node: UUID, reason: str) -> None:
    """Let a node finish its running units, and give the node no new units."""
    _tell(session, node, "drain", reason)


@_verb
def quarantine(session: CliSession, node: UUID, reason: str) -> None:
    """Give a node only its owner's work (admins only). The operator is shown the reason."""
    if not reason.strip():
        raise click.UsageError(WHY)
    _tell(session, node, "quarantine", reason)


@_verb
def release(session: CliSession, node: UUID, reason: str) -> None:
    """End a node's drain or, for admins, its quarantine."""
    _tell(session, node, "release", reason)


@_verb
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def revoke(session: CliSession, node: UUID, reason: str, *, yes: bool) -> None:
    """Revoke a node for good. The node is disconnected, and its key is refused."""
    if not yes and not is_interactive():
        raise click.UsageError("Revoking is permanent: confirm with --yes")
    if not yes and not click.confirm(FOR_GOOD, err=True):
        return
    _tell(session, node, "revoke", reason)


def _tell(session: CliSession, node: UUID, verb: "NodeVerb", reason: str) -> None:
    found = session.fetch(lambda client: client.tell_node(node, verb, reason))
    session.output.say(f"{value_text.harmless(found.name)} is {standing_of(found)}.")


def facts(node: "Node") -> dict[str, str | None]:
    """Return the facts about a node by name."""
    return {
        "node": node.id,
        "name": value_text.harmless(node.name),
        "status": node.status,
        "standing": f"{standing_of(node)}{ONLY_OWN if node.standing == 'QUARANTINED' else ''}",
        "why": value_text.harmless(node.standing_reason) or None,
        "fails often": _failing(node),
        "load": value_text.percent(node.current_load),
        "reputation": "; ".join(map(_known, node.reputation))
        or "none of the node's results was compared yet",
        "checked": UNCHECKABLE if node.checkable is False else None,
        "offers": _offers(node),
        "owner": node.owner_id or "none",
        "seen": None if node.seen_at is None else value_text.stamp(node.seen_at),
        "registered": value_text.stamp(node.created_at),
    }


def _failing(node: "Node") -> str | None:
    """Return since when and why a node fails often; None if it does not."""
    if node.failing_since is None:
        return None
    why = value_text.harmless(node.failing_reason)
    return f"since {value_text.stamp(node.failing_since)}, so other nodes get work first: {why}"


def standing_of(node: "Node") -> str:
    """Return a node's standing in words."""
    words = STANDINGS.get(node.standing, node.standing)
    by = STOPPED_BY.get(node.standing_by or "") if node.standing == "DRAINING" else None
    return f"{words} {by}" if by else words


def _known(one: "Reputation") -> str:
    words = f"{one.score:.2f}: {one.valid} valid, {one.invalid} invalid, {one.strikes} strikes"
    return value_text.harmless(f"{words} ({one.device_class or 'unknown class'})")


def check_row(one: "NodeCheck", time: Callable[[datetime], str]) -> tuple[str, ...]:
    """Return the row of a check for ``CHECK_COLUMNS``."""
    return (
        time(one.decided_at or one.opened_at),
        f"{one.verdict}, a strike" if one.strike else one.verdict or "waits",
        value_text.harmless(one.said) or "-",
        one.job_id,
        str(one.unit),
        str(one.attempt),
    )


def _short_row(node: "Node") -> tuple[str, ...]:
    seen = "never" if node.seen_at is None else value_text.ago(node.seen_at)
    load = value_text.percent(node.current_load)
    name = value_text.cut(value_text.harmless(node.name), NAME_SHOWN)
    return (name, node.id[:SHORT], node.status, standing_of(node), load, seen)


def _row(node: "Node") -> tuple[str, ...]:
    return (
        node.id,
        node.status,
        node.standing,
        value_text.percent(node.current_load),
        "never" if node.seen_at is None else value_text.stamp(node.seen_at),
        value_text.harmless(node.name),
        _offers(node),
        node.owner_id or "-",
    )


def _offers(node: "Node") -> str:
    return value_text.harmless(", ".join(node.capabilities)) or "nothing"
