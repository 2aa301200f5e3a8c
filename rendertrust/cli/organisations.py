"""``rendertrust organisations``: groups of users who render on each other's nodes for free."""

from typing import Final, Literal
from uuid import UUID

import click

from rendertrust.cli import value_text
from rendertrust.cli.command import Group
from rendertrust.cli.id_prefix import MEMBER, NODE, ORGANISATION
from rendertrust.cli.session import CliSession, pass_session

COLUMNS: Final = ("ID", "NAME", "YOU", "MEMBERS", "NODES")
MEMBERS: Final = ("ID", "E-MAIL", "ROLE", "SINCE")
NODES: Final = ("ID", "NAME", "STATUS", "OWNER")
of_organisation = click.argument("organisation", type=ORGANISATION)
of_node = click.argument("node", type=NODE)
of_member = click.argument("user", type=MEMBER)
as_role = click.option(
    "--role",
    type=click.Choice(["owner", "member"]),
    default="member",
    show_default=True,
    help="The role of the user.",
)


@click.group(cls=Group)
def organisations() -> None:
    """Groups whose members lend nodes, on which all render for free with `submit --pool mine`.

    ORGANISATION is an id from `organisations list`. USER and NODE are ids from
    `organisations show`.
    """


@organisations.command("list")
@pass_session
def list_(session: CliSession) -> None:
    """List the organisations that you belong to, and your invitations."""
    found = session.fetch(lambda client: client.organisations())
    if not found.organisations:
        session.output.note(
            "You are in no organisation. Found one: rendertrust organisations found NAME"
        )
        return
    rows = [
        (
            one.id,
            value_text.harmless(one.name),
            one.role if one.joined else "invited",
            str(one.members),
            str(one.nodes),
        )
        for one in found.organisations
    ]
    session.output.table(COLUMNS, rows)


@organisations.command()
@of_organisation
@pass_session
def show(session: CliSession, organisation: UUID) -> None:
    """Show the members and nodes of an organisation."""
    found = session.fetch(lambda client: client.organisation(organisation))
    session.output.say(value_text.harmless(found.name))
    members = [
        (
            one.user_id,
            value_text.harmless(one.email),
            one.role,
            "invited" if one.joined_at is None else value_text.stamp(one.joined_at),
        )
        for one in found.members
    ]
    session.output.table(MEMBERS, members)
    nodes = [
        (one.node_id, value_text.harmless(one.name), one.status, one.owner_id)
        for one in found.nodes
    ]
    if nodes:
        session.output.table(NODES, nodes)


@organisations.command()
@click.argument("name")
@pass_session
def found(session: CliSession, name: str) -> None:
    """Found an organisation; you become an owner."""
    made = session.fetch(lambda client: client.found_organisation(name))
    session.output.say(f"Founded {value_text.harmless(made.name)}: {made.id}")


@organisations.command()
@of_organisation
@pass_session
def end(session: CliSession, organisation: UUID) -> None:
    """Dissolve an organisation. The nodes that were lent to it are then only their owners'."""
    session.do(
        lambda client: client.end_organisation(organisation), "The organisation is dissolved."
    )


@organisations.command()
@of_organisation
@click.argument("email")
@as_role
@pass_session
def invite(
    session: CliSession, organisation: UUID, email: str, role: Literal["owner", "member"]
) -> None:
    """Invite the user with this e-mail address."""
    session.do(
        lambda client: client.invite(organisation, email, role),
        f"If there is an account with the address {email}, its user is invited.",
    )


@organisations.command()
@of_organisation
@pass_session
def accept(session: CliSession, organisation: UUID) -> None:
    """Accept an invitation."""
    session.do(lambda client: client.accept_invitation(organisation), "You are now a member.")


@organisations.command()
@of_organisation
@of_member
@as_role
@pass_session
def role(
    session: CliSession, organisation: UUID, user: UUID, role: Literal["owner", "member"]
) -> None:
    """Change the role of a member: --role owner, or --role member."""
    session.do(
        lambda client: client.set_member_role(organisation, user, role),
        f"The member's role is now: {role}.",
    )


@organisations.command()
@of_organisation
@of_member
@pass_session
def remove(session: CliSession, organisation: UUID, user: UUID) -> None:
    """Leave, decline an invitation, or remove a member.

    With your own id you leave or decline; with other ids, owners remove members. The last owner
    cannot leave. The nodes that the user lent are no longer lent.
    """
    session.do(lambda client: client.remove_member(organisation, user), "Removed.")


@organisations.command()
@of_organisation
@of_node
@pass_session
def lend(session: CliSession, organisation: UUID, node: UUID) -> None:
    """Lend one of your nodes. The members of the organisation render on this node for free.

    A node is lent to one organisation at a time.
    """
    session.do(lambda client: client.lend_node(organisation, node), "The node is lent.")


@organisations.command("take-back")
@of_organisation
@of_node
@pass_session
def take_back(session: CliSession, organisation: UUID, node: UUID) -> None:
    """Take back a node that you lent. An owner of the organisation can return any lent node."""
    session.do(
        lambda client: client.take_node_back(organisation, node),
        "The node is no longer lent.",
    )
