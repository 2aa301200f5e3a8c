"""What the Verifier keeps of one delivery until its verdict is in the books."""

from collections.abc import Callable
from typing import Any, TypeAlias
from uuid import UUID

import attrs

from actors.kernel import Ref
from actors.node_session.messages import NodeSession, RunCheck, Stored
from actors.scheduler.messages import Assignment
from actors.verifier.choice import Candidate
from actors.verifier.messages import Checked, FinalVerdict
from actors.verifier.report import Report
from actors.verifier.verdict import Thresholds, Verdict, decided, of_all
from rendertrust.frame_range import parse
from sql.checks import Draws, Pending
from sql.work import ANY, POOL, evidence_key, result_key

CaseId: TypeAlias = tuple[UUID, int, int]  # job, unit, attempt
FAULT_WORDS = 300


@attrs.define(eq=False)
class Checker:
    """A node that checks, and the check that it makes now."""

    candidate: Candidate
    session: Ref[NodeSession]
    busy: UUID | None = None


@attrs.define(eq=False)
class Case:
    """A delivery. ``first`` is a word that another must confirm; ``verdict`` is the last one, which
    the Ledger was asked to book at ``asked_at``.
    """

    pending: Pending
    drawn: bool | None = None
    first: Verdict | None = None
    said: str = ""
    asked: frozenset[UUID] = frozenset()  # owners who looked
    tried: frozenset[UUID] = frozenset()  # nodes that came to nothing
    check: UUID | None = None
    verdict: FinalVerdict | None = None
    verifier: UUID | None = None
    suspects: Candidate | None = None  # who said ``first``
    checked: tuple[Checked, ...] = ()
    asked_at: float | None = None

    @property
    def id(self) -> CaseId:
        row = self.pending.row
        return row.job_id, row.unit, row.attempt

    def place(self, named: Callable[[UUID, UUID, int, int], str]) -> str:
        """The key that ``named`` gives to what was delivered."""
        return named(self.pending.user, *self.id)

    @property
    def pool(self) -> str:
        """Who may see its job's work."""
        return str(self.pending.params.get(POOL, ANY))

    @property
    def subject(self) -> Candidate:
        """The node whose work it is."""
        row = self.pending.row
        return Candidate(row.node_id, self.pending.owner, row.device_class)

    @property
    def assignment(self) -> Assignment:
        """The unit as its node was given it."""
        pending, row = self.pending, self.pending.row
        return Assignment(
            job=row.job_id,
            unit=row.unit,
            attempt=row.attempt,
            job_type=pending.job_type,
            payload_ref=pending.payload_ref,
            params=_params(pending),
            user=pending.user,
            failures=pending.failures,
        )

    def asks(self, check: UUID, drawn: Draws) -> RunCheck:
        """What a node is asked that looks at it."""
        row = self.pending.row
        assert row.sha256 is not None, "nobody is asked about what cannot be named"
        assert row.size is not None, "nor about what has no size"
        place, proof, of = self.place, row.evidence_sha256, row.evidence_size
        return RunCheck(
            check=check,
            unit=self.assignment,
            picture=Stored(place(result_key), row.sha256.hex(), row.size),
            evidence=None if proof is None else Stored(place(evidence_key), proof.hex(), of or 0),
            draws=drawn,
        )

    def hear(self, report: Report, checker: Candidate, thresholds: Thresholds) -> None:
        """Take a report; the verdict is there unless another has to look.

        A stranger's word alone condemns nobody: what he calls a mismatch is a suspicion, as what
        is too far off to match is anybody's. The gateway's own verifier is believed.
        """
        if report.unable is not None:
            self.verdict, self.said = "unverifiable", report.unable
            return
        if report.looked and self.drawn:
            self.tried |= {checker.id}  # it was asked for more than that
            return
        if report.looked:
            self.verdict, self.drawn = (None, True) if report.suspect else ("unchecked", False)
            return
        found: Verdict = "mismatch" if report.fault else of_all(report.compared, thresholds)
        words = report.fault or f"{least(report):.1f} dB"
        self.verifier = checker.id
        if self.first is not None:
            found = decided("suspicious", found)
        elif found == "suspicious" or (found == "mismatch" and not checker.is_own):
            self.first, self.said = found, words[:FAULT_WORDS]
            self.suspects = checker
            self.asked |= frozenset() if checker.owner is None else {checker.owner}
            return
        self.verdict = "mismatch" if found == "suspicious" else found
        self.checked = self._rests_on(checker)
        self.said = "" if found == "exact" else words[:FAULT_WORDS]

    def _rests_on(self, last: Candidate) -> tuple[Checked, ...]:
        """Whose word the verdict is: a suspicion that was not confirmed is nobody's.

        The gateway's own are not paid by it.
        """
        confirmed = self.suspects if self.verdict == "mismatch" else None
        spoke = [one for one in (confirmed, last) if one is not None and not one.is_own]
        return tuple(Checked(one.id, one.owner) for one in spoke if one.owner is not None)


def _params(pending: Pending) -> dict[str, Any]:
    """Of the unit, which is one whole frame."""
    if pending.frames is None:
        return pending.params
    return {**pending.params, "frame": parse(pending.frames)[0]}


def least(report: Report) -> float:
    """The worst comparison, in decibels."""
    return min((one.psnr for one in report.compared), default=float("inf"))
