"""Rows of organisations, of their members and nodes, and of whom somebody trusts.

Every change is written down, in the transaction that makes it.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Any, Final
from uuid import UUID

import attrs

from sql.audit import Act, record
from sql.database import Connection, Database
from sql.loader import QUERIES

OF_USER_MOST: Final = 20
MEMBERS_MOST: Final = 500
TRUSTED_MOST: Final = 500
OWNER: Final = "owner"


class Said(Enum):
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
    user_id: UUID
    email: str
    name: str
    since: datetime


class Organisations:
    """Each raises ``sql.database.Unavailable``; whether it happened is unknown then.

    ``act`` is of the caller, who is its ``actor_id``.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- read

    async def of_user(self, user: UUID) -> Sequence[Organisation]:
        """Those that he is a member of, or invited to."""
        rows = await self._database.all("organisations_of_user", user)
        return [Organisation(**row) for row in rows]

    async def members(self, organisation: UUID) -> Sequence[Member]:
        """With those who are invited."""
        rows = await self._database.all("organisation_member_list", organisation)
        return [Member(**row) for row in rows]

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

    async def invite(self, organisation: UUID, user: UUID, role: str, act: Act) -> Said:
        """Ask somebody in; he is a member once he accepted."""
        values = (organisation, user, role, act.actor_id, act.at, MEMBERS_MOST)
        return await self._as_owner(organisation, "organisation_invite", values, act, Said.ALREADY)

    async def set_role(self, organisation: UUID, user: UUID, role: str, act: Act) -> Said:
        """Of a member; the last owner stays one."""
        async with self._database.transaction() as connection:
            if (refused := await _owner(connection, organisation, act)) is not None:
                return refused
            if role != OWNER and await _others(connection, organisation, user) == 0:
                return Said.LAST_OWNER
            return await _do(connection, "organisation_role", (organisation, user, role), act)

    async def end(self, organisation: UUID, act: Act) -> Said:
        """It is no more."""
        return await self._as_owner(organisation, "organisation_end", (organisation,), act)

    async def _as_owner(
        self,
        organisation: UUID,
        query: str,
        values: tuple[Any, ...],
        act: Act,
        otherwise: Said = Said.ABSENT,
    ) -> Said:
        async with self._database.transaction() as connection:
            refused = await _owner(connection, organisation, act)
            return refused or await _do(connection, query, values, act, otherwise)

    # -- as a member

    async def join(self, organisation: UUID, act: Act) -> Said:
        """Accept an invitation."""
        async with self._database.transaction() as connection:
            values = (organisation, act.actor_id, act.at)
            return await _do(connection, "organisation_join", values, act)

    async def leave(self, organisation: UUID, user: UUID, act: Act) -> Said:
        """Out with a member, or an invitation: by himself, or by an owner; and his nodes too."""
        async with self._database.transaction() as connection:
            mine = await _mine(connection, organisation, act)
            if mine is None:
                return Said.ABSENT
            if user != act.actor_id and (mine["role"] != OWNER or not mine["joined"]):
                return Said.NOT_OWNER
            if await _others(connection, organisation, user) == 0:
                return Said.LAST_OWNER
            await connection.execute(QUERIES["organisation_take_back"], organisation, user)
            return await _do(connection, "organisation_leave", (organisation, user), act)

    async def lend(self, organisation: UUID, node: UUID, act: Act) -> Said:
        """A node of one's own; the organisation's members may use it for nothing."""
        async with self._database.transaction() as connection:
            mine = await _mine(connection, organisation, act)
            if mine is None or not mine["joined"]:
                return Said.ABSENT
            values = (organisation, node, act.actor_id, act.at)
            return await _do(connection, "organisation_lend", values, act)

    async def unlend(self, organisation: UUID, node: UUID, act: Act) -> Said:
        """By the node's owner, or by one of the organisation's."""
        async with self._database.transaction() as connection:
            mine = await _mine(connection, organisation, act)
            if mine is None or not mine["joined"]:
                return Said.ABSENT
            by = None if mine["role"] == OWNER else act.actor_id
            return await _do(connection, "organisation_unlend", (organisation, node, by), act)

    # -- trust

    async def trusted(self, user: UUID) -> Sequence[Trusted]:
        """Whom he trusts."""
        return [Trusted(**row) for row in await self._database.all("trust_list", user)]

    async def trust(self, user: UUID, act: Act) -> Said:
        """Trust somebody."""
        async with self._database.transaction() as connection:
            values = (act.actor_id, user, act.at, TRUSTED_MOST)
            return await _do(connection, "trust_add", values, act, Said.ALREADY)

    async def distrust(self, user: UUID, act: Act) -> Said:
        """Trust him no more."""
        async with self._database.transaction() as connection:
            return await _do(connection, "trust_end", (act.actor_id, user), act)


async def _do(
    connection: Connection,
    query: str,
    values: tuple[Any, ...],
    act: Act,
    otherwise: Said = Said.ABSENT,
) -> Said:
    if await connection.fetchrow(QUERIES[query], *values) is None:
        return otherwise
    await record(connection, act)
    return Said.DONE


async def _mine(connection: Connection, organisation: UUID, act: Act) -> Any:
    """What the caller is in it, the organisation being locked; None: nothing."""
    values = (organisation, act.actor_id)
    return await connection.fetchrow(QUERIES["organisation_lock"], *values)


async def _owner(connection: Connection, organisation: UUID, act: Act) -> Said | None:
    """Why the caller may not change it."""
    mine = await _mine(connection, organisation, act)
    if mine is None:
        return Said.ABSENT
    return None if mine["role"] == OWNER and mine["joined"] else Said.NOT_OWNER


async def _others(connection: Connection, organisation: UUID, user: UUID) -> int:
    row = await connection.fetchrow(QUERIES["organisation_owners"], organisation, user)
    assert row is not None, "count answers one row"
    return int(row["count"])
