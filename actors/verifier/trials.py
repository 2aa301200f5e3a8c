"""Whether verifiers look at all: checks of which the right answer is known, given as any others.

A trial is the check of a result that was found valid, but with another number of samples than it
was rendered with: what is seen of it is wrong, and nothing in what a verifier is sent tells so. The
gateway's own verifier answers it first, as there are scenes, and parts of them, that any number of
samples renders alike. It looks at many crops, of which three are put together: where it can be
done, two that are right and one that is wrong, so that who renders one of three does not find it.
"""

from collections import Counter
from collections.abc import Sequence, Set
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

import attrs

from actors.node_session.messages import RunCheck
from actors.ports import Store
from actors.verifier.asking import order_for
from actors.verifier.case import Case
from actors.verifier.choice import Candidate, may_check
from actors.verifier.crops import COUNT, Places, draws
from actors.verifier.report import NoReport, Report
from actors.verifier.verdict import DEFAULTS, Thresholds, Verdict, is_valid, of_all
from sql.checks import Pending, TrialGiven, TrialMade, TrialNote, TrialRow, VerifierTest, Voucher
from sql.sampling import draw, unit_name

KEPT: Final = 16
SAMPLES: Final = (4, 8, 16, 32)
ALARMS_MOST: Final = 3  # suspicions that were refuted
LOOKS: Final = 5  # times three crops that the gateway's own looks at


@attrs.define
class Trials:
    """What is known, who is to be tried, and whom nobody believes: ``notes`` are to be written
    down, and ``read`` are the nodes of which the database was asked.
    """

    secret: bytes
    odds: float  # that a check is preceded by one, and that one is made of a result; 0: none is
    known: list[TrialRow] = attrs.field(factory=list[TrialRow])
    passed: set[UUID] = attrs.field(factory=set[UUID])  # nodes that need none for now
    doubted: set[UUID] = attrs.field(factory=set[UUID])  # whose last one was wrong
    running: dict[UUID, TrialRow] = attrs.field(factory=dict[UUID, TrialRow])
    notes: list[TrialNote] = attrs.field(factory=list[TrialNote])
    read: set[UUID] = attrs.field(factory=set[UUID])
    alarms: Counter[UUID] = attrs.field(factory=Counter[UUID])  # suspicions refuted since the last
    is_read: bool = False

    async def learn(self, store: Store, nodes: Set[UUID]) -> None:
        """What was known and said in lives before this one; of each node, once it is there.

        Raises Unavailable.
        """
        if not self.is_read:
            self.known, self.is_read = [*await store.trials(KEPT), *self.known][-KEPT:], True
        new = sorted(nodes - self.read)
        if new:
            last = await store.last_tests(new)
            self.read |= {*new}
            self.passed |= {node for node, passed in last.items() if passed}
            self.doubted |= {node for node, passed in last.items() if not passed}

    async def write(self, store: Store) -> list[UUID]:
        """Keep what is new; the nodes that called one valid. Raises Unavailable: then again."""
        failed: list[UUID] = []
        while self.notes:
            await store.note_trial(self.notes[0])
            test = self.notes.pop(0)
            if isinstance(test, VerifierTest) and not test.passed:
                failed.append(test.node_id)
        return failed

    def is_wanted(self, device_class: str, name: bytes) -> bool:
        """Whether one is to be made of a valid result of this class."""
        lacks = all(one.of.row.device_class != device_class for one in self.known)
        return self.odds > 0 and (lacks or draw(self.secret, b"make", name, b"") < self.odds)

    def begin(self, pending: Pending, check: UUID, stated: int | None = None) -> RunCheck:
        """What the gateway's own is asked, of a result that was found valid, of so many samples."""
        name = unit_name(*pending.row.id)
        able = [count for count in SAMPLES if count != stated]
        samples = able[int(draw(self.secret, b"samples", name, check.bytes) * len(able))]
        looks = [
            draws(self.secret, b"trial:%d:" % look + name, check.bytes) for look in range(LOOKS)
        ]
        drawn = tuple(one for look in looks for one in look)
        self.running[check] = trial = TrialRow(check, pending, samples, drawn)
        return _order(trial, check)

    def is_due(self, node: UUID, name: bytes) -> bool:
        """Whether a trial comes before what it is to check: the first time, and now and then."""
        often = draw(self.secret, b"due", name, node.bytes) < self.odds
        return self.odds > 0 and (often or node not in self.passed)

    def give(self, candidate: Candidate, check: UUID, now: datetime) -> RunCheck | None:
        """One that its owner was not given yet, with a name of its own."""
        for number, trial in enumerate(self.known):
            case, owner = Case(trial.of), candidate.owner
            may = may_check(candidate, case.subject, trial.owners | case.barred)
            if owner is not None and may:
                self.known[number] = attrs.evolve(trial, owners=trial.owners | {owner})
                self.notes.append(TrialGiven(trial.id, owner, now))
                self.running[check] = trial
                return _order(trial, check)
        return None

    def took(self, check: UUID) -> float:
        """Seconds that its unit took a node."""
        return self.running[check].of.took

    def refute(self, accuser: Candidate, case: Case, check: UUID, now: datetime) -> None:
        """The gateway's own looked where it did, and found all right. Who called that a mismatch
        has failed as in a trial. Who called it suspicious may have a machine that differs a little;
        after a few he is not believed until he answers a trial rightly.
        """
        if case.first != "mismatch":
            self.alarms[accuser.id] += 1
            if self.alarms[accuser.id] >= ALARMS_MOST:
                self._doubt(accuser.id)
            return
        self._doubt(accuser.id)
        told = (check, accuser.id, accuser.device_class, *case.id)
        self.notes.append(VerifierTest(*told, passed=False, at=now, accused=True))

    def blame(self, voucher: Voucher, now: datetime) -> None:
        """The gateway's own looked just where he did, and found wrong what he called valid. Said
        twice, after a restart, it is one strike.
        """
        self._doubt(voucher.verifier_id)
        name = uuid5(voucher.verifier_id, "{}:{}:{}".format(*voucher.of))
        told = (name, voucher.verifier_id, voucher.device_class, *voucher.of)
        self.notes.append(VerifierTest(*told, passed=False, at=now))

    def _doubt(self, node: UUID) -> None:
        self.doubted.add(node)
        self.passed.discard(node)

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
    ) -> None:
        """The gateway's own makes it known; another's answer is noted, if it is one.

        Who breaks down is not blamed, and is tried again; so is who tells of a fault: there may be
        one by now, and in a check it is the gateway's own that confirms it.
        """
        trial = self.running.pop(check)
        if isinstance(report, NoReport) or report.fault is not None or report.looked:
            return
        if candidate.is_own:
            # One whose evidence says what it was rendered with is none.
            is_odd = report.unable is not None or report.is_stamped
            made = None if is_odd else _made(self.secret, trial, report, candidate)
            if made is not None:
                self.known = [*self.known, made][-KEPT:]
                self.notes.append(TrialMade(made, now))
            return
        # The gateway's own could: who says that such a scene cannot be checked does not want to.
        sees = report.unable is None and _sees(report, trial, thresholds)
        if sees and not _lets_go(report, trial, thresholds):
            self._doubt(candidate.id)  # it calls all wrong; no strike, as no honest one has any
            return
        passed = sees
        self.alarms.pop(candidate.id, None)
        (self.passed if passed else self.doubted).add(candidate.id)
        (self.doubted if passed else self.passed).discard(candidate.id)
        name, machine = trial.of.row.id, candidate.device_class
        self.notes.append(VerifierTest(check, candidate.id, machine, *name, passed, now))


def _order(trial: TrialRow, check: UUID) -> RunCheck:
    return order_for(trial.of, check, Places(draws=trial.draws), samples=trial.samples)


def _sees(report: Report, trial: TrialRow, thresholds: Thresholds) -> bool:
    """Whether it says of each crop that cannot be right that it is not."""
    found = report.by_crop(len(trial.draws)) or []
    return not any(is_valid(of_all(found[number], thresholds)) for number in trial.wrong)


def _lets_go(report: Report, trial: TrialRow, thresholds: Thresholds) -> bool:
    """Whether it says of none of the others, which are right, that it is far off."""
    found = report.by_crop(len(trial.draws)) or []
    right = [one for number, one in enumerate(found) if number not in trial.wrong]
    return all(is_valid(of_all(one, thresholds)) for one in right)


def _made(secret: bytes, trial: TrialRow, report: Report, own: Candidate) -> TrialRow | None:
    """Three of the crops that were looked at, in the order of their kinds. It is a trial where the
    gateway's own sees a mismatch in one: not what is merely far off.

    Only who is of the same class sees the same; else the first three are taken as they were drawn.
    """
    said: list[Verdict] = [of_all(one, DEFAULTS) for one in report.by_crop(len(trial.draws)) or []]
    if not said:
        return None
    chosen: tuple[int, ...] | None = tuple(range(COUNT))
    if own.device_class == trial.of.row.device_class:
        chosen = _chosen(secret, trial, said)
    wrong = frozenset(n for n, place in enumerate(chosen or ()) if said[place] == "mismatch")
    unsure = any(said[place] == "suspicious" for place in chosen or ())
    if chosen is None or not wrong or unsure:
        return None
    return attrs.evolve(trial, draws=tuple(trial.draws[place] for place in chosen), wrong=wrong)


def _chosen(secret: bytes, trial: TrialRow, said: Sequence[Verdict]) -> tuple[int, ...] | None:
    """One of each kind, the first kind that is drawn a wrong one, the others right ones where there
    are any.
    """
    kinds = [[*range(kind, len(said), COUNT)] for kind in range(COUNT)]
    start = int(draw(secret, b"wrong", unit_name(*trial.of.row.id), trial.id.bytes) * COUNT)
    for turn in range(COUNT):
        one = (start + turn) % COUNT
        bad = [place for place in kinds[one] if said[place] == "mismatch"]
        others = [
            [place for place in kind if is_valid(said[place])]
            or [place for place in kind if said[place] == "mismatch"]
            for kind in kinds
        ]
        if bad and all(others):
            return tuple(bad[0] if kind == one else others[kind][0] for kind in range(COUNT))
    return None
