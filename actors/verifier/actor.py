"""The Verifier actor: lets verifiers check delivered results, and asks the Ledger to book the
verdicts.
"""

import asyncio
import logging
import math
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import attrs

from actors.kernel import Actor, handles
from actors.ledger.effects import COMPARED
from actors.ledger.messages import Commit, Decided, LedgerUnavailable, Posted, units_of
from actors.notifier.messages import announce
from actors.ports import ObjectsUnavailable
from actors.verifier.case import Case, CaseId
from actors.verifier.check_orders import batch_for, least_of
from actors.verifier.check_queue import CheckPlaces, CheckQueue, Claims, batch_of
from actors.verifier.clawback import Clawback, ClawbackTag
from actors.verifier.messages import (
    CheckerGone,
    CheckerSeen,
    CheckWait,
    ExplainChecks,
    LieDetected,
    ReadBack,
    Reported,
    ReviewDue,
    Verifier,
)
from actors.verifier.object_integrity import (
    SECONDS,
    SecondReads,
    has_other_content,
    is_readable,
    stored,
)
from actors.verifier.quarantine import NodeReputation, QuarantineReview
from actors.verifier.report import (
    NoReport,
    PluginReport,
    Report,
    answer,
    answers,
    clears,
    plugins_answer,
)
from actors.verifier.settings import PATIENCE_FACTOR, VerifierPeers, VerifierSettings
from actors.verifier.verdict import decision_on, finding_of, verdict_on
from actors.verifier.verifier_registry import (
    MEET_SECONDS,
    RunningCheck,
    VerifierFleet,
    VerifierRegistry,
)
from rendertrust.device_class import kin_of
from rendertrust.verdict_reason import (
    NO_BUILD,
    NO_EVIDENCE,
    NO_PLUGIN,
    OWN_NODE,
    VerdictReason,
)
from sql import sampling
from sql.checks import Place, UncutScene
from sql.database import Conflict, Unavailable
from sql.reputation_rules import NEW
from sql.units import MINE

FAILURES_MOST: Final = 3  # failed checks after which a result gets no further one
TOO_LONG: Final = "it took too long"
ANSWER_SECONDS: Final = 10.0  # wait for the Ledger's answer, then commit again
SECRET_BYTES: Final = 32
ROUND_SECONDS: Final = 20.0  # time limit for the steps of one round, as the store may be slow
STORE_SECONDS: Final = 5.0  # time limit for the object store's answer about a result
RENDER_SHARE: Final = 0.75  # share of a check's time for rendering, without its files
SOON_SECONDS: Final = 0.05  # pause before the next page, if there are several pages
log = logging.getLogger(__name__)


class VerifierActor(Actor[Verifier]):
    """Schedules checks on the connected verifiers.

    The actor has no state that must survive a crash: the database has the results that wait for a
    verdict, and a lost check is repeated. The positions to compare are drawn with a secret that
    each instance creates.
    """

    def __init__(self, peers: VerifierPeers, settings: VerifierSettings) -> None:
        self._peers, self._ports, self._settings = peers, peers.ports, settings
        self._secret = self._ports.random.token(SECRET_BYTES)
        self._since = self._ports.clock.monotonic()  # start of this instance
        self._cases: dict[CaseId, Case] = {}
        self._after: Place | None = None  # where the next page of pending results begins
        self._accused: set[UUID] = set()  # nodes with a pending result that a check found wrong
        self._scenes: list[UncutScene] = []  # scenes to store whose regions cannot be compared
        self._known = NodeReputation()  # reputation of the nodes with pending results
        self._verifiers = VerifierRegistry()
        seen_seconds = max(settings.verification.wait_seconds, 3 * MEET_SECONDS)
        self._fleet = VerifierFleet(peers.ports.store, seen_seconds, settings.own)
        self._turns = CheckQueue(PATIENCE_FACTOR * settings.verification.wait_seconds)
        self._places = CheckPlaces()
        self._clawback = Clawback(peers)
        self._reading = SecondReads()
        self._standings = QuarantineReview(peers.ports.store, peers.ports.clock, peers.scheduler)
        self._claims = Claims(peers.ports.store, peers.gateway, settings.claim_seconds)

    async def started(self) -> None:
        self.after(self._settings.look_seconds, ReviewDue(), jitter=0.1)

    # ── pending results ──────────────────────────────────────────────────────────────────────────

    @handles(ReviewDue)
    async def look(self, _: ReviewDue) -> None:
        wait = self._settings.look_seconds
        try:
            self._expire()
            await self._fleet.meet(self._verifiers, self._ports.clock.monotonic())
            cases = await self._read()
            await self._preempt()
            await self._advance(cases)
            wait = wait if self._after is None else min(wait, SOON_SECONDS)
            await self._keep_scenes()
            await self._standings.attend()
            await self._clawback.attend(self.ref)
        except (Unavailable, Conflict) as error:
            log.warning("checks are paused: %s", type(error).__name__)
        self.after(wait, ReviewDue(), jitter=0.1)

    @handles(ExplainChecks)
    async def explain(self, message: ExplainChecks) -> Mapping[int, CheckWait]:
        wanted = {(message.job, unit) for unit in message.units}
        cases = [case for case in self._cases.values() if case.id[:2] in wanted]
        return {case.id[1]: self._wait_of(case) for case in cases if not case.is_again}

    def _wait_of(self, case: Case) -> CheckWait:
        now = self._ports.clock.monotonic()
        return attrs.evolve(
            self._places.of(case, self._cases.values(), self._turns, now),
            has_verifier=bool(self._fleet.classes_for(case)),
            lacks_build=self._fleet.lacks(case),
        )

    async def _read(self) -> list[Case]:
        """Read the next page of pending results, and return their cases.

        Reading in pages lets newer results be checked while older results cannot be. Cases of
        results that are no longer pending are dropped, and their checks cancelled.
        """
        after, most = self._after, self._settings.at_once
        found = await self._ports.store.pending_checks(most, after)
        self._after = until = found[-1].place if len(found) >= most else None
        now = self._ports.clock.monotonic()
        cases = dict[CaseId, Case]()
        for one in found:
            cases[one.row.id] = self._cases.get(one.row.id) or Case.opened(one, now)
            cases[one.row.id].refresh(one)
        others = {
            of: case
            for of, case in self._cases.items()
            if not case.pending.is_between(after, until)
        }
        self._cases = {**others, **cases}
        for running in self._verifiers.about_none_of(self._cases.values()):
            self._verifiers.drop(running)
            running.by.time.ended += now - running.since
        self._accused = {c.pending.row.node for c in self._cases.values() if c.is_accused}
        nodes = {case.pending.row.node for case in self._cases.values()}
        self._known = await self._standings.known(nodes)
        return list(cases.values())

    async def _advance(self, cases: Sequence[Case]) -> None:
        """Take the next step of these cases.

        If a verifier is free, also advance the cases of other pages that are first in the fair
        order.

        Cases that another gateway has claimed are left out.
        """
        self._turns.wait({case.turn for case in self._cases.values()})
        for case in cases:
            await self._assess(case)
        begun = {one for one in self._cases.values() if self._is_ours(one)}
        ready = {one for one in cases if self._may_act(one)} | self._next_in_turn()
        ours = await self._claims.take([*(ready | begun)])
        now = self._ports.clock.monotonic()
        until = now + ROUND_SECONDS
        waiting = self._turns.in_order((case for case in {*cases, *ready} if case in ours), now)
        for case in waiting:
            if self._ports.clock.monotonic() < until:
                await self._step(case, waiting)
        await self._claims.give_up(ours)

    def _next_in_turn(self) -> set[Case]:
        """Return the known cases that are first in the fair order; none if no verifier is free."""
        if not self._verifiers.has_free:
            return set()
        now = self._ports.clock.monotonic()
        able = self._turns.in_order(filter(self._may_act, self._cases.values()), now)
        return {*able[: self._settings.at_once]}

    async def _preempt(self) -> None:
        """Drop a long check if another creator's result has waited ``wait_seconds`` for it.

        Only results without a dropped or failed check can preempt, so that long checks do not drop
        each other. Results that another gateway has claimed do not count. Raises Unavailable.
        """
        now, limits = self._ports.clock.monotonic(), self._settings.verification
        since = now - limits.wait_seconds
        for running in self._verifiers.begun_before(since):
            if running.cases[0].is_kept and now - running.since < limits.check_seconds:
                continue
            waiting = [
                case
                for case in self._cases.values()
                if case.is_waiting(now) and not case.is_last and case.since <= since
                if case.turn != running.cases[0].turn
                if running.by in self._verifiers.able_for(case, self._fleet)
            ]
            if await self._claims.take(self._turns.in_order(waiting, now)[:1]):
                log.info("dropped a long check by node %s, as other results wait", running.by.node)
                self._verifiers.drop(running)
                self._give_way(running)

    def _give_way(self, running: RunningCheck) -> None:
        """Put the case of a dropped check behind all others; the results of a batch are opened one
        by one.
        """
        self._spent(running)
        _split(running)
        if running.is_batch:
            return
        [case] = running.cases
        rests = case.give_way(self._settings.again_seconds)
        case.rests_until = self._ports.clock.monotonic() + rests

    async def _assess(self, case: Case) -> None:
        """Decide, from what is known now, whether the result is compared or only opened."""
        row = case.pending.row
        self._update_about_node(case)
        if case.step == "open" and case.check is None and case.verdict is None:
            blamed = row.attempt > 1 and await self._ports.store.scene_reports(row.job, row.unit)
            # While no verifier has the node's build, no result of the node is compared, so sampling
            # does not deter it. A result that was not drawn must therefore not be accepted without
            # a comparison.
            lacks = row.node not in self._settings.own and self._fleet.lacks(case)
            if lacks:
                case.open_first()
            elif case.is_suspected or blamed:  # another node blamed the scene for its failure
                case.compare()
        elif case.step == "regions" and row.node in self._settings.own and not case.is_again:
            case.step = "open"  # results of trusted verifiers are not compared
        elif case.is_unopened and not case.is_again and self._fleet.lacks(case):
            case.open_first()

    def _update_about_node(self, case: Case) -> None:
        """Update the case's ``is_trusted``, ``is_suspected`` and ``is_known``."""
        row, node = case.pending.row, case.pending.row.node
        share = case.pending.price * row.share_percent // 100
        valid_in_row = self._known.classes.get((node, row.device_class), NEW).valid_for(share)
        has_strike = self._known.strikes.get(node, 0) > 0 or self._standings.suspects(node)
        case.is_trusted = node in self._settings.own and not case.is_again
        is_suspected = has_strike or node in self._accused or case.pending.may_release
        case.is_suspected = is_suspected and node not in self._settings.own
        case.is_known = valid_in_row >= sampling.ALWAYS_UNTIL and not case.is_suspected

    def _may_act(self, case: Case) -> bool:
        """Return True if this gateway can take the case's next step; if not, another one may."""
        if self._is_ours(case) or self._why_unverified(case) or self._lacks_build(case):
            return True
        if self._needs_no_check(case):
            return True
        return self._verifiers.free_for(case, self._fleet) is not None

    def _is_ours(self, case: Case) -> bool:
        """Return True if this gateway has begun the case, and can go on with it.

        If its verifier left, for example to another gateway, the claim expires.
        """
        if not case.is_begun or not case.is_waiting(math.inf):
            return case.is_begun
        has_failed = case.failed >= FAILURES_MOST
        return has_failed or bool(self._verifiers.able_for(case, self._fleet))

    async def _step(self, case: Case, waiting: Sequence[Case] = ()) -> None:
        """Start the next check of a case, or conclude it.

        ``waiting``: cases of this gateway that the same check may open.
        """
        if case.verdict is None and case.check is None:
            if case.unread is not None:
                self._read_again(case)
            elif (reason := self._why_unverified(case)) is not None:
                case.end_unverified(reason)
            elif self._lacks_build(case):
                case.end_unverifiable(NO_PLUGIN if case.is_by_plugin else NO_BUILD)
            elif case.failed >= FAILURES_MOST:
                case.give_up()
            elif self._needs_no_check(case):
                case.end_sampled_out()
            else:
                self._ask(case, waiting)
        if case.verdict is not None:
            await self._conclude(case)

    def _why_unverified(self, case: Case) -> VerdictReason | None:
        """Return the code of the reason to skip the check of a case; None if the case must be
        checked.
        """
        if case.is_again:
            return None  # the node's share stays withheld until a check, or an admin, decides
        if not self._settings.verification.enabled:
            return self._settings.unverified_why
        may_release = case.pending.may_release and not self._fleet.is_barred(case)
        return OWN_NODE if case.pending.pool == MINE and not may_release else None

    def _lacks_build(self, case: Case) -> bool:
        """Return True if, for ``wait_seconds``, no verifier that may check the case has had the
        node's build of Blender.

        A verifier may not check other nodes of its owner. If any may, it can at least open the
        result.
        """
        is_lacking = case.step != "open" and self._fleet.lacks(case)
        if case.is_again or not (is_lacking or self._fleet.is_barred(case)):
            return False
        waited = self._ports.clock.monotonic() - max(case.since, self._since)
        return waited >= self._settings.verification.wait_seconds

    def _needs_no_check(self, case: Case) -> bool:
        """Return True if the result is of a plugin, was not drawn, and could have been checked.

        Without a verifier that can check it, sampling would not deter its node.
        """
        if not case.is_by_plugin or case.step != "open" or case.check is not None:
            return False
        self._update_about_node(case)
        return not case.is_suspected and bool(self._fleet.classes_for(case))

    def _ask(self, case: Case, waiting: Sequence[Case]) -> None:
        now = self._ports.clock.monotonic()
        verifier = self._verifiers.free_for(case, self._fleet)
        if verifier is None or now < case.rests_until:
            return
        cases: tuple[Case, ...] = (case,)
        if verifier.batches:
            may_check = self._fleet.may_check
            cases = batch_of(case, [c for c in waiting if may_check(verifier.node, c)], now)
        name = self._ports.random.uuid()
        if len(cases) > 1:
            order = batch_for([one.pending for one in cases], name)
        else:
            order = case.order(name, self._secret, verifier.class_for(case))
        case.is_kept = self._turns.is_overdue(case, now)
        seconds = max(map(self._settings.seconds_of, cases))
        build = kin_of(verifier.class_for(case))[1]
        order = attrs.evolve(order, seconds=seconds * RENDER_SHARE, build=build)
        until = now + seconds
        if self._verifiers.start(cases, verifier, order, (now, until)):
            self._turns.begin(case.turn)
            if case.is_kept:
                self._turns.begin_overdue(until)

    async def _keep_scenes(self) -> None:
        """Store the scenes whose regions cannot be compared. Raises Unavailable."""
        while self._scenes:
            await self._ports.store.note_uncut_scene(self._scenes[0])
            del self._scenes[0]

    # ── verifiers ────────────────────────────────────────────────────────────────────────────────

    @handles(CheckerSeen)
    async def checker_seen(self, message: CheckerSeen) -> None:
        if message.node in self._settings.own:
            lost = self._verifiers.come(
                *(message.node, message.device_class, message.session),
                batches=message.batches,
                cores=message.cores,
                checks=message.checks,
                others=message.others,
            )
            self._lose(lost)
            self._fleet.due = float("-inf")

    @handles(CheckerGone)
    async def checker_gone(self, message: CheckerGone) -> None:
        self._lose(self._verifiers.go(message.node, message.session))

    @handles(LieDetected)
    async def caught(self, message: LieDetected) -> None:
        self._standings.suspect(message.node)
        self._clawback.again()

    def _lose(self, running: RunningCheck | None) -> None:
        """Handle the loss of a verifier: the check that the verifier ran is repeated.

        Results of a batch are checked one by one.
        """
        if running is None:
            return
        self._spent(running)
        _split(running)
        case = running.cases[0]
        if not running.is_batch:
            rests = case.lose(running.by.node, self._settings.again_seconds)
            case.rests_until = self._ports.clock.monotonic() + rests

    def _expire(self) -> None:
        for running in self._verifiers.overdue(self._ports.clock.monotonic()):
            log.warning("a check by node %s took too long", running.by.node)
            self._verifiers.drop(running)
            self._failed(running, Reported(running.order.check, running.by.node, None, TOO_LONG))

    def _failed(self, running: RunningCheck, told: Reported) -> None:
        """Handle a failed check, which is repeated after a pause.

        Results of a batch are opened one by one.
        """
        self._spent(running)
        _split(running)
        if running.is_batch:
            return
        case, rests = running.cases[0], self._settings.again_seconds
        if told.is_given_back:
            case.put_off(running.by.node)
        elif told.is_unread:
            rests = case.miss(told.reason, rests, is_other=told.is_other)
        else:
            blamed = {"is_scene": told.is_scene, "by_files": told.by_files}
            case.fail(running.by.node, told.reason, **blamed)
        case.rests_until = self._ports.clock.monotonic() + rests

    def _spent(self, running: RunningCheck) -> None:
        now, case = self._ports.clock.monotonic(), running.cases[0]
        took = now - running.since
        running.by.time.ended += took
        self._turns.spend(case.turn, took)
        if case.is_kept:
            self._turns.end_overdue(now, took)

    @handles(Reported)
    async def reported(self, message: Reported) -> None:
        running = self._verifiers.end(message.check, message.node)
        if running is None:
            return  # the check was dropped, or never ran on this node
        if running.is_batch:
            await self._hear_batch(running, message)
            return
        order, case = running.order, running.cases[0]
        heard: Report | PluginReport | NoReport = NoReport(message.reason)
        if message.report is not None and case.is_by_plugin:
            heard = plugins_answer(message.report)
        elif message.report is not None:
            heard = answer(message.report, order.count, least_of(order.unit))
        if isinstance(heard, NoReport):
            log.warning("a check by node %s failed: %s", message.node, heard.reason)
            self._failed(running, attrs.evolve(message, reason=heard.reason))
            return
        self._spent(running)
        self._hear(case, heard, running)
        if case.id in self._cases:
            await self._step(case)

    async def _hear_batch(self, running: RunningCheck, message: Reported) -> None:
        """Handle the report on a batch.

        Results that the report does not clear are opened one by one.
        """
        self._spent(running)
        if message.report is None:
            log.warning("a batch by node %s failed: %s", message.node, message.reason)
        until = self._ports.clock.monotonic() + ROUND_SECONDS
        reports = answers(message.report, len(running.cases))
        for case, heard in zip(running.cases, reports, strict=True):
            if heard is None or not clears(heard, case.pending.row.work):
                case.is_alone = True
                continue
            self._hear(case, heard, running)
            is_pending = case.verdict is not None and case.id in self._cases
            if is_pending and self._ports.clock.monotonic() < until:
                await self._conclude(case)

    def _hear(self, case: Case, heard: Report | PluginReport, running: RunningCheck) -> None:
        """Handle a report on one result."""
        self._update_about_node(case)
        if isinstance(heard, PluginReport):
            case.hear_plugin(heard, running.by.node, running.device_class)
        elif heard.lacks_evidence and not self._settings.require_evidence:
            case.end_unverified(NO_EVIDENCE)
        else:
            case.hear(heard, running.by.node, running.device_class, self._settings.thresholds)
            if case.is_refused_across and self._fleet.has_class_of(case):
                case.leave_to_same_class()
        if case.differs:
            self._scenes.append(UncutScene(case.scene, case.id, self._ports.clock.now()))
        if case.is_accused:
            self._accused.add(case.pending.row.node)

    # ── unreadable results ───────────────────────────────────────────────────────────────────────

    def _read_again(self, case: Case) -> None:
        """Let the gateway read a result that a verifier could not read, before it is refused."""
        if not self._reading.begin(case.id, self._ports.clock.monotonic()):
            return

        async def read() -> ReadBack:
            is_replaced = case.is_other and await has_other_content(case, self._ports.objects)
            is_found = True if is_replaced else await is_readable(case, self._ports.objects)
            return ReadBack(*case.id, is_found, is_replaced)

        self.background(read, within=SECONDS, otherwise=ReadBack(*case.id, None))

    @handles(ReadBack)
    async def read_back(self, message: ReadBack) -> None:
        name = message.job, message.unit, message.attempt
        self._reading.end(name, self._ports.clock.monotonic())
        case = self._cases.get(name)
        if case is None or case.unread is None or case.verdict is not None:
            return
        if message.is_replaced:
            case.end_swapped()
            await self._conclude(case)
        elif message.is_readable is False:
            case.end_unread()
            await self._conclude(case)
        elif message.is_readable and case.unfetched >= FAILURES_MOST and self._is_old(case):
            case.end_unfetched()
            await self._conclude(case)
        elif message.is_readable:
            case.unread = None  # a verifier tries again

    def _is_old(self, case: Case) -> bool:
        waited = self._ports.clock.monotonic() - max(case.since, self._since)
        return waited >= PATIENCE_FACTOR * self._settings.verification.wait_seconds

    # ── the verdict ──────────────────────────────────────────────────────────────────────────────

    async def _conclude(self, case: Case) -> None:
        """Ask the Ledger to book the verdict, if the stored objects are still those delivered."""
        now = self._ports.clock.monotonic()
        if case.asked_at is not None and now - case.asked_at < ANSWER_SECONDS:
            return
        assert case.verdict is not None, "the case has a verdict"
        if case.verdict.outcome != "invalid":
            try:
                async with asyncio.timeout(STORE_SECONDS):
                    found = await stored(case, self._ports.objects)
            except (ObjectsUnavailable, TimeoutError):
                return
            if found == "missing":
                case.end_missing()
            elif found == "replaced":
                case.end_swapped()
        if case.is_for_admin:
            await self._leave_to_admin(case)
            return
        pays = self._settings.pays_unverified
        effect = (
            decision_on(case, self._peers)
            if case.is_again
            else verdict_on(case, self._peers, pays_unverified=pays)
        )
        if self._peers.ledger.tell(Commit(effects=(effect,), observer=self.ref, tag=case)):
            case.asked_at = now

    async def _leave_to_admin(self, case: Case) -> None:
        """Record a check's finding on a dispute that an admin must decide."""
        row, finding = case.pending.row, finding_of(case)
        try:
            await self._ports.store.note_finding(row.job, row.unit, finding)
        except (Unavailable, Conflict):
            return  # the next round tries again
        self._cases.pop(case.id, None)

    @handles(Decided)
    async def decided(self, message: Decided) -> None:
        case, outcome = message.tag, message.outcome
        if isinstance(case, ClawbackTag):
            self._clawback.hear(outcome)
            return
        assert isinstance(case, Case), "all other commits are about cases"
        if isinstance(outcome, LedgerUnavailable):
            case.asked_at = None
            return
        assert case.verdict is not None, "it was concluded"
        if isinstance(outcome, Posted):
            self._follow(case)
        if units := units_of(outcome):
            announce(units, self._peers.scheduler, self._peers.notifier)
        if self._cases.get(case.id) is case:
            del self._cases[case.id]

    def _follow(self, case: Case) -> None:
        """Handle the consequences of a booked verdict."""
        verdict = case.verdict
        assert verdict is not None, "it was booked"
        log.info("unit %s:%d:%d is %s %s", *case.id, verdict.outcome, verdict.said)
        if verdict.outcome == "invalid":
            self._clawback.again()
        if verdict.strike:
            self._standings.suspect(case.pending.row.node)
        elif verdict.outcome in COMPARED:
            self._standings.refute(*case.id[:2])


def _split(running: RunningCheck) -> None:
    """Open the results of a batch one by one from now on."""
    for case in running.cases if running.is_batch else ():
        case.is_alone = True
