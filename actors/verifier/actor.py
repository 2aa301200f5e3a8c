"""The Verifier: has what was delivered looked at, and asks the Ledger for what follows."""

import logging
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import attrs

from actors.kernel import Actor, handles
from actors.ledger.messages import BooksAway, Commit, Decided, Issued, Posted
from actors.node_session.messages import RunCheck
from actors.notifier.messages import UnitsMoved
from actors.ports import ObjectsUnavailable
from actors.scheduler.messages import NodeStands, UnitsChanged
from actors.verifier import odds, warden
from actors.verifier.case import Case, CaseId, Checker
from actors.verifier.choice import Candidate, choose, glance, may_see
from actors.verifier.crops import draws
from actors.verifier.issuing import issued
from actors.verifier.messages import (
    Caught,
    CheckerGone,
    CheckerSeen,
    FinalVerdict,
    Look,
    Reported,
    UnitVerdict,
    Verifier,
)
from actors.verifier.report import NoReport, answer
from actors.verifier.settings import Peers, VerifierSettings
from actors.verifier.trials import KEPT, Trials
from rendertrust.node.inside.placing import Drawn
from sql.checks import VerifierTest
from sql.database import Unavailable
from sql.tries import wait_seconds
from sql.work import ANY, MINE, evidence_key, result_key

SECRET_BYTES: Final = 32
log = logging.getLogger(__name__)


class VerifierActor(Actor[Verifier]):
    """It keeps nothing that matters: what waits stands in the books, and a check that is lost, with
    a node or with us, is made again. The secret is this life's own.
    """

    def __init__(self, peers: Peers, settings: VerifierSettings) -> None:
        self._peers, self._settings = peers, settings
        self._secret = peers.random.token(SECRET_BYTES)
        self._checkers: dict[UUID, Checker] = {}
        self._cases: dict[CaseId, Case] = {}
        self._caught: set[UUID] = set()  # nodes whose record is to be looked at
        self._refuting: set[tuple[UUID, int]] = set()  # units found valid
        # Until when, and of how many crops; no case: a trial of the verifier.
        self._running: dict[UUID, tuple[Case | None, Checker, float, int]] = {}
        self._trials = Trials(self._secret, settings.trial_odds)

    async def started(self) -> None:
        self.after(self._settings.look_seconds, Look(), jitter=0.1)

    # -- who can look

    @handles(CheckerSeen)
    async def checker_seen(self, message: CheckerSeen) -> None:
        own = message.node in self._settings.own
        candidate = Candidate(message.node, message.owner, message.device_class, is_own=own)
        before = self._checkers.get(message.node)
        if before is not None:
            self._lose(before)
        self._checkers[message.node] = Checker(candidate, message.session)

    @handles(CheckerGone)
    async def checker_gone(self, message: CheckerGone) -> None:
        found = self._checkers.get(message.node)
        if found is not None and found.session is message.session:
            self._lose(found)
            del self._checkers[message.node]

    def _lose(self, checker: Checker) -> None:
        """What it was looking at is another's to look at; that is nobody's fault."""
        if checker.busy is not None:
            self._end(checker.busy)

    def _end(self, check: UUID) -> Case | None:
        """Nobody makes it any more; what it was about, if it was no trial."""
        case, checker, _, _ = self._running.pop(check)
        checker.busy = None
        self._trials.lose(check)
        if case is not None:
            case.check = None
        return case

    # -- what waits

    @handles(Look)
    async def look(self, _: Look) -> None:
        self.after(self._settings.look_seconds, Look(), jitter=0.1)
        try:
            await self._read_trials()
            found = await self._peers.store.pending_checks(self._settings.at_once)
            known = {(p.row.job_id, p.row.unit, p.row.attempt): p for p in found}
            for gone in self._cases.keys() - known.keys():
                self._forget(self._cases[gone])
            self._expire()
            for name, pending in known.items():
                case = self._cases.setdefault(name, Case(pending))
                await self._advance(case)
            await self._note_trials()
            await self._quarantine()
        except Unavailable as error:
            log.warning("nothing is checked: %s", type(error).__name__)

    @handles(Caught)
    async def caught(self, message: Caught) -> None:
        self._caught.add(message.node)

    async def _read_trials(self) -> None:
        """What was known and said in lives before this one; of each node, once it is there."""
        trials, store = self._trials, self._peers.store
        if not trials.is_read:
            trials.take(await store.trials(KEPT))
        new = sorted(self._checkers.keys() - trials.read)
        if new:
            trials.take_tests(new, await store.last_tests(new))

    async def _note_trials(self) -> None:
        """Trials, and what verifiers said of them; who called one valid has lied."""
        while self._trials.notes:
            await self._peers.store.note_trial(self._trials.notes[0])
            test = self._trials.notes.pop(0)
            if isinstance(test, VerifierTest) and not test.passed:
                log.warning("node %s found valid what is not: a trial", test.node_id)
                self._caught.add(test.node_id)

    async def _quarantine(self) -> None:
        """Those who lied too often, or said of scenes what is not so."""
        for unit in list(self._refuting):
            self._caught |= {one.node for one in await self._peers.store.scene_words(*unit)}
            self._refuting.discard(unit)
        for node in list(self._caught):
            said = await warden.quarantined(self._peers.store, node, self._peers.clock.now())
            self._caught.discard(node)
            if said is not None:
                log.warning("node %s is quarantined: its results or checks were wrong", node)
                self._peers.scheduler.tell(NodeStands(node, said))

    def _forget(self, case: Case) -> None:
        """It is decided, or was cancelled. A check that is under way ends by itself."""
        del self._cases[case.id]

    def _expire(self) -> None:
        now = self._peers.clock.monotonic()
        for check, (_, checker, until, _) in list(self._running.items()):
            if until <= now:
                log.warning("a check took too long: node %s", checker.candidate.id)
                case = self._end(check)
                if case is not None:
                    case.tried |= {checker.candidate.id}

    async def _advance(self, case: Case) -> None:
        """The next step of a case, if it is its turn."""
        if case.verdict is not None:
            await self._conclude(case)
            return
        if case.check is not None:
            return
        if case.drawn is None:
            case.drawn = await self._is_drawn(case)
        row = case.pending.row
        waited = (self._peers.clock.now() - row.opened_at).total_seconds()
        late = waited >= self._settings.wait_seconds
        if not case.drawn or not case.is_whole:
            self._have_looked_at(case, late=late)
        elif row.packed:
            case.verdict, case.said = "unverifiable", "it was delivered before an upgrade"
        elif row.sha256 is None or row.size is None:
            case.verdict, case.said = "unverifiable", "the store tells no SHA-256 of it"
        elif late:
            case.give_up()
        else:
            self._have_checked(case, row.sha256)
        if case.verdict is not None:
            await self._conclude(case)

    async def _is_drawn(self, case: Case) -> bool:
        if not self._settings.enabled:
            return False
        if case.pool == MINE:  # it is paid by nobody, and shown to nobody
            return False
        row = case.pending.row
        if row.attempt > 1 and await self._peers.store.scene_words(row.job_id, row.unit):
            return True  # somebody said that it cannot be rendered
        known = await warden.reputation_of(self._peers.store, row.node_id, row.device_class)
        if known.is_to_be_quarantined:  # and nobody came to it, or it delivers what it had
            self._caught.add(row.node_id)
        case.is_known = known.valid_in_row >= odds.ALWAYS_UNTIL and not known.strikes
        chance = odds.odds(known.valid_in_row, self._settings.least_odds)
        if known.strikes:  # until all is made good
            chance = 1.0
        unit = odds.unit_name(*case.id)
        return odds.is_drawn(self._secret, unit, row.sha256 or b"", chance)

    def _have_looked_at(self, case: Case, *, late: bool) -> None:
        """By the gateway's own, where one is there: whether it is such a picture at all."""
        row, ours = case.pending.row, self._able(case, own=True)
        told = row.sha256 is not None and row.size is not None
        may = self._settings.enabled and case.pool != MINE and told and not row.packed
        if late or not may or not ours:
            case.verdict = "unchecked"
            return
        chosen = glance(ours, case.subject)
        if chosen is not None:
            self._ask(case, chosen, ())

    def _have_checked(self, case: Case, sha256: bytes) -> None:
        unit = odds.unit_name(*case.id)
        chosen = choose(
            self._able(case),
            case.subject,
            secret=self._secret,
            unit=unit,
            result=sha256,
            asked=case.asked,
            own_odds=self._settings.own_odds,
        )
        if chosen is not None and not self._tries(case, chosen, unit):
            # Who looks second looks elsewhere.
            drawn = draws(self._secret + bytes([case.first is not None]), unit, sha256)
            self._ask(case, chosen, tuple(drawn))

    def _tries(self, case: Case, chosen: Candidate, unit: bytes) -> bool:
        """Whether it gets a trial instead, or nothing, as it is not believed."""
        if chosen.is_own:
            return False
        doubted = chosen.id in self._trials.doubted
        if doubted or self._trials.is_due(chosen.id, unit):
            now = self._peers.clock.now()
            order = self._trials.give(chosen, self._peers.random.uuid(), now)
            if order is not None:
                self._send(None, chosen, order)
                return True
        if doubted:
            case.tried |= {chosen.id}
        return doubted

    def _make_trial(self, case: Case) -> None:
        """Of a check that found all well: what the gateway's own says of it with other samples."""
        unit = odds.unit_name(*case.id)
        if case.verdict not in ("exact", "match") or case.pool != ANY:
            return
        chosen = glance(self._able(case, own=True), case.subject)
        if chosen is not None and self._trials.is_wanted(case.subject.device_class, unit):
            check = self._peers.random.uuid()
            self._send(None, chosen, self._trials.begin(case.pending, check))

    def _able(self, case: Case, *, own: bool = False) -> list[Candidate]:
        """Those that may see it and did not come to nothing; ``own``: of the gateway's."""
        return [
            attrs.evolve(one.candidate, is_free=one.busy is None)
            for one in self._checkers.values()
            if may_see(one.candidate, case.pool)
            and one.candidate.id not in {*case.tried, case.pending.row.node_id}
            and (one.candidate.is_own or not own)
        ]

    def _ask(self, case: Case, chosen: Candidate, drawn: tuple[Drawn, ...]) -> None:
        check = self._peers.random.uuid()
        if self._send(case, chosen, case.asks(check, drawn)):
            case.check = check

    def _send(self, case: Case | None, chosen: Candidate, order: RunCheck) -> bool:
        checker = self._checkers[chosen.id]
        if not checker.session.tell(order):
            self._trials.lose(order.check)
            return False
        until = self._peers.clock.monotonic() + self._settings.check_seconds
        checker.busy = order.check
        self._running[order.check] = (case, checker, until, len(order.draws))
        return True

    @handles(Reported)
    async def reported(self, message: Reported) -> None:
        running = self._running.get(message.check)
        if running is None or running[1].candidate.id != message.node:
            return  # too late, or not asked
        case, checker, _, crops = self._running.pop(message.check)
        checker.busy = None
        told = message.report
        report = NoReport(message.reason) if told is None else answer(told, crops)
        if case is None:
            now, limits = self._peers.clock.now(), self._settings.thresholds
            self._trials.hear(message.check, checker.candidate, report, now, limits)
            return
        case.check = None
        if isinstance(report, NoReport):
            log.warning("a check by node %s came to nothing: %s", message.node, report.reason)
            case.tried |= {message.node}
            return
        case.hear(report, checker.candidate, self._settings.thresholds)
        case.acquit(self._settings.own)
        if case.verdict is not None and case.id in self._cases:
            await self._conclude(case)

    # -- what follows

    async def _conclude(self, case: Case) -> None:
        """Ask the Ledger, once the object was looked at again; and again until it answers."""
        now = self._peers.clock.monotonic()
        if case.asked_at is not None and now - case.asked_at < self._settings.answer_seconds:
            return
        if case.verdict != "mismatch" and not await self._is_there(case):
            return
        assert case.verdict is not None, "there is something to conclude"
        row = case.pending.row
        effect = UnitVerdict(
            job=row.job_id,
            unit=row.unit,
            attempt=row.attempt,
            verdict=case.verdict,
            said=case.said,
            verifier=case.verifier,
            operator=row.operator,
            # Who says of itself that it is what nobody can check is not paid until it was checked
            # often enough.
            pays=self._settings.pays_unverifiable and case.is_known,
            receipt=self._receipt(case, case.verdict),
            retry_at=None if case.is_over else self._retry(case),
            withdrawn=case.withdrawn,
            checked=case.checked,
            check_percent=self._settings.check_percent,
        )
        if self._peers.ledger.tell(Commit(effects=(effect,), observer=self.ref, tag=case)):
            case.asked_at = now

    async def _is_there(self, case: Case) -> bool:
        """Whether the verdict can be asked for.

        An object that was swapped, or is gone, since it was delivered is a mismatch.
        """
        row = case.pending.row
        try:
            same = await self._holds(case.place(result_key), row.sha256, row.size)
            if same and row.evidence_size is not None:
                key = case.place(evidence_key)
                same = await self._holds(key, row.evidence_sha256, row.evidence_size)
        except ObjectsUnavailable:
            return False
        if not same:
            case.swap()
        return True

    async def _holds(self, key: str, sha256: bytes | None, size: int | None) -> bool:
        """Whether the store has just this there."""
        found = await self._peers.objects.head(key)
        return found is not None and found.size == size and found.sha256 in (None, sha256)

    def _retry(self, case: Case) -> datetime | None:
        unit = case.pending
        wait = wait_seconds(
            failures=unit.failures, faults=unit.faults, tried=unit.tries, is_nodes=True
        )
        return None if wait is None else self._peers.clock.now() + timedelta(seconds=wait)

    def _receipt(self, case: Case, verdict: FinalVerdict) -> Issued | None:
        return issued(case.pending, verdict, self._peers.signer, self._peers.clock.now())

    @handles(Decided)
    async def decided(self, message: Decided) -> None:
        case, outcome = message.tag, message.outcome
        assert isinstance(case, Case), "every commit of ours is about a case"
        if isinstance(outcome, BooksAway):
            case.asked_at = None
            return
        if isinstance(outcome, Posted):
            log.info("unit %s:%d:%d is %s %s", *case.id, case.verdict, case.said)
            if case.verdict == "mismatch":
                self._caught.add(case.pending.row.node_id)
            elif case.verdict in ("exact", "match", "consistent"):
                self._refuting.add(case.id[:2])
            self._make_trial(case)
        units = getattr(outcome, "units", ())
        if units:
            self._peers.scheduler.tell(UnitsChanged(units))
            self._peers.notifier.tell(UnitsMoved(units))
        if self._cases.get(case.id) is case:
            self._forget(case)
