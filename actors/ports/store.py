"""The database."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from sql.access import Access
from sql.earnings import ClaimableEarning, MaturedEarning, UncheckedEarning
from sql.fsck import Finding, NotedAudit
from sql.scheduler_rows import (
    JobPlace,
    KnownParams,
    Lease,
    LeaseId,
    NodeRow,
    OpenJob,
    OpenJobTerms,
    OpenUnit,
    SessionStart,
    StandingRow,
    UnitDuration,
    nothing_known,
)

if TYPE_CHECKING:
    from sql.anchors import SentRow, TransactionOutcome
    from sql.audit import Act
    from sql.books import BooksTransaction
    from sql.checks import CheckId, Pending, Place, SeenVerifier, UncutScene
    from sql.fsck_since import AuditIncrement, AuditMark
    from sql.halts import Halt
    from sql.log import LogTransaction, LogView
    from sql.log_keys import LogKeys
    from sql.overruns import Overrun
    from sql.reputation import Record
    from sql.result_multiparts import MultipartName, ResultMultipart
    from sql.scheduler_rows import SceneReport, StandingRecord


class Store(Protocol):
    """The database, as actors use it.

    Every method raises ``sql.database.Unavailable`` within two seconds while it is away.

    The database's clock alone says when a lease has run out, a node is silent or a share is
    payable: gateways' clocks differ.
    """

    async def now(self) -> datetime:
        """The time by the database's clock."""
        ...

    def transaction(self) -> "AbstractAsyncContextManager[BooksTransaction]":
        """The Ledger's way to the books: lock, decide, write, commit at exit.

        Raises AnswerLost (whether it was committed is unknown). Otherwise nothing happened:
        Unavailable, Conflict (do all of it again), Mismatch (the same, where it may be in vain)
        and Refused (the data breaks a rule of the schema).
        """
        ...

    async def renew_leases(self, leases: Sequence[Lease]) -> frozenset[LeaseId]:
        """Renew those whose attempt and node are the unit's, from now on; answers which."""
        ...

    async def audit(self) -> Sequence[Finding]:
        """Look for violations of the books' invariants, in all that there is; may take minutes."""
        ...

    async def note_audit(
        self, at: datetime, whole: datetime | None, findings: Sequence[Finding]
    ) -> None:
        """Keep what was found, for the gateways that do not audit; what was kept before goes."""
        ...

    async def last_audit(self) -> NotedAudit | None:
        """What was kept last."""
        ...

    async def audit_since(self, mark: "AuditMark | None") -> "AuditIncrement":
        """The same in what was written since the mark, and in what is open; a new mark.

        Without a mark nothing is looked at: from there on all will be.
        """
        ...

    async def open_jobs(self, after: JobPlace | None, most: int) -> Sequence[OpenJob]:
        """The next ``most`` jobs that have not ended, by (queued_at, id), after that place."""
        ...

    async def asked_for(self, jobs: Sequence[UUID]) -> Sequence[OpenJobTerms]:
        """What those of these jobs ask for that have not ended."""
        ...

    async def open_units(
        self, jobs: Sequence[UUID], window: int, known: KnownParams = nothing_known
    ) -> Sequence[OpenUnit]:
        """Of each of these jobs what nodes have, and the next ``window`` units that may be given.

        Parameters are read of those jobs alone of which ``known`` has none: they never change.

        Oldest job first, and within it by turn. Of jobs that are paused none may; nor may units
        that are made of others before those are complete.
        """
        ...

    async def ready_units(
        self, jobs: Sequence[UUID], window: int, known: Sequence[tuple[UUID, int]] = ()
    ) -> Sequence[OpenUnit]:
        """Of each of these jobs the next ``window`` units that may be given to a node.

        Those that are ``known`` (job, unit) already are passed over.
        """
        ...

    async def done_units(self, jobs: Sequence[UUID], most: int) -> Sequence[UnitDuration]:
        """Of each of these jobs the ``most`` units that were completed last."""
        ...

    async def running_units(self) -> int:
        """How many units are RUNNING."""
        ...

    async def open_units_of(self, node: UUID) -> Sequence[OpenUnit]:
        """The units that are DISPATCHED or RUNNING on a node."""
        ...

    async def lost_units(self, unsent: timedelta) -> Sequence[OpenUnit]:
        """Units whose lease has run out, and units assigned longer ago than ``unsent`` that were
        never sent.
        """
        ...

    async def waiting_units(self, longer_than: timedelta) -> Sequence[OpenUnit]:
        """Units in the queue of which nothing was heard for so long, 1,000 at most.

        A job is heard of when it is submitted, or a unit is retried; one of many units also when
        a node is given one of them.
        """
        ...

    async def healthy_nodes(self) -> Sequence[NodeRow]:
        """The nodes that may be given work."""
        ...

    async def standings(self, since: datetime) -> Sequence[StandingRow]:
        """The nodes about which people said something since then, the oldest word first.

        Times are the database's own; ask again from somewhat before the last one that was seen.
        """
        ...

    async def circles(self) -> Access:
        """Who belongs together, as far as it says whose nodes may do whose work."""
        ...

    async def session_opened(self, node: UUID) -> SessionStart:
        """Count a new session of a node; its epoch, greater than those of all sessions before, and
        the store's time.

        Epoch 0 where there is no such node.
        """
        ...

    async def node_seen(self, node: UUID) -> None:
        """A sign of life over the socket: the node is HEALTHY."""
        ...

    async def keep_thumbnail(
        self, job: UUID, unit: int, attempt: int, node: UUID, *, frame: int, picture: bytes
    ) -> bool:
        """Keep a picture of a frame, with an event; False: the unit is not the node's any more."""
        ...

    async def keep_log(
        self,
        job: UUID,
        unit: int,
        attempt: int,
        node: UUID,
        lines: str,
        *,
        at: datetime,
        completed: bool = False,
    ) -> None:
        """Keep what a node said last (16 000 characters at most) of its attempt at a unit, which
        failed, or came well: then fewer lines. Of a job some newest ones of each kind stay; what
        is not the node's any more is not kept.
        """
        ...

    async def silence(self) -> Sequence[UUID]:
        """HEALTHY → UNHEALTHY after 90 s, → OFFLINE after 300 s; answers who is healthy no more."""
        ...

    async def ripe_earnings(self, limit: int) -> Sequence[MaturedEarning]:
        """Pending shares whose window is over and in no open dispute, oldest first."""
        ...

    async def claimable_earnings(self, limit: int) -> Sequence[ClaimableEarning]:
        """Shares in suspense whose node has an owner by now."""
        ...

    async def unlooked_shares(self, limit: int) -> "Sequence[UncheckedEarning]":
        """Of nodes that were found out, and others of their owners: pending shares of what was
        settled without being compared with its scene; newest first.
        """
        ...

    async def pending_checks(self, limit: int, after: "Place | None" = None) -> "Sequence[Pending]":
        """What was delivered and waits longest for its verdict, of units that still wait for it;
        of those behind a place, where one is given.
        """
        ...

    async def claim_checks(
        self, gateway: UUID, checks: "Collection[CheckId]", seconds: float
    ) -> "frozenset[CheckId]":
        """Claim those of the checks that no other gateway has, for so long from now; answer those
        that this gateway has then. A claim that has run out is anybody's. A gateway that alone
        may not write (``sql.halts``) claims none, and gives up those of the checks that it has.
        """
        ...

    async def release_checks(self, gateway: UUID, checks: "Collection[CheckId]") -> None:
        """Give up this gateway's claims."""
        ...

    async def note_finding(self, job: UUID, unit: int, finding: str) -> None:
        """Note what a check found of an open dispute, where an admin has to decide it. From then on
        it is no pending check.
        """
        ...

    async def meet_verifiers(
        self, connected: Mapping[UUID, str], within: float
    ) -> "Sequence[SeenVerifier]":
        """Note the verifiers that are connected to a gateway, each with its device class. Return
        all verifiers that any gateway noted within so many seconds.
        """
        ...

    async def longest_wait(self) -> float:
        """Return for how many seconds the oldest delivery has been waiting for its check."""
        ...

    async def draw_secret(self) -> bytes | None:
        """The secret by which all gateways draw what is checked, sealed; None: there is none."""
        ...

    async def keep_draw_secret(self, sealed: bytes, instead_of: bytes | None) -> None:
        """Keep it where there is none, or in the place of another one. Read which one stands."""
        ...

    async def newest_log_keys(self) -> "LogKeys | None":
        """Return the log's name and the keys that were added to it last; None: it has not begun."""
        ...

    async def records(self, nodes: Sequence[UUID]) -> "Sequence[Record]":
        """What was found of these nodes' work, of each class of machine a record."""
        ...

    async def note_overrun(self, found: "Overrun", newest: int) -> "Sequence[Overrun]":
        """Keep it, once; the ``newest`` so many of its unit, this one among them."""
        ...

    async def scene_words(self, job: UUID, unit: int) -> "Sequence[SceneReport]":
        """Who said of a unit that its scene is at fault."""
        ...

    async def note_uncut(self, scene: "UncutScene") -> None:
        """Keep that regions of a scene say nothing of its frames; once."""
        ...

    async def quarantine(self, node: UUID, act: "Act") -> "StandingRecord | None":
        """Keep strangers' work from a node, with a record of it; its standing then.

        None: it gets none anyhow.
        """
        ...

    async def result_multipart(self, name: "MultipartName") -> "ResultMultipart | None":
        """What the object store has begun for a result in parts, and has not ended."""
        ...

    async def keep_result_multipart(
        self, begun: "ResultMultipart", now: datetime
    ) -> "ResultMultipart":
        """The one that stands: ``begun``, or what was begun before; it was asked for ``now``."""
        ...

    async def end_result_multipart(self, multipart: "ResultMultipart") -> None:
        """The object store has completed or aborted it."""
        ...


class LogStore(Protocol):
    """The log in the database, as the Sequencer uses it.

    Raises ``sql.database.Unavailable`` while it is away, and Conflict where another was faster.
    """

    def log(self) -> "AbstractAsyncContextManager[LogTransaction]":
        """Lock the head, append, commit at exit. Unavailable: whether it was is unknown."""
        ...

    async def log_look(self, limit: int) -> "LogView | None":
        """What is there, without a lock, with ``limit`` waiting entries. None: no log yet."""
        ...


class AnchorStore(Protocol):
    """What was sent to a chain, in the database. Methods raise ``sql.database.Unavailable``."""

    async def sent(self, chain_id: int, sender: str, nonce: int) -> "Sequence[SentRow]":
        """What is pending, what is numbered from ``nonce`` on, the newest contract and anchor."""
        ...

    async def failed(
        self, chain_id: int, sender: str, nonce: int, limit: int
    ) -> "Sequence[SentRow]":
        """The newest failed transactions of this epoch numbered below ``nonce``."""
        ...

    async def due(self) -> tuple[int, bytes] | None:
        """The newest checkpoint that has any leaf: size and root."""
        ...

    async def keep(self, row: "SentRow") -> bool:
        """Keep a transaction before it is sent; False: another has its number."""
        ...

    async def rebid(self, row: "SentRow", raw: bytes, name: str, at: datetime) -> bool:
        """Keep another form of it before it is sent; False: somebody else was faster."""
        ...

    async def become(
        self, row: "SentRow", state: str, at: datetime, became: "TransactionOutcome"
    ) -> None:
        """What became of it."""
        ...

    async def unknown(self, chain_id: int, sender: str, nonce: int) -> Sequence[int]:
        """Numbers below ``nonce`` that the sender used in this epoch, above all that are known."""
        ...

    async def own(self, size: int) -> tuple[int, bytes | None]:
        """How many leaves the log has, and the root of ``size`` of them; None: it has fewer."""
        ...

    async def halt(self, halt: "Halt") -> None:
        """Nothing is written from now on."""
        ...

    async def resume(self) -> None:
        """The chain agrees: of a backup that was restored it has no more. Other halts stay."""
        ...
