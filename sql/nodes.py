"""Nodes, their standings, challenges for their keys, and lists for the console."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import asyncpg
import attrs

from rendertrust.frame_range import ranges_of
from rendertrust.job_status import UnitStatus
from sql.account_names import earning_account
from sql.audit_log import Act
from sql.audit_log import record as note
from sql.database import Conflict, Connection, Database, Table, Unavailable
from sql.page import Page
from sql.query_loader import QUERIES
from sql.reputation_rules import HISTORY, Record, begins_anew, record

ACTIVE, DRAINING, QUARANTINED, REVOKED = "ACTIVE", "DRAINING", "QUARANTINED", "REVOKED"
SORTED_MOST: Final = 5_000  # only so many newest nodes are sorted; a filter finds older ones
ACTIVITY_MOST: Final = 2_000  # units of a node that are read to say what it did lately
SIGNS_SECONDS: Final = 1.0  # between two writes of signs of life
VERIFIERS: Final = "VERIFIERS"
STATUSES: Final = ("HEALTHY", "UNHEALTHY", "OFFLINE", "REGISTERED")
STANDINGS: Final = (ACTIVE, DRAINING, QUARANTINED, REVOKED)


@attrs.frozen
class StandingRecord:
    """A node's standing with its reason.

    Of two records the record with the greater version counts.
    """

    name: str = ACTIVE
    version: int = 0
    reason: str = ""

    def may_work_for(self, user: UUID, owner: UUID | None) -> bool:
        """Return True if a node of ``owner`` may begin a unit of this user."""
        return self.name == ACTIVE or (self.name == QUARANTINED and user == owner)


NOTHING_SAID: Final = StandingRecord()


def standing_of(row: Any) -> StandingRecord:
    """Read a standing from a row of nodes."""
    return StandingRecord(row["standing"], row["standing_version"], row["standing_reason"])


@attrs.frozen
class StandingRow:
    """A node whose standing changed, its current standing, and when it changed."""

    node: UUID
    owner: UUID | None
    standing: StandingRecord
    at: datetime


@attrs.frozen
class NodeRow:
    id: UUID
    owner: UUID | None
    capabilities: tuple[str, ...]
    load: float
    verified: bool
    silent_seconds: float | None = None  # since the last sign of life; None if there was none
    epoch: int = 0  # number of the node's newest session


@attrs.frozen
class SessionStart:
    """A new session of a node.

    ``epoch``: the number of the session, counted over all gateways. ``at``: the start of the
    session, by the database's clock. ``failures``: the node's recent failures.
    """

    epoch: int
    at: datetime
    failures: int = 0


@attrs.frozen
class NodeIdentity:
    """A node as the relay, its session and the heartbeat see it.

    ``verified``: the node proved its key; only then its owner earns. ``base``: scheme and host at
    which the node reached the gateway; if None, the address in the settings counts.
    """

    id: UUID
    owner: UUID | None
    capabilities: tuple[str, ...]
    verified: bool
    base: str | None = None
    standing: StandingRecord = NOTHING_SAID
    token_expires: datetime | None = None  # expiry of the token with which the node connected
    key: bytes | None = None  # the public key for the signatures of its work, where it was read
    status: str = "REGISTERED"

    @property
    def account(self) -> str:
        """The account that earns from the node's work; suspense if the node has no owner."""
        return earning_account(self.owner)


@attrs.frozen
class NodeShown:
    """A node as its owner and admins see it. ``standing_by``: who changed its standing last.

    ``ends_by_results``: valid results for its owner end its quarantine; only ``shown`` reads it.
    """

    id: UUID
    owner_id: UUID | None
    name: str
    capabilities: tuple[str, ...] = attrs.field(converter=tuple)
    metadata: Mapping[str, Any]
    status: str
    standing: StandingRecord
    standing_reason: str
    standing_at: datetime | None
    standing_by: str | None
    current_load: float
    verified_at: datetime | None
    seen_at: datetime | None
    created_at: datetime
    failing_since: datetime | None
    failing_reason: str
    ends_by_results: bool = False


@attrs.frozen
class CheckShown:
    """The finding about one attempt of a node, as its owner sees it."""

    job_id: UUID
    unit: int
    attempt: int
    device_class: str
    verdict: str | None
    said: str
    strike: bool
    opened_at: datetime
    decided_at: datetime | None
    reason: str | None


@attrs.frozen
class StandingChange:
    """A change of a node's standing; ``version``: the version of the standing that the change
    replaces. ``by``: who changes it.
    """

    node: UUID
    version: int
    standing: str
    reason: str
    by: Literal["OWNER", "ADMIN", "GATEWAY"] = "GATEWAY"

    @property
    def is_release(self) -> bool:
        """True if the change ends a quarantine."""
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
    """A node at registration; ``public_key``: the 32 bytes of an Ed25519 key."""

    id: UUID
    name: str
    public_key: bytes
    capabilities: Sequence[str]
    metadata: Mapping[str, Any]


@attrs.frozen
class NewChallenge:
    """A stored challenge; ``owner`` will own the node once the node has answered the challenge.

    ``name``: a known node's name from then on; None: as before.
    """

    challenge: bytes
    owner: UUID | None
    expires_at: datetime
    name: str | None = None


@attrs.frozen
class NodeVersion:
    """A version, as nodes name it, and the number of these nodes."""

    version: str
    nodes: int


class Nodes(Table):
    async def versions(self) -> Sequence[NodeVersion]:
        """Return the versions of nodes in use, the most frequent first."""
        return await self._database.rows(NodeVersion, "node_versions")

    async def insert(self, node: NewNode, challenge: NewChallenge) -> bool:
        """Insert a REGISTERED node with its challenge; False if its owner no longer exists."""
        return await self._owned(
            "node_insert",
            *(node.id, node.name, node.public_key, list(node.capabilities)),
            dict(node.metadata),
            *(challenge.challenge, challenge.owner, challenge.expires_at),
        )

    async def embed(self, node: NewNode) -> None:
        """Insert or keep the row of an embedded verifier."""
        await self._database.execute(
            "node_embed", node.id, node.name, node.public_key, list(node.capabilities)
        )

    async def by_verified_key(self, public_key: bytes) -> UUID | None:
        """Return the node that has proved this key."""
        row = await self._database.one("node_by_verified_key", public_key)
        return None if row is None else row["id"]

    async def insert_challenge(self, node: UUID, challenge: NewChallenge) -> bool:
        """Insert a further challenge for a known node.

        False if the node or its owner no longer exists.
        """
        asked = challenge.challenge, node, challenge.owner, challenge.expires_at, challenge.name
        return await self._owned("challenge_insert", *asked)

    async def _owned(self, name: str, *args: Any) -> bool:
        try:
            await self._database.execute(name, *args)
        except asyncpg.ForeignKeyViolationError:
            return False
        return True

    async def challenge(self, challenge: bytes, node: UUID) -> NodeChallenge | None:
        """Return the data for checking a proof; None if the node has no such challenge."""
        return await self._database.row(NodeChallenge, "node_challenge", challenge, node)

    async def verify(self, challenge: bytes, node: UUID, now: datetime) -> NodeIdentity | None:
        """Use a challenge that the node has answered, and set the node's key and owner.

        None if the challenge was used or has expired, if its owner is not active, if another node
        proved the key first, or if the node is revoked.
        """
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
        """Record a sign of life; None if there is no such node, or it is revoked.

        The node becomes HEALTHY, unless it must prove its key first.
        """
        row = await self._database.one("node_heartbeat", node, load, dict(metadata), require_proof)
        return None if row is None else _identity(row)

    async def by_id(self, node: UUID) -> NodeIdentity | None:
        row = await self._database.one("node_by_id", node)
        return None if row is None else _identity(row)

    async def sweep(self, before: datetime) -> None:
        """Delete up to 100 challenges that expired before ``before``."""
        await self._database.execute("challenges_sweep", before)

    async def forget_unproved(self, before: datetime, most: int) -> int:
        """Delete up to ``most`` registrations whose key was never proved, and that were made and
        gave their last sign of life before ``before``.

        Return their number.
        """
        return len(await self._database.all("nodes_forget", before, most))

    # ── for the console and the API ──────────────────────────────────────────────────────────────

    async def shown(self, node: UUID) -> NodeShown | None:
        row = await self._database.one("node_shown", node)
        return None if row is None else _shown(row)

    async def page(self, owner: UUID | None, span: Page) -> Sequence[NodeShown]:
        """Return a page of one owner's nodes, or of all nodes, newest first."""
        bounds = (span.limit, span.offset, span.after)
        if owner is None:
            rows = await self._database.all("nodes_of_all", *bounds)
        else:
            rows = await self._database.all("nodes_of_owner", *bounds, owner)
        return [_shown(row) for row in rows]

    async def count(self, owner: UUID | None) -> int:
        """Count the nodes of one owner, or all nodes."""
        if owner is None:
            return await self._database.number("nodes_of_all_count")
        return await self._database.number("nodes_of_owner_count", owner)

    async def records(self, nodes: Sequence[UUID]) -> Sequence[Record]:
        """Return the records of the nodes' work, one per device class."""
        rows = await self._database.all("checks_records", list(nodes), HISTORY)
        return [record(row) for row in rows]

    async def checks(self, node: UUID, limit: int) -> list[CheckShown]:
        """Return findings about the node's work and its reports on scenes, newest first."""
        return await self._database.rows(CheckShown, "checks_page", node, limit)

    async def stand(self, word: StandingChange, act: Act | None) -> NodeShown | None:
        """Change a standing, with an audit record; None if the standing has changed in the
        meantime.
        """
        said = (word.node, word.version, word.standing, word.reason)
        async with self._database.transaction() as connection:
            anew = word.is_release and await _begins_anew(connection, word.node)
            row = await connection.fetchrow(QUERIES["node_stand"], *said, anew, word.by)
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
    return NodeIdentity(
        id=row["id"],
        owner=row["owner_id"],
        capabilities=tuple(row["capabilities"]),
        verified=row["verified_at"] is not None,
        standing=standing_of(row),
        key=row.get("public_key"),
        status=row["status"],
    )


def _shown(row: Any) -> NodeShown:
    members: dict[str, Any] = {**row, "standing": standing_of(row)}
    del members["standing_version"]
    return NodeShown(**members)


@attrs.frozen
class ListedNode:
    """A row of the console's list of nodes.

    ``job_id``, ``unit``, ``unit_state``, ``job_type`` and ``assigned_at`` describe one of the
    node's ``units`` units: one that is only being verified if the node has no other.
    """

    id: UUID
    owner_id: UUID | None
    email: str | None
    name: str
    capabilities: tuple[str, ...] = attrs.field(converter=tuple)
    metadata: Mapping[str, Any]
    status: str
    standing: str
    standing_by: str | None
    standing_reason: str
    current_load: float
    verified_at: datetime | None
    seen_at: datetime | None
    created_at: datetime
    failing_since: datetime | None
    job_id: UUID | None
    unit: int | None
    job_type: str | None
    unit_state: UnitStatus | None
    assigned_at: datetime | None
    units: int
    earned: int

    @property
    def is_only_verified(self) -> bool:
        """True if all that is open of the node's units are verdicts."""
        return self.unit_state == "VERIFYING"


@attrs.frozen
class NodeWork:
    """A unit that a node runs or has queued.

    ``grid``: the columns and rows of tiles, if the job's frames are cut.
    """

    job_id: UUID
    unit: int
    attempt: int
    state: UnitStatus
    job_type: str
    assigned_at: datetime
    started_at: datetime | None
    lease_until: datetime | None
    frames: str | None = None
    tile: int | None = None
    grid: Sequence[int] | None = None


@attrs.frozen
class NodeShare:
    """Earning of a node by one unit; ``grid`` as in ``NodeWork``.

    ``entry_id``: the entry that pays the earning; ``decision`` as in ``sql.operator_accounts``.
    ``dispute``: the unit's dispute, if it has a comparison.
    """

    id: UUID
    job_id: UUID
    unit: int
    job_type: str
    amount: int
    state: str
    earned_at: datetime
    has_receipt: bool
    entry_id: int | None
    frames: str | None = None
    tile: int | None = None
    grid: Sequence[int] | None = None
    decision: str | None = None
    dispute: UUID | None = None


@attrs.frozen
class NodeEarnings:
    """The sum in units of money, and the number of units."""

    amount: int = 0
    units: int = 0


@attrs.frozen
class NodeActivity:
    """A node's work of the last day. ``seconds``: how long it was at work.

    ``singles`` units were one frame each; ``spans`` are the frames of the others. ``job_id``,
    ``unit``, ``attempt``, ``frame`` and ``made_at`` name the newest picture that the node rendered,
    if any.
    """

    node: UUID
    singles: int
    spans: Sequence[str]
    seconds: float
    job_id: UUID | None
    unit: int | None
    attempt: int | None
    frame: int | None
    made_at: datetime | None

    @property
    def frames(self) -> int:
        """The number of frames that the node finished."""
        return self.singles + sum(len(each) for span in self.spans for each in ranges_of(span))

    @property
    def is_cut(self) -> bool:
        """True if the node finished more units than were read."""
        return self.singles + len(self.spans) >= ACTIVITY_MOST


@attrs.frozen
class NodeFilter:
    """Filter for nodes.

    ``text``: part of a name, capability or e-mail, or the beginning of an id; ``word``: a status or
    standing. ``heard``: connected nodes in the order for the sort key ``pong``; other nodes come
    last.
    """

    text: str | None = None
    word: str | None = None
    sort: str = "-created"
    heard: Sequence[UUID] = ()


class NodeViews(Table):
    """Queries of nodes for the console.

    Methods raise ``sql.database.Unavailable`` while the database is down. If ``owner`` is None, the
    nodes of all users are read.
    """

    async def page(
        self, owner: UUID | None, search: NodeFilter, since: datetime, limit: int, offset: int
    ) -> Sequence[ListedNode]:
        """Return a page; earnings count from ``since`` on."""
        most = offset + limit if search.sort == "-created" else SORTED_MOST
        wanted = (owner, search.text, search.word, most, search.sort)
        return await self._database.rows(
            ListedNode, "node_view_page", *wanted, since, limit, offset, search.heard
        )

    async def counts(self, owner: UUID | None, text: str | None) -> Mapping[str, int]:
        """Count matching nodes by status and by standing; the key '' counts all of them.

        The keys ``VERIFIERS`` and ``VERIFIERS_HEALTHY``, ``VERIFIERS_OFFLINE`` and so on count the
        embedded verifiers among them.
        """
        verifiers = (VERIFIERS, *(f"{VERIFIERS}_{status}" for status in STATUSES))
        found: dict[str, int] = dict.fromkeys(("", *STATUSES, *STANDINGS, *verifiers), 0)
        for row in await self._database.all("node_view_counts", owner, text):
            names = ["", row["status"], row["standing"]]
            if row["is_embedded"]:
                names += [VERIFIERS, f"{VERIFIERS}_{row['status']}"]
            for name in names:
                found[name] += row["count"]
        return found

    async def work(self, node: UUID, limit: int) -> Sequence[NodeWork]:
        """Return a node's running units, then its queued units."""
        return await self._database.rows(NodeWork, "node_view_units", node, limit)

    async def earned(self, owner: UUID, node: UUID, since: datetime) -> NodeEarnings:
        """Return what a node has earned for its owner since ``since``."""
        return (
            await self._database.row(NodeEarnings, "node_view_earned", owner, node, since)
            or NodeEarnings()
        )

    async def shares(
        self, owner: UUID, node: UUID, since: datetime, limit: int
    ) -> Sequence[NodeShare]:
        """Return what a node has earned for its owner since ``since``, unit by unit, newest
        first.
        """
        return await self._database.rows(NodeShare, "node_view_earnings", owner, node, since, limit)

    async def activity(self, nodes: Sequence[UUID], since: datetime) -> Mapping[UUID, NodeActivity]:
        """Return what nodes did since ``since``, and the newest picture of each."""
        rows = await self._database.rows(
            NodeActivity, "node_view_activity", list(nodes), since, ACTIVITY_MOST
        )
        return {row.node: row for row in rows}

    async def email(self, user: UUID | None) -> str | None:
        """Return a user's e-mail address."""
        row = None if user is None else await self._database.one("node_view_owner", user)
        return None if row is None else str(row["email"])


class SignsOfLife:
    """Signs of life of nodes: written at once if there was none for a second, otherwise with
    others.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._nodes: set[UUID] = set()  # those whose signs are not written yet
        self._task: asyncio.Task[None] | None = None

    async def note(self, node: UUID) -> None:
        """Record that a node is alive.

        Raises Unavailable if that could not be written; it is written with the next sign.
        """
        self._nodes.add(node)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())
            await self._write()

    async def _work(self) -> None:
        """Write the signs of each second, until there are none or the database is down."""
        await asyncio.sleep(SIGNS_SECONDS)
        while self._nodes:
            try:
                await self._write()
            except Unavailable:
                return  # the next sign begins again
            await asyncio.sleep(SIGNS_SECONDS)

    async def _write(self) -> None:
        nodes, self._nodes = self._nodes, set[UUID]()
        try:
            await self._database.execute("nodes_seen", sorted(nodes))
        except (Unavailable, Conflict) as error:
            self._nodes |= nodes
            if isinstance(error, Unavailable):
                raise
