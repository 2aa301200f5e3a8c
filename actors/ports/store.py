"""Ports of the database."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from sql.access import Access
from sql.earnings import ClaimableEarning, MaturedEarning, UncheckedEarning
from sql.fsck import Finding, NotedAudit
from sql.node_failures import FailureNote
from sql.nodes import NodeRow, SessionStart, StandingRow
from sql.payout_rules import PassedDate
from sql.units import (
    JobPlace,
    KnownPlan,
    Lease,
    LeaseId,
    OpenJob,
    OpenJobTerms,
    OpenUnit,
    UnitDuration,
    nothing_known,
)

if TYPE_CHECKING:
    from sql.anchors import SentRow, TransactionOutcome
    from sql.audit_log import Act
    from sql.books import BooksTransaction, Changes, Keys, ReadBooks
    from sql.checks import (
        CheckId,
        Pending,
        Place,
        SceneReport,
        SeenVerifier,
        UncutScene,
        VerifierLoad,
    )
    from sql.fsck import AuditIncrement, AuditMark
    from sql.halts import Halt, SeenHead
    from sql.log import LogKeys, LogTransaction, LogView
    from sql.multiparts import MultipartName, ResultMultipart
    from sql.nodes import StandingChange, StandingRecord
    from sql.overruns import Overrun
    from sql.reputation_rules import Record


class Store(Protocol):
    """The database as actors use it.

    While the database is down, every method raises ``sql.database.Unavailable``; all but ``audit``
    and ``audit_since`` do so within two seconds. Every method may also raise
    ``sql.database.Conflict``: nothing was changed, and the caller may try again. Only the
    database's clock decides when a lease has ended, a node is silent or a share is payable, as the
    clocks of gateways differ.
    """

    async def now(self) -> datetime:
        """Return the time by the database's clock."""
        ...

    def transaction(self) -> "AbstractAsyncContextManager[BooksTransaction]":
        """Begin the Ledger's transaction on the books: lock, decide, write; commit at exit.

        Raises AnswerLost if it is unknown whether the transaction was committed. After all other
        errors nothing was written. After Conflict or Mismatch the caller repeats all steps; after
        Mismatch that may never succeed. Refused means that the data breaks a rule of the schema.
        """
        ...

    async def read_books(
        self, keys: "Keys", shard: int, *, from_database: bool = False
    ) -> "ReadBooks | None":
        """Read the rows of a batch without locks; None if the batch needs ``transaction``.

        ``shard``: which shard of the platform's accounts to use, if it is one of several. Unless
        ``from_database``, the rows may be ``is_remembered`` from earlier batches.
        """
        ...

    async def foresee_books(
        self, keys: "Keys", shard: int, before: "ReadBooks", changes: "Changes"
    ) -> "ReadBooks | None":
        """Return the rows of a batch as they are once ``changes`` are written; None if they are
        not remembered.

        ``before``: the batch that writes these changes now. Only after its ``write`` has returned
        may the rows be written.
        """
        ...

    async def renew_leases(self, leases: Sequence[Lease]) -> frozenset[LeaseId]:
        """Renew leases whose attempt and node still match the unit; return the ids of these."""
        ...

    async def audit(self) -> Sequence[Finding]:
        """Check all invariants of the books on all rows, which may take minutes."""
        ...

    async def note_audit(
        self, at: datetime, whole: datetime | None, findings: Sequence[Finding]
    ) -> None:
        """Store an audit's findings for other gateways to read, replacing earlier findings."""
        ...

    async def last_audit(self) -> NotedAudit | None:
        """Return the findings that ``note_audit`` stored; None if there are none yet."""
        ...

    async def audit_since(self, mark: "AuditMark | None") -> "AuditIncrement":
        """Check the invariants on rows written since the mark, and on rows that are still open.

        Returns the findings and a new mark.

        Without a mark nothing is checked; the next call begins at the new mark.
        """
        ...

    async def open_jobs(self, after: JobPlace | None, most: int) -> Sequence[OpenJob]:
        """Return the next ``most`` open jobs after a position, ordered by (queued_at, id)."""
        ...

    async def open_job_terms(self, jobs: Sequence[UUID]) -> Sequence[OpenJobTerms]:
        """Return the terms of those of these jobs that have not ended."""
        ...

    async def open_units(
        self, jobs: Sequence[UUID], window: int, known: KnownPlan = nothing_known
    ) -> Sequence[OpenUnit]:
        """Return, for each job, the units at nodes and the next ``window`` units to assign.

        ``known`` returns the plan of a job that the caller has read before; plans never change, so
        only unknown plans are read. The oldest job comes first, and units of a job come in their
        order. Waiting units are left out if they wait for other units, or if their job is paused
        (except free units of a job that is paused at its cap).
        """
        ...

    async def ready_units(
        self, jobs: Sequence[UUID], window: int, known: Sequence[tuple[UUID, int]] = ()
    ) -> Sequence[OpenUnit]:
        """Return, for each job, the next ``window`` units to assign.

        Units that are ``known`` (job, unit) are left out.
        """
        ...

    async def done_units(self, jobs: Sequence[UUID], most: int) -> Sequence[UnitDuration]:
        """Return, for each job, the ``most`` units that were completed last."""
        ...

    async def running_units(self) -> int:
        """Count the units that are RUNNING."""
        ...

    async def open_units_of(self, node: UUID) -> Sequence[OpenUnit]:
        """Return the units that are DISPATCHED or RUNNING on a node."""
        ...

    async def lost_units(self, unsent: timedelta) -> Sequence[OpenUnit]:
        """Return units whose lease has ended, and unsent units that were assigned over ``unsent``
        ago.
        """
        ...

    async def waiting_units(self, longer_than: timedelta) -> Sequence[OpenUnit]:
        """Return queued units without activity for that long, at most 1,000.

        Activity is the submission of the job, its start time, or a retry of a unit. For a job of
        several units, the assignment of any unit is activity, too.
        """
        ...

    async def healthy_nodes(self) -> Sequence[NodeRow]:
        """Return the nodes whose status is HEALTHY."""
        ...

    async def standings(self, since: datetime) -> Sequence[StandingRow]:
        """Return the nodes whose standing has changed since the given time, oldest change first.

        Times are the database's. To poll, pass a time somewhat before the last change returned.
        """
        ...

    async def circles(self) -> Access:
        """Return the trust and membership of users, which decide whose nodes may do whose work."""
        ...

    async def session_opened(self, node: UUID) -> SessionStart:
        """Record a new session of a node; return its epoch, the time by the database's clock, and
        the node's recent failures.

        The epoch is greater than the epoch of every earlier session of the node. The epoch is 0 if
        there is no such node.
        """
        ...

    async def note_failures(self, node: UUID, note: FailureNote) -> None:
        """Store a change of a node's recent failures, by the rules of ``FailureNote``."""
        ...

    async def node_seen(self, node: UUID) -> None:
        """Record a sign of life over the socket: the node becomes HEALTHY, at once or soon."""
        ...

    async def keep_thumbnail(
        self, job: UUID, unit: int, attempt: int, node: UUID, *, frame: int, picture: bytes
    ) -> bool:
        """Store a thumbnail of a frame, and write an event of the job.

        False if the unit is no longer assigned to the node.
        """
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
        """Store the last log lines of an attempt, at most 16,000 characters; fewer if it succeeded.

        Of each job, some of the newest logs of successful and of failed attempts are kept. The log
        is dropped if the node never had this attempt.
        """
        ...

    async def mark_silent_nodes(self) -> Sequence[UUID]:
        """Update the status of silent nodes, and return those that were HEALTHY.

        They become UNHEALTHY after 90 s without a sign of life, and OFFLINE after 300 s.
        """
        ...

    async def matured_earnings(self, limit: int) -> Sequence[MaturedEarning]:
        """Return pending shares that may become payable, oldest first.

        Their dispute window is over, no dispute is open, and no delivery of the same operator from
        before the end of the window still waits for its verdict. Waits of over 30 days do not
        count.
        """
        ...

    async def claimable_earnings(self, limit: int) -> Sequence[ClaimableEarning]:
        """Return shares in suspense whose node has an owner now."""
        ...

    async def passed_payout_dates(
        self, limit: int, least: int, *, pays_money: bool
    ) -> Sequence[PassedDate]:
        """Return the dates of payout rules that are over, oldest first.

        One is due if the operator has not asked for a payout since, and the rule's minimum is
        payable, which for money is ``least`` or more.
        """
        ...

    async def move_payout_date(self, operator: UUID, date: datetime, to: datetime | None) -> None:
        """Move the ``date`` of an operator's rule on, unless it was changed."""
        ...

    async def unchecked_earnings(self, limit: int) -> "Sequence[UncheckedEarning]":
        """Return pending shares that were settled without a full comparison, newest first.

        Only nodes that have delivered an invalid result, and other nodes of their owners, count.
        If none of these results was a strike, only while fewer than ``limit`` shares are withheld.
        """
        ...

    async def pending_checks(self, limit: int, after: "Place | None" = None) -> "Sequence[Pending]":
        """Return results that wait for their verdict, oldest first, after a position if given.

        They include settled results that a check compares now because of an open dispute. Results
        of units that were cancelled or decided in the meantime are left out.
        """
        ...

    async def claim_checks(
        self, gateway: UUID, checks: "Collection[CheckId]", seconds: float
    ) -> "frozenset[CheckId]":
        """Claim, for ``seconds``, the checks that no other gateway has claimed.

        Returns the members of ``checks`` that this gateway has claimed now. If this gateway alone
        must not write (``sql.halts``), it claims no checks and gives up its earlier claims on them.
        """
        ...

    async def release_checks(self, gateway: UUID, checks: "Collection[CheckId]") -> None:
        """Give up this gateway's claims on these checks."""
        ...

    async def note_finding(self, job: UUID, unit: int, finding: str) -> None:
        """Record a check's finding on an open dispute, which an admin then has to decide.

        ``pending_checks`` no longer returns the unit from then on.
        """
        ...

    async def meet_verifiers(
        self, connected: "Sequence[VerifierLoad]", within: float
    ) -> "Sequence[SeenVerifier]":
        """Record the verifiers connected to this gateway, with their loads.

        Returns all verifiers that any gateway has recorded within ``within`` seconds.
        """
        ...

    async def longest_wait(self) -> float:
        """Return how many seconds the oldest delivery has been waiting for its check."""
        ...

    async def draw_secret(self) -> bytes | None:
        """Return the sealed secret with which all gateways draw samples; None if there is none."""
        ...

    async def keep_draw_secret(self, sealed: bytes, instead_of: bytes | None) -> None:
        """Store the sealed secret if there is none, or if the current one is ``instead_of``.

        As several gateways may store a secret at once, read it back to learn which one was stored.
        """
        ...

    async def newest_log_keys(self) -> "LogKeys | None":
        """Return the log's name and the keys added to it last; None if the log has not begun."""
        ...

    async def records(self, nodes: Sequence[UUID]) -> "Sequence[Record]":
        """Return the records of these nodes' work, one per device class."""
        ...

    async def note_overrun(self, found: "Overrun", newest: int) -> "Sequence[Overrun]":
        """Record an overrun once; return the ``newest`` overruns of its unit, with this one."""
        ...

    async def scene_reports(self, job: UUID, unit: int) -> "Sequence[SceneReport]":
        """Return the reports that the unit's scene is at fault."""
        ...

    async def note_uncut_scene(self, scene: "UncutScene") -> None:
        """Record, once, that regions of a scene cannot be compared with its frames."""
        ...

    async def quarantine(
        self, node: UUID, released_at: "datetime | None", act: "Act"
    ) -> "StandingRecord | None":
        """Quarantine a node, record the ``act``, and return the node's new standing.

        A quarantine by an admin gets the act's reason, and only an admin still ends it. A revoked
        node stays REVOKED. None if the gateway has quarantined the node before, it was revoked in
        quarantine, or a release has reset its record since you read it with ``released_at``.
        """
        ...

    async def releasable_nodes(self) -> Mapping[UUID, int]:
        """Return the nodes whose quarantine RELEASED_BY valid frames in a row for their owner end.

        Each has the version of its standing. A quarantine that an admin ordered, or that is not the
        node's first, does not end so.
        """
        ...

    async def stand(self, change: "StandingChange", act: "Act") -> "StandingRecord | None":
        """Change a node's standing, record the ``act``, and return the new standing.

        None if the standing has changed since the version that ``change`` names.
        """
        ...

    async def result_multipart(self, name: "MultipartName") -> "ResultMultipart | None":
        """Return the unfinished multipart upload of a result; None if there is none."""
        ...

    async def keep_result_multipart(
        self, begun: "ResultMultipart", now: datetime
    ) -> "ResultMultipart":
        """Record a multipart upload unless the result has one; return the recorded upload.

        The recorded upload is marked as used at ``now``.
        """
        ...

    async def end_result_multipart(self, multipart: "ResultMultipart") -> None:
        """Delete the record of an upload that was completed or aborted."""
        ...


class LogStore(Protocol):
    """The log in the database, as the Sequencer uses it.

    Raises ``sql.database.Unavailable`` while the database is down, and Conflict if another gateway
    was faster.
    """

    def log(self) -> "AbstractAsyncContextManager[LogTransaction]":
        """Begin a transaction that locks the log's head, appends entries, and commits at exit.

        After Unavailable it is unknown whether the transaction was committed.
        """
        ...

    async def log_look(self, limit: int) -> "LogView | None":
        """Read the log without a lock, with at most ``limit`` waiting entries.

        None before the log has begun.
        """
        ...


class LogMemory(Protocol):
    """Record of the newest checkpoint outside the database.

    Restoring an older backup of the database does not change this record.
    """

    async def note(self, head: "SeenHead") -> None:
        """Store this checkpoint durably, unless a newer checkpoint is stored. Never raises."""
        ...


class AnchorStore(Protocol):
    """Transactions sent to a chain. Methods raise ``sql.database.Unavailable``."""

    async def sent(self, chain_id: int, sender: str, nonce: int) -> "Sequence[SentRow]":
        """Return the sender's pending transactions, those numbered from ``nonce`` on, and the
        newest confirmed contract and anchor.
        """
        ...

    async def failed(
        self, chain_id: int, sender: str, nonce: int, limit: int
    ) -> "Sequence[SentRow]":
        """Return the newest failed transactions of this epoch with numbers below ``nonce``."""
        ...

    async def due(self) -> tuple[int, bytes] | None:
        """Return size and root of the newest checkpoint with leaves; None if there is none."""
        ...

    async def keep(self, row: "SentRow") -> bool:
        """Store a transaction before it is sent; False if its number is taken."""
        ...

    async def rebid(self, row: "SentRow", raw: bytes, name: str, at: datetime) -> bool:
        """Store a new version of a transaction before it is sent; False if another gateway was
        faster.
        """
        ...

    async def become(
        self, row: "SentRow", state: str, at: datetime, became: "TransactionOutcome"
    ) -> None:
        """Record a transaction's new state."""
        ...

    async def unknown(self, chain_id: int, sender: str, nonce: int) -> Sequence[int]:
        """Return transaction numbers that the sender used in this epoch and that have no row.

        The numbers returned are below ``nonce``, and outside the range of numbers with rows.
        """
        ...

    async def own(self, size: int) -> tuple[int, bytes | None]:
        """Return the log's size, and the root hash of its first ``size`` leaves.

        The root hash is None if the log has fewer leaves.
        """
        ...

    async def halt(self, halt: "Halt") -> None:
        """Stop all writing to the books."""
        ...

    async def resume(self) -> None:
        """End the halt that follows a restore, as the chain has no anchor newer than the backup.

        Halts with other causes stay.
        """
        ...
