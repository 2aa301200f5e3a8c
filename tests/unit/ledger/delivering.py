"""Deliveries and their verdicts, among everything else, against the same model."""

from typing import Any
from uuid import UUID

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from actors.ledger.messages import (
    SUSPENSE,
    Commit,
    GuardFailed,
    Posted,
    Replayed,
    operator_account,
)
from actors.paymaster.messages import ShareForfeit
from actors.verifier.messages import UnitDeliver, UnitVerdict
from tests.integration.conformance.earnings import WINDOW
from tests.unit.ledger.everyday import PEOPLE, RARELY, Answer, Job, jobs_in
from tests.unit.ledger.everything import Everything


@attrs.define
class Check:
    """What was delivered in one attempt."""

    operator: int | None
    verified: bool
    verdict: str | None = None


def job_waits(job: Job) -> bool:
    """For the verdict on an attempt at it."""
    return job.state == "VERIFYING" or job.copy_delivered


class Delivering(Everything):
    """All operations, and work that waits for a verdict."""

    def __init__(self, *args: Any) -> None:
        self.checks: dict[tuple[UUID, int], Check] = {}  # by job and attempt
        super().__init__(*args)

    @precondition(jobs_in("DISPATCHED", "RUNNING"))
    @rule(data=st.data(), stranger=RARELY, verified=st.sampled_from([True, True, False]),
          operator=st.sampled_from([None, *PEOPLE]), copy=st.booleans())  # fmt: skip
    def deliver(
        self,
        data: st.DataObject,
        operator: int | None,
        *,
        stranger: bool,
        verified: bool,
        copy: bool,
    ) -> None:
        job = self.draw_job(data, "DISPATCHED", "RUNNING")
        attempt, node = self.one_of(job, copy=copy, stranger=stranger)

        def model() -> Answer:
            ours = (job.attempt, job.node) == (attempt, node)
            if job.is_copy(attempt, node):
                if job.copy_delivered:
                    return Replayed
                job.copy_delivered = job.copy_ran = True
            elif ours and job.state in ("VERIFYING", "COMPLETED"):
                return Replayed
            elif not ours or job.state not in ("DISPATCHED", "RUNNING"):
                return GuardFailed
            else:
                job.state, job.ran = "VERIFYING", True
            self.checks[job.id, attempt] = Check(operator, verified)
            return Posted

        effect = UnitDeliver(
            *(job.id, 0, attempt, self.nodes[node], "cpu", "x"),
            verified=verified,
            operator=self.account(operator),
            dispute_window=WINDOW,
        )
        self.add(Commit((), (effect,)), model)

    def overtaken(self, job: Job, attempt: int) -> None:
        check = self.checks.get((job.id, attempt))
        if check is not None and check.verdict is None:
            check.verdict = "unverified"

    @precondition(lambda self: any(job_waits(job) for job in self.jobs))
    @rule(data=st.data(), verdict=st.sampled_from(["exact", "unverifiable", "invalid"]),
          final=st.booleans(), pays=st.booleans(), other=RARELY,
          copy=st.booleans(), withdrawn=RARELY)  # fmt: skip
    def judge(
        self,
        data: st.DataObject,
        verdict: Any,
        *,
        final: bool,
        pays: bool,
        other: bool,
        copy: bool,
        withdrawn: bool,
    ) -> None:
        """``other``: the account is not the one that was delivered for."""
        waiting = [job for job in self.jobs if job_waits(job)]
        job = data.draw(st.sampled_from(self.jobs if data.draw(RARELY) else waiting))
        of_copy = job.copy is not None and (copy or job.state != "VERIFYING")
        attempt = job.copied if of_copy else job.attempt
        known = self.checks.get((job.id, attempt))
        operator = known.operator if known is not None and not other else 0
        retry_at = None if final else self.stage.clock.now()

        def model() -> Answer:
            check = self.checks.get((job.id, attempt))
            if check is None:
                return GuardFailed
            if check.verdict is not None:
                return Replayed if check.verdict == verdict else GuardFailed
            beside = job.is_copy(attempt, None)
            waits = job.copy_delivered if beside else job.state == "VERIFYING"
            if not waits or check.operator != operator:
                return GuardFailed
            check.verdict = verdict
            if not self.is_decided_by(job, verdict, beside=beside, withdrawn=withdrawn):
                return Posted
            if verdict != "invalid":
                paid = check.verified and (verdict != "unverifiable" or pays)
                return self.done(job, check.operator, verified=paid, free=not paid)
            job.error = "invalid"
            if job.paused == "stopped":
                self.ended(job, "CANCELLED")
            elif final:
                self.ended(job, "FAILED")
            else:
                self.back(job)
            return Posted

        account = self.account(operator)
        effect = UnitVerdict(
            *(job.id, 0, attempt, verdict),
            operator=account,
            pays=pays,
            retry_at=retry_at,
            strike=verdict == "invalid",
            withdrawn=withdrawn,
        )
        self.add(Commit((), (effect,)), model)

    def is_decided_by(self, job: Job, verdict: Any, *, beside: bool, withdrawn: bool) -> bool:
        """Of two attempts: whether this verdict ends the other, or else this one alone."""
        over = withdrawn and not job.waits(copy=not beside)
        if job.copy is None:
            return True
        if verdict == "invalid" and not over:
            job.error = "invalid"
            if beside:
                job.alone()
            else:
                job.promote()
            return False
        self.overtaken(job, job.attempt if beside else job.copied)
        if beside:
            job.promote()
        job.alone()
        return True

    @precondition(lambda self: self.shares and self.lies())
    @rule(data=st.data())
    def fine(self, data: st.DataObject) -> None:
        """A share is forfeited for an invalid result."""
        job = data.draw(st.sampled_from([job for job in self.jobs if job.id in self.shares]))
        lie, attempt = data.draw(st.sampled_from(self.lies()))
        share = self.shares[job.id]

        def model() -> Answer:
            if share.state == "FORFEITED":
                return Replayed
            if share.state != "PENDING" or job.dispute == "OPEN":
                return GuardFailed
            share.state = "FORFEITED"
            self.owed(share, -share.amount)
            self.platform["revenue"] += share.amount
            return Posted

        self.one(ShareForfeit(job.id, 0, (lie, 0, attempt)), model)

    def lies(self) -> list[tuple[UUID, int]]:
        """Attempts that were found invalid."""
        return [of for of, check in self.checks.items() if check.verdict == "invalid"]

    def account(self, operator: int | None) -> str:
        return SUSPENSE if operator is None else operator_account(self.people[operator])
