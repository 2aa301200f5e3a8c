"""Rows of organisations, of their members and nodes, and of whom somebody trusts.

Every change is written down, in the transaction that makes it.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Any, Final
from uuid import UUID, uuid5

import attrs

from sql.audit import Act, record
from sql.database import Connection, Database
from sql.query_loader import QUERIES

OF_USER_MOST: Final = 20
MEMBERS_MOST: Final = 500
TRUSTED_MOST: Final = 500
INVITED_MOST: Final = 50  # open invitations of one organisation
INVITED_BY_USER_MOST: Final = 100  # open invitations of one inviter, to all organisations
LISTED_MOST: Final = 200  # open invitations that their receiver is shown: the newest
OWNER: Final = "owner"


class ChangeOutcome(Enum):
    """What became of a change."""

    DONE = auto()
    ABSENT = auto()  # there is no such thing, as far as the caller may see
    NOT_OWNER = auto()  # only its owners may
    ALREADY = auto()  # it is so
    TOO_MANY = auto()
    LAST_OWNER = auto()  # somebody must be


@attrs.frozen
class Organisation:
    """``joined``: False, while one is only invited. ``role`` is one's own."""

    id: UUID
    name: str
    created_at: datetime
    role: str = OWNER
    joined: bool = True
    members: int = 1
    nodes: int = 0


@attrs.frozen
class Member:
    """``user_id`` of an open invitation names it, and is no account's; ``name`` is empty there."""

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
    """``user_id`` names the entry, and is no account's."""

    user_id: UUID
    email: str
    since: datetime


def handle(scope: UUID, email: str) -> UUID:
    """Return the name of an address within the list of a user or an organisation.

    It is the same whether an account has the address or not.
    """
    return uuid5(scope, email)


class Organisations:
    """Each raises ``sql.database.Unavailable``; whether it happened is unknown then.

    ``act`` is of the caller, who is its ``actor_id``.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- read

    async def of_user(self, user: UUID) -> Sequence[Organisation]:
        """Return those that he is a member of, or invited to: of these the newest."""
        rows = await self._database.all("organisations_of_user", user, LISTED_MOST)
        return [Organisation(**row) for row in rows]

    async def members(self, organisation: UUID) -> Sequence[Member]:
        """With those who are invited."""
        rows = await self._database.all("organisation_member_list", organisation)
        return [_member(organisation, row) for row in rows]

    async def nodes(self, organisation: UUID) -> Sequence[LentNode]:
        """Those that are lent to it."""
        rows = await self._database.all("organisation_node_list", organisation)
        return [LentNode(**row) for row in rows]

    # -- as an owner

    async def found(self, organisation: UUID, name: str, act: Act) -> Organisation | None:
        """A new one; None: he has too many."""
        async with self._database.transaction() as connection:
            values = (organisation, name, act.actor_id, act.at, OF_USER_MOST)
            row = await connection.fetchrow(QUERIES["organisation_found"], *values)
            if row is None:
                return None
            await record(connection, act)
        return Organisation(**row)

    async def invite(self, organisation: UUID, email: str, role: str, act: Act) -> ChangeOutcome:
        """Invite whoever has this address; they are a member once they accept.

        The outcome is the same where nobody has it.
        """
        bounds = (MEMBERS_MOST, INVITED_MOST, INVITED_BY_USER_MOST)
        values = (organisation, email, role, act.actor_id, act.at, *bounds)
        async with self._database.transaction() as connection:
            refused = await _owner(connection, organisation, act)
            return refused or await _addressed(connection, "organisation_invite", values, act)

    async def set_role(self, organisation: UUID, user: UUID, role: str, act: Act) -> ChangeOutcome:
        """Of a member; the last owner stays one."""
        async with self._database.transaction() as connection:
            if (refused := await _owner(connection, organisation, act)) is not None:
                return refused
            if role != OWNER and await _others(connection, organisation, user) == 0:
                return ChangeOutcome.LAST_OWNER
            return await _do(connection, "organisation_role", (organisation, user, role), act)

    async def end(self, organisation: UUID, act: Act) -> ChangeOutcome:
        """It is no more."""
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
        """Out with a member, or an invitation: by himself, or by an owner; and his nodes too.

        An owner names an invitation as ``members`` does.
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
        """A node of one's own; the organisation's members may use it for nothing."""
        async with self._database.transaction() as connection:
            mine = await _mine(connection, organisation, act)
            if mine is None or not mine["joined"]:
                return ChangeOutcome.ABSENT
            values = (organisation, node, act.actor_id, act.at)
            return await _do(connection, "organisation_lend", values, act)

    async def unlend(self, organisation: UUID, node: UUID, act: Act) -> ChangeOutcome:
        """By the node's owner, or by one of the organisation's."""
        async with self._database.transaction() as connection:
            mine = await _mine(connection, organisation, act)
            if mine is None or not mine["joined"]:
                return ChangeOutcome.ABSENT
            by = None if mine["role"] == OWNER else act.actor_id
            return await _do(connection, "organisation_unlend", (organisation, node, by), act)

    # -- trust

    async def trusted(self, user: UUID) -> Sequence[Trusted]:
        """Addresses that he trusts, those of nobody among them."""
        rows = await self._database.all("trust_list", user)
        return [Trusted(handle(user, row["email"]), row["email"], row["since"]) for row in rows]

    async def trust(self, email: str, act: Act) -> ChangeOutcome:
        """Trust whoever has this address now. The outcome is the same where nobody has it."""
        async with self._database.transaction() as connection:
            values = (act.actor_id, email, act.at, TRUSTED_MOST)
            return await _addressed(connection, "trust_add", values, act)

    async def distrust(self, entry: UUID, act: Act) -> ChangeOutcome:
        """Trust an address no more; ``entry`` names it as ``trusted`` does."""
        assert act.actor_id is not None, "a user trusts"
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
    row = await connection.fetchrow(QUERIES[query], *values)
    assert row is not None, "it says how it stands"
    if row["already"]:
        return ChangeOutcome.ALREADY
    if not row["room"]:
        return ChangeOutcome.TOO_MANY
    await record(connection, act)
    return ChangeOutcome.DONE


async def _do(
    connection: Connection, query: str, values: tuple[Any, ...], act: Act
) -> ChangeOutcome:
    if await connection.fetchrow(QUERIES[query], *values) is None:
        return ChangeOutcome.ABSENT
    await record(connection, act)
    return ChangeOutcome.DONE


async def _mine(connection: Connection, organisation: UUID, act: Act) -> Any:
    """What the caller is in it, the organisation being locked; None: nothing."""
    values = (organisation, act.actor_id)
    return await connection.fetchrow(QUERIES["organisation_lock"], *values)


async def _owner(connection: Connection, organisation: UUID, act: Act) -> ChangeOutcome | None:
    """Why the caller may not change it."""
    mine = await _mine(connection, organisation, act)
    if mine is None:
        return ChangeOutcome.ABSENT
    return None if mine["role"] == OWNER and mine["joined"] else ChangeOutcome.NOT_OWNER


async def _others(connection: Connection, organisation: UUID, user: UUID) -> int:
    row = await connection.fetchrow(QUERIES["organisation_owners"], organisation, user)
    assert row is not None, "count answers one row"
    return int(row["count"])
