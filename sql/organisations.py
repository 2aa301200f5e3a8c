"""Rows of organisations, their members and nodes, and of trust between users.

Every change is recorded in the audit log, in the same transaction.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Any, Final
from uuid import UUID, uuid5

import attrs

from sql.audit_log import Act, record
from sql.database import Connection, Table
from sql.query_loader import QUERIES

OF_USER_MOST: Final = 20
MEMBERS_MOST: Final = 500
TRUSTED_MOST: Final = 500
INVITED_MOST: Final = 50  # open invitations of one organisation
INVITED_BY_USER_MOST: Final = 100  # open invitations by one user, to all organisations
LISTED_MOST: Final = 200  # newest open invitations shown to their receiver
OWNER: Final = "owner"


class ChangeOutcome(Enum):
    DONE = auto()
    ABSENT = auto()  # the caller can see no such organisation, member or node
    NOT_OWNER = auto()  # only owners may make the change
    ALREADY = auto()  # nothing to change
    TOO_MANY = auto()
    LAST_OWNER = auto()  # an organisation needs an owner


@attrs.frozen
class Organisation:
    """An organisation as one user sees it.

    ``joined`` is False for a user who is only invited. ``role``: the user's role.
    """

    id: UUID
    name: str
    created_at: datetime
    role: str = OWNER
    joined: bool = True
    members: int = 1
    nodes: int = 0


@attrs.frozen
class Member:
    """A member, or an open invitation.

    For an invitation, ``user_id`` is an id of the invitation, not of an account, and ``name`` is
    empty.
    """

    user_id: UUID
    email: str
    name: str
    role: str
    invited_at: datetime
    joined_at: datetime | None


@attrs.frozen
class LentNode:
    node_id: UUID
    name: str
    owner_id: UUID
    status: str
    lent_at: datetime


@attrs.frozen
class Trusted:
    """A trusted address. ``user_id`` is an id of the trusted address, not of an account."""

    user_id: UUID
    email: str
    since: datetime


def handle(scope: UUID, email: str) -> UUID:
    """Return an id for an e-mail address within the list of a user or organisation.

    The id does not depend on whether an account has the address.
    """
    return uuid5(scope, email)


class Organisations(Table):
    """Organisations and trust.

    Methods raise ``sql.database.Unavailable``; it is then unknown whether the change was made. The
    caller is ``act.actor_id``.
    """

    # -- read

    async def of_user(self, user: UUID) -> Sequence[Organisation]:
        """Return a user's organisations and newest invitations."""
        return await self._database.rows(Organisation, "organisations_of_user", user, LISTED_MOST)

    async def members(self, organisation: UUID) -> Sequence[Member]:
        """Return the members and the open invitations."""
        rows = await self._database.all("organisation_member_list", organisation)
        return [_member(organisation, row) for row in rows]

    async def nodes(self, organisation: UUID) -> Sequence[LentNode]:
        return await self._database.rows(LentNode, "organisation_node_list", organisation)

    # -- as an owner

    async def found(self, organisation: UUID, name: str, act: Act) -> Organisation | None:
        """Create an organisation; None if the user has too many organisations."""
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES["user_lock"], act.actor_id)
            values = (organisation, name, act.actor_id, act.at, OF_USER_MOST)
            row = await connection.fetchrow(QUERIES["organisation_found"], *values)
            if row is None:
                return None
            await record(connection, act)
        return Organisation(**row)

    async def invite(self, organisation: UUID, email: str, role: str, act: Act) -> ChangeOutcome:
        """Invite the owner of this address, who becomes a member by accepting.

        The outcome does not reveal whether an account has the address.
        """
        bounds = (MEMBERS_MOST, INVITED_MOST, INVITED_BY_USER_MOST)
        values = (organisation, email, role, act.actor_id, act.at, *bounds)
        async with self._database.transaction() as connection:
            if (refused := await _owner(connection, organisation, act)) is not None:
                return refused
            return await _addressed(connection, "organisation_invite", values, act)

    async def set_role(self, organisation: UUID, user: UUID, role: str, act: Act) -> ChangeOutcome:
        """Set a member's role; the last owner cannot become a mere member."""
        async with self._database.transaction() as connection:
            if (refused := await _owner(connection, organisation, act)) is not None:
                return refused
            if role != OWNER and await _others(connection, organisation, user) == 0:
                return ChangeOutcome.LAST_OWNER
            return await _do(connection, "organisation_role", (organisation, user, role), act)

    async def end(self, organisation: UUID, act: Act) -> ChangeOutcome:
        """Delete the organisation."""
        return await self._as_owner(organisation, "organisation_end", (organisation,), act)

    async def _as_owner(
        self, organisation: UUID, query: str, values: tuple[Any, ...], act: Act
    ) -> ChangeOutcome:
        async with self._database.transaction() as connection:
            refused = await _owner(connection, organisation, act)
            return refused or await _do(connection, query, values, act)

    # -- as a member

    async def join(self, organisation: UUID, act: Act) -> ChangeOutcome:
        """Accept an invitation."""
        async with self._database.transaction() as connection:
            values = (organisation, act.actor_id, act.at)
            return await _do(connection, "organisation_join", values, act)

    async def leave(self, organisation: UUID, user: UUID, act: Act) -> ChangeOutcome:
        """Remove a member with the nodes they lent, or an invitation: by themselves, or by an
        owner.

        An owner names an invitation by the id that ``members`` returns.
        """
        async with self._database.transaction() as connection:
            mine = await _mine(connection, organisation, act)
            if mine is None:
                return ChangeOutcome.ABSENT
            if user != act.actor_id and (mine["role"] != OWNER or not mine["joined"]):
                return ChangeOutcome.NOT_OWNER
            if await _others(connection, organisation, user) == 0:
                return ChangeOutcome.LAST_OWNER
            rows = await connection.fetch(QUERIES["organisation_member_list"], organisation)
            for invited in (row["email"] for row in rows if row["user_id"] is None):
                if handle(organisation, invited) == user:
                    withdrawn = (organisation, invited)
                    return await _do(connection, "organisation_withdraw", withdrawn, act)
            await connection.execute(QUERIES["organisation_take_back"], organisation, user)
            left = (organisation, user, act.actor_id)
            return await _do(connection, "organisation_leave", left, act)

    async def lend(self, organisation: UUID, node: UUID, act: Act) -> ChangeOutcome:
        """Lend a node of the caller to an organisation, whose members may use the node for free."""
        async with self._database.transaction() as connection:
            mine = await _mine(connection, organisation, act)
            if mine is None or not mine["joined"]:
                return ChangeOutcome.ABSENT
            values = (organisation, node, act.actor_id, act.at)
            return await _do(connection, "organisation_lend", values, act)

    async def unlend(self, organisation: UUID, node: UUID, act: Act) -> ChangeOutcome:
        """End the loan of a node, by its owner or by an owner of the organisation."""
        async with self._database.transaction() as connection:
            mine = await _mine(connection, organisation, act)
            if mine is None or not mine["joined"]:
                return ChangeOutcome.ABSENT
            by = None if mine["role"] == OWNER else act.actor_id
            return await _do(connection, "organisation_unlend", (organisation, node, by), act)

    # -- trust

    async def trusted(self, user: UUID) -> Sequence[Trusted]:
        """Return the addresses that a user trusts, including addresses without an account."""
        rows = await self._database.all("trust_list", user)
        return [Trusted(handle(user, row["email"]), row["email"], row["since"]) for row in rows]

    async def trust(self, email: str, act: Act) -> ChangeOutcome:
        """Trust the current owner of this address.

        The outcome does not reveal whether an account has the address.
        """
        async with self._database.transaction() as connection:
            values = (act.actor_id, email, act.at, TRUSTED_MOST)
            return await _addressed(connection, "trust_add", values, act)

    async def distrust(self, entry: UUID, act: Act) -> ChangeOutcome:
        """Stop trusting an address; ``entry`` is its id as ``trusted`` returns it."""
        assert act.actor_id is not None, "only users trust others"
        async with self._database.transaction() as connection:
            rows = await connection.fetch(QUERIES["trust_list"], act.actor_id)
            for email in (row["email"] for row in rows):
                if handle(act.actor_id, email) == entry:
                    return await _do(connection, "trust_end", (act.actor_id, email), act)
        return ChangeOutcome.ABSENT


def _member(organisation: UUID, row: Any) -> Member:
    member = dict(row)
    if member["user_id"] is None:
        member["user_id"] = handle(organisation, member["email"])
    return Member(**member)


async def _addressed(
    connection: Connection, query: str, values: tuple[Any, ...], act: Act
) -> ChangeOutcome:
    await connection.execute(QUERIES["user_lock"], act.actor_id)
    row = await connection.fetchrow(QUERIES[query], *values)
    assert row is not None, "the query returns one row"
    if row["already"]:
        return ChangeOutcome.ALREADY
    if not row["room"]:
        return ChangeOutcome.TOO_MANY
    await record(connection, await _without_address(connection, values[1], act))
    return ChangeOutcome.DONE


async def _without_address(connection: Connection, email: str, act: Act) -> Act:
    """Return the record with the user's id in place of their address, if it has an account: the
    audit log is append-only, and must not name users who delete their account.
    """
    row = await connection.fetchrow(QUERIES["user_by_email"], email)
    if row is None:
        return act
    user = f"user {row['id']}"
    return attrs.evolve(
        act,
        target=act.target.replace(email, str(row["id"])),
        reason=act.reason.replace(email, user),
    )


async def _do(
    connection: Connection, query: str, values: tuple[Any, ...], act: Act
) -> ChangeOutcome:
    if await connection.fetchrow(QUERIES[query], *values) is None:
        return ChangeOutcome.ABSENT
    await record(connection, act)
    return ChangeOutcome.DONE


async def _mine(connection: Connection, organisation: UUID, act: Act) -> Any:
    """Lock the organisation; return the caller's membership, or None."""
    values = (organisation, act.actor_id)
    return await connection.fetchrow(QUERIES["organisation_lock"], *values)


async def _owner(connection: Connection, organisation: UUID, act: Act) -> ChangeOutcome | None:
    """Return why the caller may not change the organisation, or None."""
    mine = await _mine(connection, organisation, act)
    if mine is None:
        return ChangeOutcome.ABSENT
    return None if mine["role"] == OWNER and mine["joined"] else ChangeOutcome.NOT_OWNER


async def _others(connection: Connection, organisation: UUID, user: UUID) -> int:
    row = await connection.fetchrow(QUERIES["organisation_owners"], organisation, user)
    assert row is not None, "count answers one row"
    return int(row["count"])
