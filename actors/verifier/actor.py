"""The Verifier: has what was delivered looked at, and asks the Ledger for what follows."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Final
from uuid import UUID

from actors.kernel import handles
from actors.verifier.case import Case, CaseId
from actors.verifier.checkers import Checkers
from actors.verifier.choice import Candidate, choose, glance, ours
from actors.verifier.claims import Claims
from actors.verifier.concluding import Concluding
from actors.verifier.crops import NOWHERE, Places, least_of
from actors.verifier.messages import Caught, Look, ReadBack, Reported
from actors.verifier.notes import Notes
from actors.verifier.reading import SECONDS, Reading, is_readable
from actors.verifier.recall import Recall
from actors.verifier.report import NoReport, Report, answer
from actors.verifier.scenes import Scenes
from actors.verifier.second import LookingTwice, SecondLooks
from actors.verifier.settings import Peers, VerifierSettings
from actors.verifier.trials import Trials
from actors.verifier.vouching import note_word
from actors.verifier.warden import Known, Warden
from actors.verifier.wholes import Whole, Wholes
from sql import sampling
from sql.checks import Pending, Place, UncutScene
from sql.database import Unavailable
from sql.reputation import STRIKES_MOST
from sql.work import MINE, TRUSTED

SECRET_BYTES: Final = 32
OURS_FIRST_SECONDS: Final = 60.0  # since it was delivered, for a gateway where they are connected
ROUND_SECONDS: Final = 20.0  # of steps in one look: the store may be slow
SOON_SECONDS: Final = 0.05  # to the next reading, where more waits than one has
log = logging.getLogger(__name__)


class VerifierActor(Concluding, LookingTwice):
    """It keeps nothing that matters: what waits stands in the books, and a check that is lost, with
    a node or with us, is made again. The secret is this life's own.
    """

    def __init__(self, peers: Peers, settings: VerifierSettings) -> None:
        self._peers, self._settings = peers, settings
        self._secret = peers.random.token(SECRET_BYTES)
        self._since = peers.clock.monotonic()  # this life's beginning
        self._all_there_at = self._since + settings.grace_seconds
        self._cases: dict[CaseId, Case] = {}
        self._known = Known()  # of nodes of which something waits
        self._after: Place | None = None  # where the next reading begins
        self._accused: set[UUID] = set()  # nodes of which something was called wrong that waits
        self._notes = Notes(peers.store)
        self._checkers = Checkers()
        self._wholes = Wholes()
        self._scenes = Scenes()
        self._recall = Recall(peers)
        self._second = SecondLooks(peers.store)
        self._reading = Reading()
        self._trials = Trials(self._secret, settings.trial_odds)
        self._warden = Warden(peers.store, peers.clock, peers.scheduler)
        self._claims = Claims(peers.store, peers.gateway, settings.claim_seconds)

    async def started(self) -> None:
        self.after(self._settings.look_seconds, Look(), jitter=0.1)

    # -- what waits

    @handles(Look)
    async def look(self, _: Look) -> None:
        wait = self._settings.look_seconds
        try:
            await self._trials.learn(self._peers.store, self._checkers.nodes)
            self._expire()
            self._wholes.attend(self._checkers.running, self._peers.clock.monotonic())
            await self._advance_ours(sorted(await self._read(), key=lambda case: case.turn))
            wait = wait if self._after is None else min(wait, SOON_SECONDS)
            await self._note_trials()
            await self._notes.keep()
            await self._warden.attend()
            await self._recall.attend(self.ref)
            await self._look_twice()
        except Unavailable as error:
            log.warning("nothing is checked: %s", type(error).__name__)
        self.after(wait, Look(), jitter=0.1)

    async def _read(self) -> list[Case]:
        """The next that wait, so many at a time: those that nobody can check keep nobody waiting.

        What is decided, or was cancelled, is forgotten; a check of it ends.
        """
        after, most = self._after, self._settings.at_once
        found = await self._peers.store.pending_checks(most, after)
        self._after = until = found[-1].place if len(found) >= most else None
        cases = {one.row.id: self._case_of(one) for one in found}
        for one in found:  # by another of the scene's frames, since it was read first
            cases[one.row.id].is_uncut |= one.is_uncut
        others = {
            of: case
            for of, case in self._cases.items()
            if not case.pending.is_between(after, until)
        }
        self._cases = {**others, **cases}
        for running in self._checkers.about_none_of(self._cases.values()):
            if not self._is_second(running):
                self._checkers.drop(running)
        self._accused = {c.pending.row.node_id for c in self._cases.values() if c.is_accused}
        self._known = await self._warden.known(
            {case.pending.row.node_id for case in self._cases.values()}
        )
        return list(cases.values())

    def _case_of(self, found: Pending) -> Case:
        known = self._cases.get(found.row.id)
        return (
            known
            if known is not None and known.is_known_of(found)
            else Case.opened(found, self._peers.clock.monotonic())
        )

    async def _advance_ours(self, cases: Sequence[Case]) -> None:
        """The next step of those that no other gateway has."""
        others = [one for one in self._cases.values() if one.is_begun and one not in cases]
        others += [self._second.case] if self._second.case is not None else []
        ours = await self._claims.take([*[c for c in cases if await self._may_act(c)], *others])
        until = self._peers.clock.monotonic() + ROUND_SECONDS
        for case in cases:
            if case in ours and self._peers.clock.monotonic() < until:
                await self._advance(case)
        await self._claims.release(ours)

    async def _may_act(self, case: Case) -> bool:
        """Whether there is a next step here: a check may be another gateway's, whose nodes can."""
        if case.is_begun:
            return True
        if not case.drawn:  # anew each time: its node may have been caught meanwhile
            case.drawn = await self._is_drawn(case)
        if case.is_unnamed or self._is_late(case):
            return True
        now = self._peers.clock.monotonic()
        if case.drawn and case.is_uncut and case.is_cut:
            return self._checkers.has_free_for(case, now)
        if case.drawn:
            return self._choice(case)[0] is not None
        able = self._checkers.able(case, now, own=True)
        if not able:
            return not self._is_left_to_ours(case, now)
        return glance(able, case.subject) is not None

    def _is_left_to_ours(self, case: Case, now: float) -> bool:
        """Whether the gateway's own may be connected to another gateway, which has it first."""
        if not self._settings.own or self._checkers.has_own:
            return False
        may = self._settings.enabled and case.pool != MINE
        return may and now - case.since < OURS_FIRST_SECONDS

    @handles(Caught)
    async def caught(self, message: Caught) -> None:
        self._warden.suspect(message.node)
        self._recall.again()

    async def _note_trials(self) -> None:
        for node in await self._trials.write(self._peers.store):
            log.warning("node %s found valid what is not, or wrong what is right", node)
            self._warden.suspect(node)

    async def _advance(self, case: Case) -> None:
        """The next step of a case, if it is its turn."""
        self._take_over(case)
        if case.verdict is None and case.check is None:
            self._begin(case)
            case.acquit(self._settings.own)
        if case.verdict is not None:
            await self._conclude(case)

    def _is_late(self, case: Case) -> bool:
        """Whether it waited as long as it may."""
        window = case.pending.row.window_seconds
        return self._waited(case) >= (window if case.is_again else self._settings.wait_seconds)

    def _begin(self, case: Case) -> None:
        """Have somebody look at it, or end it without."""
        row, late = case.pending.row, self._is_late(case)
        if case.unread is not None:
            self._read_again(case)
            return
        if case.is_again and not late and self._checkers.is_recalling:
            return
        if not case.drawn:
            self._have_looked_at(case, late=late)
        elif row.packed:
            case.verdict, case.said = "unverifiable", "it was delivered before an upgrade"
        elif row.sha256 is None or row.size is None:
            case.verdict, case.said = "unverifiable", "the store tells no SHA-256 of it"
        elif late:
            case.give_up(is_suspected=self._is_suspected(case))
        elif case.whole is not None:
            self._have_rendered_whole(case, case.whole)
        elif case.is_uncut and case.is_cut:
            self._have_rendered_whole(case, case.begin_uncut(self._secret))
        else:
            self._have_checked(case)

    def _read_again(self, case: Case) -> None:
        """Read what a checker could not: it may be the checker that failed, or the store."""
        if not self._reading.begin(case.id, self._peers.clock.monotonic()):
            return

        async def read() -> ReadBack:
            return ReadBack(*case.id, await is_readable(case, self._peers.objects))

        self.background(read, within=SECONDS, otherwise=ReadBack(*case.id, None))

    @handles(ReadBack)
    async def read_back(self, message: ReadBack) -> None:
        name = message.job, message.unit, message.attempt
        self._reading.end(name, self._peers.clock.monotonic())
        case = self._cases.get(name)
        if case is None or case.unread is None or case.verdict is not None:
            return
        if message.is_readable:
            case.unread = None
            return
        if message.is_readable is False:
            case.end_unread()
        elif self._is_late(case):  # the store has been away: that is not its node's fault
            case.unread = None
            case.give_up(is_suspected=self._is_suspected(case))
            case.acquit(self._settings.own)
        else:
            return  # it is read again
        await self._conclude(case)

    async def _is_drawn(self, case: Case) -> bool:
        if not self._settings.enabled:
            return False
        if case.pool == MINE:  # it is paid by nobody, and shown to nobody
            return False
        if case.is_again:
            return True
        row = case.pending.row
        in_row = self._known.streaks.get((row.node_id, row.device_class), 0)
        is_honest = in_row >= sampling.ALWAYS_UNTIL and not self._is_suspected(case)
        case.is_known = is_honest or row.node_id in self._settings.own
        if self._is_suspected(case):  # until all is made good
            return True
        if case.pool == TRUSTED and not self._settings.own:
            return False  # nobody else may see it, and its creator trusts its node
        if row.attempt > 1 and await self._peers.store.scene_words(row.job_id, row.unit):
            return True  # somebody said that it cannot be rendered
        return row.drawn is not False  # nobody drew for what came through an older gateway

    def _is_suspected(self, case: Case) -> bool:
        """Whether its node lied, or something else of it that waits was called wrong: then nothing
        of it is settled unseen.
        """
        node = case.pending.row.node_id
        is_struck = self._known.strikes.get(node, 0) > 0
        return is_struck or self._warden.suspects(node) or node in self._accused

    def _is_ours_alone(self, case: Case) -> bool:
        """Whether no stranger is asked: of who is suspected, and where a check of the unit found
        something wrong before, his friend may be waiting for it.
        """
        is_odd = self._is_suspected(case) or bool(case.pending.blamed)
        return is_odd and self._checkers.has_own_kin_of(case.subject)

    def _is_out(self, case: Case) -> bool:
        """Whether its node has as many strikes as a quarantine takes."""
        return self._known.strikes.get(case.pending.row.node_id, 0) >= STRIKES_MOST

    def _have_looked_at(self, case: Case, *, late: bool) -> None:
        """By the gateway's own, where one is there: whether it is such a picture at all."""
        row, now = case.pending.row, self._peers.clock.monotonic()
        ours = self._checkers.able(case, now, own=True)
        told = row.sha256 is not None and row.size is not None
        may = self._settings.enabled and case.pool != MINE and told and not row.packed
        if may and not ours and self._settings.own and now < self._all_there_at:
            return  # it comes back
        if case.is_again and may and not (ours or late):
            return
        if late or not may or not ours:
            case.pass_by(is_suspected=may and self._is_suspected(case))
            return
        chosen = glance(ours, case.subject)
        if chosen is not None:
            self._have_asked(case, chosen, NOWHERE)

    def _choice(self, case: Case) -> tuple[Candidate | None, bool]:
        """Who is asked about it now, and whether only for a look before it is checked."""
        unit, now = sampling.unit_name(*case.id), self._peers.clock.monotonic()
        is_ours = bool(case.away.last) or self._is_long(case)  # if one of them is free
        chosen = choose(
            self._checkers.able(case, now, own=self._is_ours_alone(case)),
            case.subject,
            secret=self._secret,
            unit=unit,
            result=case.pending.row.sha256 or b"",
            asked=case.asked,
            last=case.away.last,
            resting=self._checkers.resting(now),
            own_odds=1.0 if is_ours else self._settings.own_odds,
        )
        if chosen is None or chosen.is_own or not self._settings.own:
            return chosen, False
        if not case.is_seen and self._is_strange(case):
            first = glance(self._checkers.able(case, now, own=True), case.subject)
            if first is not None or not case.is_known:
                return first, True
        return chosen, False

    def _have_checked(self, case: Case) -> None:
        chosen, looks = self._choice(case)
        if chosen is not None and looks:
            self._have_asked(case, chosen, NOWHERE)
        elif chosen is not None and not self._tries(case, chosen, sampling.unit_name(*case.id)):
            # Who looks second looks elsewhere; whose word refutes another looks there, too.
            self._have_asked(case, chosen, case.places(self._secret, is_own=chosen.is_own))

    def _is_strange(self, case: Case) -> bool:
        """Whether one of the gateway's own looks before a stranger: as a friend would call anything
        a picture; or as a trial says how many samples it has, and so must any other check.
        """
        tries = self._settings.trial_odds > 0
        return not case.is_known or (tries and self._scenes.lack(case))

    def _take_over(self, case: Case) -> None:
        """What another's node had half of its time for is the gateway's own, as soon as one of them
        is free; until then it may go on. That is never too late, as it did not wait for nobody.
        """
        running, now = self._checkers.held(case), self._peers.clock.monotonic()
        if running is None or not self._is_long(case):
            return
        chosen = ours(self._checkers.able(case, now, own=True), case.subject)
        if chosen is not None:
            self._end(running)
            self._have_asked(case, chosen, case.places(self._secret, is_own=True))

    def _have_rendered_whole(self, case: Case, whole: Whole) -> None:
        """Before crops that differ are a strike; where they say nothing, if it can be done now."""
        if whole.why == "crops" and case.is_blameless(self._settings.own):
            case.verdict = "mismatch"
            return
        if whole.why == "crops" and not case.is_again and self._is_out(case):
            case.end_whole()  # one strike more changes nothing, and its creator waits
            return
        now, creator = self._peers.clock.monotonic(), case.pending.user
        chosen = ours(self._checkers.able(case, now, own=True), case.subject)
        if chosen is not None and self._wholes.may(creator, now):
            check = self._have_asked(case, chosen, whole.at, whole=True)
            self._wholes.begin(check, creator, now)
        elif not whole.can_wait:
            case.end_whole()

    def _tries(self, case: Case, chosen: Candidate, unit: bytes) -> bool:
        """Whether it gets a trial instead, or nothing, as it is not believed."""
        if chosen.is_own:
            return False
        doubted = chosen.id in self._trials.doubted
        if doubted or (chosen.id not in case.tested and self._trials.is_due(chosen.id, unit)):
            case.tested |= {chosen.id}
            order = self._trials.give(chosen, self._peers.random.uuid(), self._peers.clock.now())
            if order is not None:
                self._ask(None, chosen, order)
                return True
        if doubted:
            self._note_failed(case, chosen.id)
        return doubted

    def _have_asked(self, case: Case, who: Candidate, at: Places, *, whole: bool = False) -> UUID:
        samples = None if who.is_own else self._scenes.of(case)
        order = case.asks(self._peers.random.uuid(), at, whole=whole, samples=samples)
        self._ask(case, who, order)
        return order.check

    @handles(Reported)
    async def reported(self, message: Reported) -> None:
        running = self._checkers.end(message.check, message.node)
        if running is None:
            return  # too late, or not asked
        told, checker, case = message.report, running.checker.candidate, running.case
        of, whole, at = running.order, running.order.whole, self._peers.clock.now()
        heard = None if told is None else answer(told, of.count, least_of(of.unit))
        report = heard or NoReport(message.reason)
        if isinstance(report, NoReport):
            self._checkers.rest(running, self._peers.clock.monotonic())
        if case is None:
            self._trials.hear(message.check, checker, report, at, self._settings.thresholds)
        elif self._is_second(running) and not isinstance(report, NoReport):
            self._hear_twice(case, report, checker)
        elif isinstance(report, NoReport):
            log.warning("a check by node %s came to nothing: %s", message.node, report.reason)
            is_unread = message.is_unread and self._cases.get(case.id) is case
            case.unread = report.reason if is_unread else case.unread
            self._note_failed(case, message.node, whole=whole and not is_unread)
        else:
            if checker.is_own:
                self._scenes.learn(case, report)
            self._hear(case, report, checker, whole=whole)
            if case.verdict == "unchecked" and self._is_suspected(case):
                case.verdict, case.drawn, case.is_seen = None, True, True
            if not (checker.is_own or self._checkers.has_kin_of(case.subject)):
                case.disregard()
            case.acquit(self._settings.own)
            note_word(case, running, report, at, (self._notes, self._trials))
            case.go_on()
            with suppress(Unavailable):  # at the next look
                await self._notes.keep()
                await self._note_trials()
            if case.verdict is not None and case.id in self._cases:
                await self._conclude(case)

    def _hear(self, case: Case, report: Report, checker: Candidate, *, whole: bool) -> None:
        (case.hear_whole if whole else case.hear)(report, checker, self._settings.thresholds)
        self._note_accusation(case)
        if whole and case.is_otherwise:
            self._notes.add(UncutScene(case.scene, case.id, self._peers.clock.now()))

    def _note_accusation(self, case: Case) -> None:
        """What else waits of its node is to be checked; who accused it wrongly is not believed."""
        if case.is_accused:
            self._accused.add(case.pending.row.node_id)
        new = case.suspect(self._peers.clock.now())
        if new is not None:
            self._notes.add(new)
        if case.refuted is not None:
            check, now = self._peers.random.uuid(), self._peers.clock.now()
            self._trials.refute(case.refuted, case, check, now)
            case.refuted = None
