"""What the Verifier keeps of one delivery until its verdict is in the books."""

from collections.abc import Callable, Set
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

import attrs

from actors.node_session.messages import RunCheck
from actors.verifier.again import Again
from actors.verifier.asking import order_for, params_of_unit
from actors.verifier.away import Away
from actors.verifier.choice import Candidate
from actors.verifier.crops import NOWHERE, Places, places
from actors.verifier.messages import Checked, FinalVerdict
from actors.verifier.report import UNSEEN, Report, held_to
from actors.verifier.verdict import Thresholds, Verdict, decided, is_valid, of_all
from actors.verifier.wholes import PICTURE, Whole
from sql.checks import Pending, Suspicion, Voucher
from sql.sampling import unit_name
from sql.unit_params import Kind, kind_of
from sql.work import ANY, POOL, TRUSTED

CaseId: TypeAlias = tuple[UUID, int, int]  # job, unit, attempt
FAULT_WORDS = 300
VALID = ("exact", "match", "consistent")
FAILED = ("mismatch", "doubtful")
OWNERS_FOR_SCENE = 3
UNCUT = "parts of this scene come out otherwise than its whole frame"
UNMADE = "its crops are right, but who makes its picture of its evidence dies of it"
UNREAD = "its crops are right, but the picture is of a kind that the checker does not read"


@attrs.define(eq=False)
class Case:
    """A delivery. ``first`` is a word that another must confirm; ``verdict`` is the last one, which
    the Ledger was asked to book at ``asked_at``.
    """

    pending: Pending
    since: float = 0.0  # when it was opened, in seconds of this gateway's monotonic clock
    drawn: bool | None = None
    first: Literal["suspicious", "mismatch"] | None = None
    said: str = ""
    asked: frozenset[UUID] = frozenset()  # owners who looked
    tried: frozenset[UUID] = frozenset()  # nodes that said what they can, which was nothing
    away: Away = attrs.field(factory=Away)  # nodes that came to nothing
    tested: frozenset[UUID] = frozenset()  # nodes that had a trial before it
    refuted: Candidate | None = None  # whose first word the gateway's own found wrong
    check: UUID | None = None
    verdict: FinalVerdict | None = None
    verifier: UUID | None = None
    suspects: Candidate | None = None  # who said ``first``
    checked: tuple[Checked, ...] = ()
    unable: str | None = None  # why a check cannot be made, as somebody said
    unable_by: frozenset[UUID] = frozenset()  # owners who said so
    withdrawn: bool = False  # no mismatch on the unit is a strike: the scene is at fault
    is_seen: bool = False  # one of the gateway's own saw that it is such a picture
    suspicion: Suspicion | None = None  # ``first``, as it is kept
    looks_at: Places = NOWHERE  # where who was asked last looks
    first_at: Places = NOWHERE  # where ``first`` was seen
    whole: Whole | None = None  # its frame is to be rendered whole, and why
    is_uncut: bool = False  # what parts of its scene show says nothing of its frames
    is_known: bool = False  # its node was found honest, with this class, often enough
    again: Again | None = None  # it was settled, and waits again
    misjudged: Voucher | None = None  # whose word on it was shown wrong since
    unread: str | None = None  # why a checker could not read it; nobody could since
    asked_at: float | None = None

    @classmethod
    def opened(cls, pending: Pending, now: float = 0.0) -> "Case":
        """As it stands: what somebody called wrong before a restart is suspected still."""
        case = cls(pending, now - pending.waited, is_uncut=pending.is_uncut)
        told = pending.suspicion
        if told is not None:
            case.suspicion, case.first, case.said = told, told.word, told.said
            case.first_at = Places(told.draws, told.shown)
            case.verifier = told.verifier_id
            case.suspects = Candidate(told.verifier_id, told.owner_id, told.device_class)
            case.asked = _owner(case.suspects)
        if pending.is_again:
            case.again = Again(pending.voucher, case.frames if case.kind == "chunk" else 0)
        return case

    def suspect(self, at: datetime) -> Suspicion | None:
        """The first word on it, where that is new."""
        by = self.suspects
        if self.first is None or by is None or self.suspicion is not None:
            return None
        self.suspicion = Suspicion(
            *self.id,
            verifier_id=by.id,
            owner_id=by.owner,
            device_class=by.device_class,
            word=self.first,
            said=self.said,
            at=at,
            draws=self.first_at.draws,
            shown=self.first_at.shown,
        )
        return self.suspicion

    @property
    def is_begun(self) -> bool:
        """Return whether this gateway works on the case, or knows what others do not."""
        found = (self.check, self.verdict, self.whole, self.unread)
        return any(one is not None for one in found)

    @property
    def is_unnamed(self) -> bool:
        """Return whether no checker can be asked: its result cannot be named."""
        row = self.pending.row
        return row.packed or row.sha256 is None or row.size is None

    def is_known_of(self, found: Pending) -> bool:
        """Return whether this case is current: no other gateway has noted a suspicion since."""
        return found.suspicion is None or self.suspicion is not None

    @property
    def scene(self) -> tuple[UUID, str]:
        """Whose, and which."""
        return self.pending.user, self.pending.payload_ref

    @property
    def id(self) -> CaseId:
        row = self.pending.row
        return row.job_id, row.unit, row.attempt

    def place(self, named: Callable[[UUID, UUID, int, int], str]) -> str:
        """The key that ``named`` gives to what was delivered."""
        return named(self.pending.user, *self.id)

    @property
    def kind(self) -> Kind:
        """What was delivered."""
        return kind_of(self.pending.job_type, params_of_unit(self.pending))

    def places(self, secret: bytes, *, is_own: bool) -> Places:
        """Where who checks it looks; who looks second looks elsewhere, the gateway's own there."""
        name, result = unit_name(*self.id), self.pending.row.sha256 or b""
        again = None if self.again is None else self.again.places(secret, name, result)
        if again is not None:
            return again
        if self.first_at.shown:  # what others of several show says nothing of those
            return Places(shown=self.first_at.shown)
        turn = secret + bytes([self.first is not None])
        at = places(self.kind, self.frames, turn, name, result)
        return attrs.evolve(at, draws=(*at.draws, *(self.first_at.draws if is_own else ())))

    @property
    def frames(self) -> int:
        """How many it is of."""
        return len(params_of_unit(self.pending).get("frames") or [0])

    def go_on(self) -> None:
        """It has no verdict yet where there is more to be looked at."""
        if self.again is not None and self.verdict in VALID:
            self.verdict = self.again.after(self.verdict)

    @property
    def turn(self) -> tuple[bool, int]:
        """By which cases are attended to: what is fresh, then what was looked at least."""
        return self.again is not None, self.again.done if self.again else 0

    @property
    def stated(self) -> int | None:
        """The number of samples that its job says."""
        found: int | None = self.pending.params.get("samples")
        return found

    @property
    def is_otherwise(self) -> bool:
        """Whether its crops differ, and those of the whole frame do not."""
        return self.whole is not None and self.whole.why == "crops" and self.is_uncut

    @property
    def is_cut(self) -> bool:
        """Whether it is held against crops of its own."""
        return self.kind in ("frame", "tile")

    @property
    def is_again(self) -> bool:
        """Whether it was settled, seen by strangers at most, and its share waits as its node was
        caught since.
        """
        return self.pending.is_again

    @property
    def is_over(self) -> bool:
        """Whether its unit gets no other try by this verdict, whichever it is."""
        return self.withdrawn or self.verdict not in FAILED

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
    def barred(self) -> frozenset[UUID]:
        """Owners who may not check it: who ordered it, and who is in an organisation with him. They
        would have the picture before it is paid for.
        """
        return self.pending.friends | {self.pending.user}

    @property
    def is_accused(self) -> bool:
        """Whether somebody called it wrong, and nobody cleared it."""
        is_called_so = self.first is not None or (self.whole is not None and self.whole.can_wait)
        return self.verdict in FAILED or (self.verdict is None and is_called_so)

    def pass_by(self, *, is_suspected: bool) -> None:
        """Nobody looks at it. What a node that is suspected delivered nobody is charged for."""
        self.verdict = "unverifiable" if is_suspected else "unchecked"
        self.said = "nobody could look at it" if is_suspected else ""

    def end_unread(self) -> None:
        """Nobody can read it, though its object is there: its node's failure, and no lie."""
        self.verdict = "doubtful"
        self.said = f"it cannot be read: {self.unread}"[:FAULT_WORDS]

    def disregard(self) -> None:
        """Only strangers have its class: two friends may have invented it, so it pays nobody."""
        if self.verdict in VALID:
            self.verdict, self.checked, self.is_known = "unverifiable", (), False
            self.said = "none of the gateway's own has its build, and only strangers could look"

    def give_up(self, *, is_suspected: bool) -> None:
        """It waited as long as it may. What somebody called wrong nobody is charged for.

        Who renders for those who trust him is not to lose his pay as the gateway's own went.
        """
        if self.whole is not None:
            self.end_whole()
        elif self.first is not None:
            self.verdict = "doubtful"
            self.said = f"a check saw {self.said}, and nobody else could look"
        elif self.again is not None and self.again.held is not None:
            self.verdict = self.again.held  # as far as there was time
        elif self.pool == TRUSTED and not (is_suspected or self.unable or self.said):
            self.verdict = "unchecked"
        else:
            self.verdict = "unverifiable"
            self.said = self.unable or "nobody could check it in time"

    def end_whole(self) -> None:
        """Nobody could render its frame whole: that condemns nobody."""
        assert self.whole is not None, "it was to be rendered"
        self.verdict, self.said = self.whole.unsaid(self.said)

    def begin_uncut(self, secret: bytes) -> Whole:
        """Its scene is one of those of which no check by crops says anything."""
        self.unable = self.said = UNCUT
        self.whole = Whole(self.places(secret, is_own=True), "uncut")
        return self.whole

    def asks(
        self, check: UUID, at: Places, *, whole: bool = False, samples: int | None = None
    ) -> RunCheck:
        """What a node is asked that looks at it."""
        self.looks_at = at
        return order_for(self.pending, check, at, whole=whole, samples=samples)

    def hear(self, report: Report, checker: Candidate, thresholds: Thresholds) -> None:
        """Take a report; the verdict is there unless another has to look.

        A stranger's word condemns nobody: what he calls a mismatch is a suspicion, as what is too
        far off to match is anybody's, and two of them make it doubtful. That a scene cannot be
        checked another owner must say, too. The gateway's own verifier is believed.
        """
        report = held_to(report, self.pending.row.work)
        if report.unable is not None:
            self._hear_unable(report, checker)
        elif report.looked and self.drawn and checker.is_own and not self.is_seen:
            self.is_seen = True
        elif report.looked and self.drawn and checker.is_own and report.suspect:
            self._hear_unable(Report(unable=report.suspect, suspect=report.suspect), checker)
        elif report.looked and self.drawn:
            self.tried |= {checker.id}  # it was asked for more than that
        elif report.looked:
            is_odd = bool(report.suspect) or report.is_unseen
            self.said = report.suspect or ""
            self.verdict, self.drawn = (None, True) if is_odd else ("unchecked", False)
        else:
            self._hear_compared(report, checker, thresholds)

    def swap(self) -> None:
        """The object is another one by now: whatever was found, that is its node's fault."""
        self.verdict, self.withdrawn = "mismatch", False
        self.said = "the object is not the one that was delivered"

    def acquit(self, own: Set[UUID]) -> None:
        """A mismatch that cannot be the node's fault, once a check has found one.

        What three nodes of three owners deliver is what such a scene gives, whatever its parts
        give; and so is what a node of the gateway's ``own`` delivers. Of that one word is enough
        that it cannot be checked: nobody is excused by it, and a second may never come.
        """
        is_ours = self.pending.row.node_id in own
        if is_ours and self.verdict is None and self.unable is not None and self.first is None:
            self.verdict, self.said = "unverifiable", self.unable
        elif is_ours and self.verdict in FAILED and self.unread is None:
            self.withdrawn = self.verdict == "mismatch"
            self.verdict = "unverifiable"
            self.said = f"the gateway's own node made it; its parts come out otherwise: {self.said}"
        elif self.verdict == "mismatch" and self._has_three_owners:
            self.withdrawn = True
            self.said = f"nodes of three owners delivered what its parts are not: {self.said}"

    def is_wrong_by(self, report: Report) -> bool:
        """Whether it is a lie that is seen where who had vouched for it looked."""
        if self.again is None or self.again.done:
            return False
        is_lie = self.verdict == "mismatch" and not self.withdrawn and report.fault is None
        return is_lie and bool(report.crops) and of_all(report.crops) == "mismatch"

    def is_blameless(self, own: Set[UUID]) -> bool:
        """Whether a mismatch would be no strike anyhow (``acquit``)."""
        return self.pending.row.node_id in own or self._has_three_owners

    @property
    def _has_three_owners(self) -> bool:
        """Whether as many delivered what a check calls a mismatch, if it calls this one so."""
        owner = self.pending.owner
        owners = self.pending.blamed | (frozenset() if owner is None else {owner})
        return len(owners) >= OWNERS_FOR_SCENE

    def hear_whole(self, report: Report, checker: Candidate, thresholds: Thresholds) -> None:
        """Take the gateway's own word on the whole frame. Where it is what was delivered the node
        rendered it, and parts of its scene are no measure.
        """
        assert self.whole is not None, "it was asked for"
        report, across = held_to(report, self.pending.row.work), self._is_across(checker)
        limits = thresholds.across if across else thresholds
        found = self.whole.verdict(report, limits, across=across)
        if found is None:
            self.end_whole()
            return
        self.verifier, self.verdict = checker.id, found
        if found in VALID:
            self.is_uncut |= self.whole.why != "unmade"
            self.said = UNCUT if self.whole.why == "crops" else ""
        elif found in FAILED:
            off = report.fault or f"{report.farthest:.3g} times the noise"
            self.said = f"{self.said}; of the whole frame {off}"[:FAULT_WORDS]

    def _is_across(self, checker: Candidate) -> bool:
        return checker.device_class != self.pending.row.device_class

    def _hear_unable(self, report: Report, checker: Candidate) -> None:
        agreed = self.unable is not None and checker.owner not in self.unable_by
        self.unable = (report.unable or "")[:FAULT_WORDS]
        if self.first is None and (checker.is_own or agreed):
            odd = UNSEEN if report.is_unseen and checker.is_own else report.suspect
            self.said, self.whole = self.unable, Whole(PICTURE, "uncut", odd)
            if not (report.is_uncut and self.kind == "frame"):
                self.end_whole()
            return
        self.tried |= {checker.id}
        self.asked |= _owner(checker)
        self.unable_by |= _owner(checker)

    def _hear_compared(self, report: Report, checker: Candidate, thresholds: Thresholds) -> None:
        across = self._is_across(checker)
        limits = thresholds.across if across else thresholds
        found: Verdict = "mismatch" if report.fault else of_all(report.compared, limits)
        if is_valid(found) and report.is_unmade and checker.is_own and self.kind == "frame":
            self.whole, self.said = Whole(self.looks_at, "unmade"), UNMADE
            return
        if is_valid(found) and report.is_unseen:
            self._hear_unable(Report(unable=UNSEEN, suspect=UNSEEN), checker)
            return
        if is_valid(found) and not report.is_finished:
            odd = UNMADE if report.is_unmade else None
            self._hear_unable(Report(unable=odd or UNREAD, suspect=odd), checker)
            return
        words = report.fault or f"{report.farthest:.3g} times the noise"
        self.verifier = checker.id
        if self.first is not None and not (is_valid(found) or checker.is_own):
            self.verdict = "doubtful"  # two strangers may be friends
            self.said = f"two checks saw {self.said}, and none of the gateway's own could look"
            return
        if self.first is not None:
            found = decided("suspicious", found)
            looked_there = self.looks_at.are_of(self.first_at)
            if is_valid(found) and checker.is_own and looked_there:
                self.refuted = self.suspects
        elif found == "suspicious" or (found == "mismatch" and not checker.is_own):
            self.first, self.said = found, words[:FAULT_WORDS]
            self.suspects, self.first_at = checker, self.looks_at
            self.asked |= _owner(checker)
            return
        if found == "mismatch" and self.is_cut and report.rests_on_crops(limits):
            self.whole, self.said = Whole(self.looks_at, "crops"), words[:FAULT_WORDS]
            return
        self.verdict = _final(found, across=across)
        self.checked = self._rests_on(checker)
        self.said = "" if found == "exact" else words[:FAULT_WORDS]

    def _rests_on(self, last: Candidate) -> tuple[Checked, ...]:
        """Whose word the verdict is: that of the last. The gateway's own are not paid by it."""
        if last.is_own or last.owner is None:
            return ()
        return (Checked(last.id, last.owner),)


def _owner(checker: Candidate) -> frozenset[UUID]:
    return frozenset() if checker.owner is None else frozenset({checker.owner})


def _final(found: Verdict, *, across: bool) -> FinalVerdict:
    """The last word. What another class makes is no proof of bits: at best it is consistent."""
    if found == "suspicious":
        return "mismatch"
    return "consistent" if across and is_valid(found) else found
