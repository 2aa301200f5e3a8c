"""Rows of join codes: with one, a machine becomes the node of the user who made the code."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import attrs

from sql.database import Table
from sql.nodes import NewChallenge, NewNode
from sql.query_loader import QUERIES


@attrs.frozen
class NewJoinCode:
    """A code to insert. ``gateway_key``: the 32 bytes of the key that the code names."""

    id: UUID
    owner_id: UUID
    sha256: bytes = attrs.field(repr=False)
    gateway_key: bytes
    created_at: datetime
    expires_at: datetime


@attrs.frozen
class JoinCodeRow:
    """A code that is open, or was used. ``node_id``: the node that joined with it, with the name
    and the status of the node. ``ready_at``: when the node's key was verified. ``is_anothers``: the
    machine was the node of another user already, and still is.
    """

    id: UUID
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    node_id: UUID | None
    name: str | None
    status: str | None
    ready_at: datetime | None
    is_anothers: bool

    @property
    def is_open(self) -> bool:
        """True if no machine has used the code yet."""
        return self.used_at is None


class JoinCodes(Table):
    async def insert(self, new: NewJoinCode, most: int) -> bool:
        """Insert a code; False if the user has ``most`` open codes."""
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES["user_lock"], new.owner_id)
            row = await connection.fetchrow(
                QUERIES["join_code_insert"],
                *(new.id, new.owner_id, new.sha256, new.gateway_key),
                *(new.created_at, new.expires_at, most),
            )
        return row is not None

    async def page(
        self, owner: UUID, now: datetime, since: datetime, limit: int
    ) -> Sequence[JoinCodeRow]:
        """Return a user's newest codes: the open ones, and those used since ``since``."""
        return await self._database.rows(JoinCodeRow, "join_code_page", owner, now, since, limit)

    async def revoke(self, id_: UUID, owner: UUID) -> bool:
        """Delete an open code of this user; False if there is none."""
        return await self._database.one("join_code_revoke", id_, owner) is not None

    async def is_open(self, sha256: bytes, keys: Sequence[bytes], now: datetime) -> bool:
        """Return whether a code can be used: open, of an active user, for one of these keys."""
        return await self._database.one("join_code_open", sha256, list(keys), now) is not None

    async def redeem(
        self,
        sha256: bytes,
        keys: Sequence[bytes],
        node: NewNode,
        challenge: NewChallenge,
        now: datetime,
    ) -> tuple[UUID, UUID] | None:
        """Use a code once: insert the node, or keep the one that has proved the key, with a
        challenge for the code's owner.

        Return the owner and the node; None if the code is unknown, was used or has expired, names
        none of the gateway's ``keys``, or if its owner is not active.
        """
        async with self._database.transaction() as connection:
            code = await connection.fetchrow(QUERIES["join_code_lock"], sha256, list(keys), now)
            if code is None:
                return None
            known = await connection.fetchrow(QUERIES["node_by_verified_key"], node.public_key)
            asked = (challenge.challenge, code["owner_id"], challenge.expires_at)
            if known is None:
                described = (node.id, node.name, node.public_key, list(node.capabilities))
                await connection.execute(
                    QUERIES["node_insert"], *described, dict(node.metadata), *asked
                )
            else:
                first, owner, expires = asked
                again = first, known["id"], owner, expires, node.name
                await connection.execute(QUERIES["challenge_insert"], *again)
            joined: UUID = node.id if known is None else known["id"]
            await connection.execute(QUERIES["join_code_use"], code["id"], now, joined)
        return code["owner_id"], joined

    async def purge(self, before: datetime) -> None:
        """Delete codes that expired before ``before``."""
        await self._database.execute("join_codes_purge", before)
