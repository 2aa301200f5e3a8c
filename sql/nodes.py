"""Rows of nodes and of the challenges that prove them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import attrs

from sql.audit import Act
from sql.audit import record as note
from sql.database import Connection, Database
from sql.page import Page
from sql.query_loader import QUERIES
from sql.reputation import HISTORY, Record, begins_anew, record
from sql.scheduler_rows import QUARANTINED, REVOKED, StandingRecord, standing_of


@attrs.frozen
class NodeIdentity:
    """A node as the relay and the heartbeat see it."""

    id: UUID
    owner_id: UUID | None
    capabilities: tuple[str, ...] = attrs.field(converter=tuple)
    status: str
    verified_at: datetime | None
    standing: StandingRecord
    public_key: bytes | None = None  # where it is asked for


@attrs.frozen
class NodeShown:
    """A node as its owner and admins see it."""

    id: UUID
    owner_id: UUID | None
    name: str
    capabilities: tuple[str, ...] = attrs.field(converter=tuple)
    metadata: Mapping[str, Any]
    status: str
    standing: StandingRecord
    standing_reason: str
    standing_at: datetime | None
    current_load: float
    verified_at: datetime | None
    seen_at: datetime | None
    created_at: datetime


@attrs.frozen
class CheckShown:
    """What was found of one attempt of a node's, as its owner sees it."""

    job_id: UUID
    unit: int
    attempt: int
    device_class: str
    verdict: str | None
    said: str
    strike: bool
    opened_at: datetime
    decided_at: datetime | None


@attrs.frozen
class StandingChange:
    """What ``by`` says about a node, and why; ``version`` is the last word that he knows of."""

    node: UUID
    version: int
    standing: str
    reason: str
    by: UUID

    @property
    def is_release(self) -> bool:
        """Whether it ends a quarantine, if there is one."""
        return self.standing not in (QUARANTINED, REVOKED)


@attrs.frozen
class NodeChallenge:
    """A challenge, and the key that must answer it."""

    owner_id: UUID | None
    expires_at: datetime
    used_at: datetime | None
    public_key: bytes
    standing: str


@attrs.frozen
class NewNode:
    """A node as it is registered; ``public_key`` are the 32 bytes of an Ed25519 key."""

    id: UUID
    name: str
    public_key: bytes
    capabilities: Sequence[str]
    metadata: Mapping[str, Any]


@attrs.frozen
class NewChallenge:
    """A challenge as it is kept; ``owner`` owns the node once it is answered."""

    challenge: bytes
    owner: UUID | None
    expires_at: datetime


class Nodes:
    """Reads and writes; each raises ``sql.database.Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, node: NewNode, challenge: NewChallenge) -> bool:
        """A node that is REGISTERED, with its challenge; False when its owner is gone."""
        return await self._owned(
            "node_insert",
            *(node.id, node.name, node.public_key, list(node.capabilities)),
            dict(node.metadata),
            *(challenge.challenge, challenge.owner, challenge.expires_at),
        )

    async def embed(self, node: NewNode) -> None:
        """Make, or keep, the row of a gateway's own verifier."""
        await self._database.execute(
            "node_embed", node.id, node.name, node.public_key, list(node.capabilities)
        )

    async def by_verified_key(self, public_key: bytes) -> UUID | None:
        """The node that proved this key before."""
        row = await self._database.one("node_by_verified_key", public_key)
        return None if row is None else row["id"]

    async def insert_challenge(self, node: UUID, challenge: NewChallenge) -> bool:
        """A further challenge for a known node; False when it or its owner is gone."""
        return await self._owned(
            "challenge_insert", challenge.challenge, node, challenge.owner, challenge.expires_at
        )

    async def _owned(self, name: str, *args: Any) -> bool:
        try:
            await self._database.execute(name, *args)
        except asyncpg.ForeignKeyViolationError:
            return False
        return True

    async def challenge(self, challenge: bytes, node: UUID) -> NodeChallenge | None:
        """What a proof is checked against; None when this node was never given it."""
        row = await self._database.one("node_challenge", challenge, node)
        return None if row is None else NodeChallenge(**row)

    async def verify(self, challenge: bytes, node: UUID, now: datetime) -> NodeIdentity | None:
        """Bind key and owner, once; None when another was faster, with challenge or key."""
        try:
            row = await self._database.one("node_verify", challenge, node, now)
        except asyncpg.UniqueViolationError:
            return None
        return None if row is None else _identity(row)

    async def heartbeat(
        self,
        node: UUID,
        load: float,
        metadata: Mapping[str, Any],
        *,
        require_proof: bool,
    ) -> NodeIdentity | None:
        """A sign of life: HEALTHY, unless a proof is required and missing; None: no such node."""
        row = await self._database.one("node_heartbeat", node, load, dict(metadata), require_proof)
        return None if row is None else _identity(row)

    async def by_id(self, node: UUID) -> NodeIdentity | None:
        row = await self._database.one("node_by_id", node)
        return None if row is None else _identity(row)

    async def sweep(self, before: datetime) -> None:
        """Forget challenges that ended before then."""
        await self._database.execute("challenges_sweep", before)

    async def forget_unproved(self, before: datetime, most: int) -> int:
        """Forget registrations from before then that nobody proved; how many, ``most`` at once."""
        return len(await self._database.all("nodes_forget", before, most))

    # ── as people see them ───────────────────────────────────────────────────────────────────────

    async def shown(self, node: UUID) -> NodeShown | None:
        row = await self._database.one("node_shown", node)
        return None if row is None else _shown(row)

    async def page(self, owner: UUID | None, span: Page) -> Sequence[NodeShown]:
        """A page of one owner's nodes, or of everybody's, newest first."""
        bounds = (span.limit, span.offset, span.after)
        if owner is None:
            rows = await self._database.all("nodes_of_all", *bounds)
        else:
            rows = await self._database.all("nodes_of_owner", *bounds, owner)
        return [_shown(row) for row in rows]

    async def count(self, owner: UUID | None) -> int:
        """How many nodes there are, of one owner or of everybody."""
        if owner is None:
            row = await self._database.one("nodes_of_all_count")
        else:
            row = await self._database.one("nodes_of_owner_count", owner)
        return 0 if row is None else int(row["count"])

    async def records(self, nodes: Sequence[UUID]) -> Sequence[Record]:
        """What was found of their work, of each class of machine a record."""
        rows = await self._database.all("checks_records", list(nodes), HISTORY)
        return [record(row) for row in rows]

    async def checks(self, node: UUID, limit: int) -> list[CheckShown]:
        """Return what was found of its work, newest first."""
        rows = await self._database.all("checks_page", node, limit)
        return [CheckShown(**row) for row in rows]

    async def stand(self, word: StandingChange, act: Act | None) -> NodeShown | None:
        """Note what was said, with its record; None when somebody said something meanwhile."""
        said = (word.node, word.version, word.standing, word.reason, word.by)
        async with self._database.transaction() as connection:
            anew = word.is_release and await _begins_anew(connection, word.node)
            row = await connection.fetchrow(QUERIES["node_stand"], *said, anew)
            if row is not None and act is not None:
                await note(connection, act)
        return None if row is None else _shown(row)


async def _begins_anew(connection: Connection, node: UUID) -> bool:
    row = await connection.fetchrow(QUERIES["node_caught"], node)
    if row is None:
        return False
    rows = await connection.fetch(QUERIES["checks_records"], [node], HISTORY)
    return begins_anew(row["caught"], [record(row) for row in rows])


def _identity(row: Any) -> NodeIdentity:
    members = _with_standing(row)
    del members["standing_reason"]
    return NodeIdentity(**members)


def _shown(row: Any) -> NodeShown:
    return NodeShown(**_with_standing(row))


def _with_standing(row: Any) -> dict[str, Any]:
    members = dict(row)
    members["standing"] = standing_of(row)
    del members["standing_version"]
    return members
