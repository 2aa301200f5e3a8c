"""The outside world, as actors see it: each port has a real implementation and an in-memory twin.

Real ones live in ``supervisors/engines/`` and ``sql/``, twins in ``tests/twins/``; one conformance
suite per port runs on both.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from attrs import field, frozen

from rendertrust.checkpoint import Checkpoint
from rendertrust.note import Verifier
from sql.earnings import Claimable, Ripe
from sql.fsck import Finding
from sql.work import Lease, LeaseId, NodeRow, OpenUnit, StandingRow

if TYPE_CHECKING:
    from sql.books import BooksTransaction
    from sql.log import LogTransaction, Look


class Clock(Protocol):
    """Time."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean something."""
        ...


class Random(Protocol):
    """Chance: unpredictable in production, seeded in the simulation."""

    def uuid(self) -> UUID: ...

    def token(self, size: int) -> bytes:
        """``size`` bytes that nobody can guess."""
        ...

    def uniform(self, low: float, high: float) -> float: ...


class Store(Protocol):
    """The database, as actors use it.

    Every method raises ``sql.database.Unavailable`` within two seconds while it is away.
    """

    def transaction(self) -> "AbstractAsyncContextManager[BooksTransaction]":
        """The Ledger's way to the books: lock, decide, write, commit at exit.

        Raises Unavailable (whether it was committed is unknown), Conflict (nothing happened, do
        all of it again) and Refused (nothing happened: the data breaks a rule of the schema).
        """
        ...

    async def renew_leases(self, leases: Sequence[Lease]) -> frozenset[LeaseId]:
        """Renew those whose attempt and node are the unit's; answers which."""
        ...

    async def audit(self, *, whole: bool = True) -> Sequence[Finding]:
        """Look for violations of the books' invariants, over one snapshot; may take minutes.

        Of the log the next so many leaves are gone over; the first ones again with ``whole``.
        """
        ...

    async def open_units(self) -> Sequence[OpenUnit]:
        """Every unit that has not ended, oldest job first."""
        ...

    async def open_units_of(self, node: UUID) -> Sequence[OpenUnit]:
        """The units that are DISPATCHED or RUNNING on a node."""
        ...

    async def lost_units(self, now: datetime, unsent_since: datetime) -> Sequence[OpenUnit]:
        """Whose lease ran out by ``now``; those assigned before ``unsent_since`` and never sent."""
        ...

    async def waiting_units(self, submitted_before: datetime) -> Sequence[OpenUnit]:
        """Those in the queue whose job was submitted before then, 1,000 at most."""
        ...

    async def healthy_nodes(self) -> Sequence[NodeRow]:
        """The nodes that may be given work."""
        ...

    async def standings(self, since: datetime) -> Sequence[StandingRow]:
        """The nodes about which people said something since then, the oldest word first.

        Times are the database's own; ask again from somewhat before the last one that was seen.
        """
        ...

    async def node_seen(self, node: UUID, at: datetime) -> None:
        """A sign of life over the socket: the node is HEALTHY."""
        ...

    async def silence(self, now: datetime) -> Sequence[UUID]:
        """HEALTHY → UNHEALTHY after 90 s, → OFFLINE after 300 s; answers who is healthy no more."""
        ...

    async def ripe_earnings(self, now: datetime, limit: int) -> Sequence[Ripe]:
        """Pending shares whose window is over by ``now`` and in no open dispute, oldest first."""
        ...

    async def claimable_earnings(self, limit: int) -> Sequence[Claimable]:
        """Shares in suspense whose node has an owner by now."""
        ...


class LogStore(Protocol):
    """The log in the database, as the Sequencer uses it.

    Raises ``sql.database.Unavailable`` while it is away, and Conflict where another was faster.
    """

    def log(self) -> "AbstractAsyncContextManager[LogTransaction]":
        """Lock the head, append, commit at exit. Unavailable: whether it was is unknown."""
        ...

    async def log_look(self, limit: int) -> "Look | None":
        """What is there, without a lock, with ``limit`` waiting entries. None: no log yet."""
        ...


@frozen
class NodeToken:
    """What a node shows from its next connection on, and for how many seconds it is good."""

    text: str = field(repr=False)
    seconds: float


class NodeTokens(Protocol):
    """Who signs the tokens of nodes."""

    def issue(self, node: UUID) -> NodeToken:
        """A fresh token for a node whose socket is open: it was let in by one."""
        ...


class CheckpointSigner(Protocol):
    """Who signs checkpoints: with the log's key, and with the one before it during a rotation."""

    def verifiers(self, origin: str) -> Sequence[Verifier]:
        """The public halves of the keys of now; the first is the one that stays."""
        ...

    def sign(self, made: Checkpoint) -> str:
        """The note, with a signature by each of them."""
        ...


class ObjectsUnavailable(Exception):
    """The object store is away, too slow, or refuses our key: expected, and to be tried again."""


class ObjectMissing(LookupError):
    """There is no object under this key."""


class ObjectTooLarge(ValueError):
    """The object is larger than the caller is ready to hold in memory."""


class PartsRefused(ValueError):
    """The store does not make an object of these parts: one of them is other than was said."""


@frozen
class PresignedPut:
    """Where and how to put one object: every one of ``headers`` is signed and must be sent."""

    url: str = field(repr=False)
    headers: Mapping[str, str]


@frozen
class ObjectInfo:
    """What the store knows of an object unread; ``sha256`` where it was put with one.

    ``parts_sha256``, where it came in parts: of their SHA-256s, one after the other.
    """

    key: str
    size: int
    sha256: bytes | None
    parts_sha256: bytes | None = None


@frozen
class Part:
    """A part that has arrived, under the tag that the store gave it.

    ``sha256`` is what its sender says of it; the store held the body against it.
    """

    number: int  # from 1
    size: int
    tag: str
    sha256: bytes | None = None


class Objects(Protocol):
    """The object store: one bucket. Methods raise ObjectsUnavailable while it is away."""

    async def presign_get(
        self,
        key: str,
        *,
        within: int = 3600,
        filename: str | None = None,
        bucket: str | None = None,
        base: str | None = None,
    ) -> str:
        """A URL that reads ``key`` for ``within`` seconds (at most 86,400); the store is not asked.

        With ``filename`` a browser saves it under that name. ``bucket`` is another one than ours,
        where a node of the plain API put its result. ``base`` is scheme and host under which the
        caller reaches us, and the store through us; None: those of the settings.
        """
        ...

    async def presign_put(
        self,
        key: str,
        *,
        within: int = 3600,
        size: int | None = None,
        sha256: bytes | None = None,
        once: bool = True,
        base: str | None = None,
    ) -> PresignedPut:
        """Leave to put ``key`` for ``within`` seconds; the store is not asked.

        ``once``: the second put is refused with 412. ``size`` and ``sha256``: another body is
        refused with 403 or 400.
        """
        ...

    async def head(self, key: str) -> ObjectInfo | None:
        """What is under ``key``; None where nothing is."""
        ...

    async def put(self, key: str, data: bytes) -> None:
        """Store ``data`` with its SHA-256, in the place of what was there."""
        ...

    async def get(self, key: str, *, at_most: int = 64 * 1024 * 1024) -> bytes:
        """The object's bytes. Raises ObjectMissing, and ObjectTooLarge above ``at_most`` bytes."""
        ...

    async def delete(self, key: str) -> None:
        """Remove it; nothing happens where nothing is."""
        ...

    async def begin_multipart(self, key: str) -> str:
        """Begin an object that comes in parts; the store's name of the undertaking.

        Each part but the last has 5 MiB at least. Nothing is under ``key`` until it is completed.
        """
        ...

    async def presign_part(
        self,
        key: str,
        multipart: str,
        number: int,
        *,
        size: int,
        sha256: bytes,
        within: int = 3600,
        base: str | None = None,
    ) -> PresignedPut:
        """Leave to put one part, also in the place of an earlier one; the store is not asked."""
        ...

    async def parts_of(self, key: str, multipart: str) -> Sequence[Part]:
        """What has arrived, by number. ObjectMissing: completed, aborted, or never begun."""
        ...

    async def complete_multipart(self, key: str, multipart: str, parts: Sequence[Part]) -> None:
        """Make the object of these parts, in the place of what was there; each has a ``sha256``.

        Raises ObjectMissing as ``parts_of``; PartsRefused: one is other than is said here, or too
        small.
        """
        ...

    async def abort_multipart(self, key: str, multipart: str) -> None:
        """Forget its parts; nothing happens where there is no such undertaking."""
        ...

    async def check(self) -> None:
        """Raise ObjectsUnavailable unless a signed request works now, within 2 s."""
        ...


class Subscription(Protocol):
    """Until it is closed, hints of one topic come in."""

    def close(self) -> None: ...


class Bus(Protocol):
    """Hints between gateways, each delivered at most once: what is lost, a poll finds too."""

    async def publish(self, topic: str, payload: bytes) -> None:
        """Send a hint. Never raises, never waits; dropped and counted where it cannot be sent."""
        ...

    def subscribe(self, topic: str, receive: Callable[[bytes], None]) -> Subscription:
        """Call ``receive`` for every hint of the topic, after a reconnect too; it must not block.

        Hints that were published before the subscription reached the other side are not seen.
        """
        ...
