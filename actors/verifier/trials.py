"""Whether verifiers look at all: checks of which the right answer is known, given as any others.

A trial is the check of a result that was found valid, but with another number of samples than it
was rendered with: no crop of it can be right, and nothing in what a verifier is sent tells so. The
gateway's own verifier answers it first, as there are scenes that any number of samples renders
alike; who says afterwards that it is valid has not looked.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

import attrs

from actors.node_session.messages import RunCheck
from actors.verifier.choice import Candidate, may_check
from actors.verifier.crops import draws
from actors.verifier.odds import draw, unit_name
from actors.verifier.report import NoReport, Report
from actors.verifier.verdict import Thresholds, is_valid, of_all
from sql.checks import VerifierTest

KEPT: Final = 16
SAMPLES: Final = (4, 8, 16, 32)


@attrs.define(eq=False)
class Trial:
    """``order`` as the gateway's own was asked; ``subject`` is whose result it shows."""

    order: RunCheck
    subject: Candidate
    asked: frozenset[UUID] = frozenset()  # owners who were given it


@attrs.define
class Trials:
    """Of this life of the Verifier: what is known, who is to be tried, and whom nobody believes."""

    secret: bytes
    odds: float  # that a check is preceded by one, and that one is made of a result; 0: none is
    known: list[Trial] = attrs.field(factory=list[Trial])
    passed: set[UUID] = attrs.field(factory=set[UUID])  # nodes that need none for now
    doubted: set[UUID] = attrs.field(factory=set[UUID])  # whose last one was wrong
    running: dict[UUID, Trial] = attrs.field(factory=dict[UUID, Trial])

    def is_wanted(self, device_class: str, name: bytes) -> bool:
        """Whether one is to be made of a valid result of this class."""
        lacks = all(one.subject.device_class != device_class for one in self.known)
        return self.odds > 0 and (lacks or draw(self.secret, b"make", name, b"") < self.odds)

    def begin(self, order: RunCheck, subject: Candidate, check: UUID) -> RunCheck:
        """What the gateway's own is asked, of a check whose answer was that all is well."""
        unit = order.unit
        name = unit_name(unit.job, unit.unit, unit.attempt)
        able = [count for count in SAMPLES if count != unit.params.get("samples")]
        samples = able[int(draw(self.secret, b"samples", name, check.bytes) * len(able))]
        altered = attrs.evolve(
            order,
            check=check,
            unit=attrs.evolve(unit, params={**unit.params, "samples": samples}),
            draws=tuple(draws(self.secret, b"trial:" + name, check.bytes)),
        )
        self.running[check] = Trial(altered, subject)
        return altered

    def is_due(self, node: UUID, name: bytes) -> bool:
        """Whether a trial comes before what it is to check: the first time, and now and then."""
        often = draw(self.secret, b"due", name, node.bytes) < self.odds
        return self.odds > 0 and (often or node not in self.passed)

    def give(self, candidate: Candidate, check: UUID) -> RunCheck | None:
        """One that its owner was not given yet, with a name of its own."""
        for trial in self.known:
            if may_check(candidate, trial.subject, trial.asked) and candidate.owner is not None:
                trial.asked |= {candidate.owner}
                self.running[check] = trial
                return attrs.evolve(trial.order, check=check)
        return None

    def lose(self, check: UUID) -> None:
        """It came to nothing, which says nothing of anybody."""
        self.running.pop(check, None)

    def hear(
        self,
        check: UUID,
        candidate: Candidate,
        report: Report | NoReport,
        now: datetime,
        thresholds: Thresholds,
    ) -> list[VerifierTest]:
        """The gateway's own makes it known; of another's answer what is to be noted, if anything.

        Who cannot tell, or breaks down, is not blamed, and is tried again.
        """
        trial = self.running.pop(check)
        if isinstance(report, NoReport) or report.unable is not None or report.looked:
            return []
        valid = report.fault is None and is_valid(of_all(report.compared, thresholds))
        if candidate.is_own:
            self._learn(trial, report)
            return []
        (self.doubted if valid else self.passed).add(candidate.id)
        (self.passed if valid else self.doubted).discard(candidate.id)
        unit = trial.order.unit
        node, machine, ok = candidate.id, candidate.device_class, not valid
        return [VerifierTest(check, node, machine, unit.job, unit.unit, unit.attempt, ok, now)]

    def _learn(self, trial: Trial, report: Report) -> None:
        """It is a trial where the gateway's own sees a mismatch: not what is merely far off."""
        if report.fault is None and of_all(report.compared) == "mismatch":
            self.known = [*self.known, trial][-KEPT:]
