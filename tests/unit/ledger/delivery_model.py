"""State machine of deliveries and verdicts among all other operations of the ledger."""

from typing import Any
from uuid import UUID

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from actors.ledger.effects import (
    UnitComplete,
    UnitDeliver,
    UnitVerdict,
)
from actors.ledger.messages import Commit, GuardFailed, Posted, Replayed
from sql.account_names import SUSPENSE, operator_account
from sql.sampling import fine_of
from tests.integration.conformance.earnings import WINDOW
from tests.unit.ledger.money_model import MoneyModel, Share
from tests.unit.ledger.work_model import PEOPLE, RARELY, Answer, Job, jobs_in


@attrs.define
class Check:
    """The delivery of one attempt, and its check."""

    operator: int | None
    verified: bool
    opened: float
    odds: float | None = None
    verdict: str | None = None
    is_withdrawn: bool = False
    fined: list[Share] = attrs.field(factory=list[Share])


def job_waits(job: Job) -> bool:
    """Return whether an attempt at the job waits for its verdict."""
    return job.state == "VERIFYING" or job.copy_delivered


class DeliveryModel(MoneyModel):
    """All operations of the ledger, with work that waits for a verdict."""

    def __init__(self, *args: Any) -> None:
        self.checks: dict[tuple[UUID, int], Check] = {}  # by job and attempt
        # time of the oldest waiting delivery by operator, when the batch began
        self.waiting: dict[int, float] = {}
        self.staked: list[tuple[int, Share]] = []  # shares at stake when the batch began
        self.pending_before: list[tuple[int, Share]] = []
        super().__init__(*args)

    def settled(self) -> None:
        super().settled()
        self.waiting, self.staked, self.pending_before = {}, [], []
        for check in self.checks.values():
            if check.verdict is None and check.operator is not None:
                before = self.waiting.get(check.operator, check.opened)
                self.waiting[check.operator] = min(before, check.opened)
        disputed = {job.id for job in self.jobs if job.dispute == "OPEN"}
        for job, share in self.shares.items():
            if share.state == "PENDING" and share.operator is not None:
                self.pending_before.append((share.operator, share))
                self.staked += [] if job in disputed else [(share.operator, share)]

    def is_ripe(self, share: Share) -> bool:
        since = None if share.operator is None else self.waiting.get(share.operator)
        return super().is_ripe(share) and (since is None or since >= share.until)

    def odds_of(self, job: Job, operator: int | None, asked: float | None) -> float | None:
        """Return the odds of a draw, from what was at stake before the batch and still is."""
        if asked is None:
            return None
        amount = job.price * 70 // 100
        staked = [s.amount for who, s in self.staked if who == operator and s.until > self.now]
        gone = [
            share.amount
            for who, share in self.pending_before
            if who == operator and share.until > self.now and share.state != "PENDING"
        ]
        pending = max(sum(staked) - sum(gone), 0)
        return max(asked, min(2 * amount / (amount + pending), 1.0) if amount else 0.0)

    @precondition(jobs_in("DISPATCHED", "RUNNING"))
    @rule(data=st.data(), stranger=RARELY, verified=st.sampled_from([True, True, False]),
          operator=st.sampled_from([None, *PEOPLE]), copy=st.booleans(),
          asked=st.sampled_from([None, 0.2, 0.5]))  # fmt: skip
    def deliver(
        self,
        data: st.DataObject,
        operator: int | None,
        asked: float | None,
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
            odds = self.odds_of(job, operator, asked)
            self.checks[job.id, attempt] = Check(operator, verified, self.now, odds)
            return Posted

        result = UnitComplete(
            *(job.id, 0, attempt, self.nodes[node], "x"),
            verified=verified,
            operator=self.account(operator),
            dispute_window=WINDOW,
        )
        draw = None if asked is None else 0.0
        effect = UnitDeliver(result, "cpu", draw=draw, odds=asked or 1.0)
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
        """Decide a delivery; with ``other`` the verdict names an account that did not deliver."""
        waiting = [job for job in self.jobs if job_waits(job)]
        job = data.draw(st.sampled_from(self.jobs if data.draw(RARELY) else waiting))
        of_copy = job.copy is not None and (copy or job.state != "VERIFYING")
        attempt = job.copied if of_copy else job.attempt
        known = self.checks.get((job.id, attempt))
        operator = known.operator if known is not None and not other else 0
        retry_at = None if final else self.stage.clock.now()
        odds = None if known is None else known.odds
        fine = 0 if odds is None or withdrawn else fine_of(job.price * 70 // 100, odds)

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
            if verdict == "invalid":
                self.fines(job, check, fine, withdrawn=withdrawn)
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
            fine=fine if verdict == "invalid" else 0,
            withdrawn=withdrawn and verdict == "invalid",
            reason="checks-failed" if verdict == "unverifiable" else None,
        )
        self.add(Commit((), (effect,)), model)

    def is_decided_by(self, job: Job, verdict: Any, *, beside: bool, withdrawn: bool) -> bool:
        """Return whether this verdict decides the unit; False if it decides only one of two
        attempts.
        """
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

    def fines(self, job: Job, check: Check, fine: int, *, withdrawn: bool) -> None:
        """Forfeit the newest pending shares, or with ``withdrawn`` give forfeited shares back."""
        others = [one for (of, _), one in self.checks.items() if of == job.id]
        check.is_withdrawn = withdrawn
        if withdrawn:
            for one in others:
                one.fined = [share for share in one.fined if not self.is_returned(share)]
            return
        if any(one.is_withdrawn for one in others) or check.operator is None:
            return
        for share in reversed(self.shares.values()):
            if fine > 0 and (share.state, share.operator) == ("PENDING", check.operator):
                fine -= share.amount
                check.fined.append(share)
                self.moves(share, "FORFEITED", share.amount)

    def is_returned(self, share: Share) -> bool:
        """Give a forfeited share back and return True; False if the job's creator was refunded."""
        [job] = [each for each in self.jobs if self.shares.get(each.id) is share]
        if job.dispute == "UPHELD":
            return False
        self.moves(share, "PENDING", -share.amount)
        return True

    def moves(self, share: Share, state: str, amount: int) -> None:
        share.state = state
        self.owed(share, -amount)
        self.platform["revenue"] += amount

    def account(self, operator: int | None) -> str:
        return SUSPENSE if operator is None else operator_account(self.people[operator])
