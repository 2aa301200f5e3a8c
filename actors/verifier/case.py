"""State of one delivered result until its verdict, and decisions on its checks (pure)."""

from collections.abc import Callable
from typing import Final, Literal, TypeAlias
from uuid import UUID

import attrs

from actors.ledger.effects import Comparison, VerdictOutcome
from actors.node_session.messages import RunCheck, Sheet
from actors.verifier.check_orders import (
    NOWHERE,
    SampleRegions,
    order_for,
    places,
)
from actors.verifier.report import UNSEEN, OtherClassReport, PluginReport, Report, held_to
from actors.verifier.thresholds import Finding, Thresholds, is_match, of_all, of_region
from rendertrust.comparison_method import ComparisonMethod, describe
from rendertrust.device_class import is_kin
from rendertrust.receipt import drawing_of
from rendertrust.verdict_reason import (
    CHECKS_FAILED,
    DEVICE_DEPENDENT,
    FORMAT,
    NO_EVIDENCE,
    OTHER_DEVICE,
    OTHER_DRIVER,
    SCENE_FAILS,
    UNDECIDED,
    UNSUPPORTED,
    VerdictReason,
    explain,
)
from sql.checks import Pending
from sql.sampling import unit_name
from sql.units import Kind, unit_kind

CaseId: TypeAlias = tuple[UUID, int, int]  # job, unit, attempt
# The next check: open the files; compare regions; compare more regions; render the frame.
Step: TypeAlias = Literal["open", "regions", "more", "whole"]
# Why the whole frame is rendered: regions differ; the verifier crashed while it rebuilt the picture
# from the evidence; regions of this scene cannot be compared; its creator's comparison differs.
Why: TypeAlias = Literal["regions", "unmade", "uncut", "disputed"]
SAID_MOST: Final = 300
OWNERS_FOR_SCENE: Final = 3
DIFFERS: Final = "regions of this scene render differently from its whole frame"
UNMADE: Final = "rebuilding its picture from the evidence crashes Blender"
DISPUTED: Final = "its creator's comparison"
NOT_WHOLE: Final = "only frames with evidence are rendered whole"
# these stand for a creator in the fair order of checks
CLAWBACK: Final = UUID(int=0)
RELEASES: Final = UUID(int=2**128 - 1)  # free frames that may end their node's quarantine
LOST_MOST: Final = 6  # verifiers lost during checks of a result, after which it is refused
DOUBLED_MOST: Final = 6  # how often the pause after a dropped check is doubled
PLACES_MOST: Final = 8  # places named by a creator that are checked
LOST: Final = "each verifier that checks it is lost"
MISSING: Final = "the object is no longer in the store"
COMPOSITING: Final = "Blender crashes while it makes the picture from its passes"
NOT_EQUAL: Final = "not-equal"  # in the explanation of a frame by EEVEE, as verifiers' codes
# Methods that show how a frame was made, but miss a small mark in the frame.
ROUGH: Final = (ComparisonMethod.OTHER_SEEDS, ComparisonMethod.OTHER_DRIVER)


@attrs.frozen
class Verdict:
    """Verdict on a result.

    ``said``: an explanation. ``strike``: the invalid result is the node's fault. ``withdrawn``: the
    scene is at fault, so no invalid result of the unit is a strike. ``reason``: why the result is
    unverified or unverifiable. ``method``: how it was compared, if not with the same seeds.
    """

    outcome: VerdictOutcome
    said: str = ""
    strike: bool = False
    withdrawn: bool = False
    reason: VerdictReason | None = None
    method: ComparisonMethod | None = None


@attrs.define(eq=False)
class Case:
    """A delivered result that waits for its verdict, and the state of its checks.

    ``asked_at``: when the Ledger was asked to book the ``verdict``.
    """

    pending: Pending
    since: float = 0.0  # time of delivery on this gateway's monotonic clock
    step: Step = "open"
    why: Why = "regions"  # for the step "whole"
    said: str = ""  # why the next check is necessary
    compared_at: SampleRegions = NOWHERE
    check: UUID | None = None  # the running check
    is_kept: bool = False  # the running check does not give way for ``check_seconds``
    is_alone: bool = False  # a batch did not clear the result, so it is opened alone
    failed: int = 0  # number of failed checks
    failed_in_scene: int = 0  # failed checks in which the verifier itself rendered the scene
    failed_by_files: int = 0  # failed checks that fail only with the delivered files
    failure: str = ""  # why the last check failed
    unfetched: int = 0  # checks whose verifier could not fetch a file that the gateway can read
    lost: int = 0  # checks whose verifier was lost
    yielded: int = 0  # long checks that were dropped as results of other creators waited
    failed_by: frozenset[UUID] = frozenset()  # verifiers of failed checks; not preferred
    rests_until: float = float("-inf")  # no check before this monotonic time
    unread: str | None = None  # why a verifier could not read the result; the gateway now tries
    is_other: bool = False  # that verifier read other content than the node signed
    # the node has a strike, a check found a result of it wrong, or this may end its quarantine
    is_suspected: bool = False
    is_trusted: bool = False  # the node is a verifier, whose results are not compared
    is_known: bool = False  # the node has enough valid results in a row on this device class
    # A verifier of another device class refused the result, which is no strike. One of the same
    # class is known, and decides.
    needs_same_class: bool = False
    lacks_build: bool = False  # no verifier has the node's build, so only open the result at first
    differs: bool = False  # regions of the scene turned out not to be comparable
    verdict: Verdict | None = None
    verifier: UUID | None = None
    verifier_class: str | None = None
    comparison: Comparison | None = None  # scope of the last comparison
    asked_at: float | None = None

    @classmethod
    def opened(cls, pending: Pending, now: float = 0.0) -> "Case":
        """Create the case of a pending result."""
        case = cls(pending, now - pending.waited)
        if pending.disputed is not None:
            case.dispute()
        elif pending.is_again or pending.is_loose or pending.row.drawn is not False:
            case.compare()  # ``drawn`` is None if no draw took place
        return case

    def refresh(self, pending: Pending) -> None:
        """Update what may change while the case waits, from a later reading of its row."""
        if pending.may_release != self.pending.may_release:
            self.pending = attrs.evolve(self.pending, may_release=pending.may_release)

    def compare(self) -> None:
        """Compare the result with its scene instead of only opening it."""
        self.step = "regions"
        if self.pending.is_uncut and self.is_cut:
            self.step, self.why, self.said = "whole", "uncut", DIFFERS

    def open_first(self) -> None:
        """Only open the result at first, as no verifier has its node's Blender build."""
        if not self.lacks_build:
            self.step, self.lacks_build = "open", True

    def dispute(self) -> None:
        """Render the whole frame, and check the places that its creator names."""
        if self.is_by_plugin:
            self.compare()
        elif not self.is_cut or self.pending.row.evidence_sha256 is None:
            self._cannot_tell(CHECKS_FAILED, NOT_WHOLE)
        else:
            self._render_whole("uncut" if self.pending.is_uncut else "disputed", DISPUTED)

    # ── properties ───────────────────────────────────────────────────────────────────────────────

    @property
    def id(self) -> CaseId:
        """Job, unit and attempt."""
        return self.pending.row.id

    @property
    def device_class(self) -> str:
        """Device class of the node that delivered the result."""
        return self.pending.row.device_class

    @property
    def is_again(self) -> bool:
        """True for clawback or a dispute: the result was settled without a comparison."""
        return self.pending.is_again

    @property
    def is_for_admin(self) -> bool:
        """True if a check of a settled result did not decide for certain, so that an admin must."""
        if not self.is_again or self.verdict is None:
            return False
        outcome = self.verdict.outcome
        if self.pending.disputed is None:
            return outcome == "unverifiable"
        is_unsure = outcome == "invalid" and not self.verdict.strike
        is_rough = outcome == "consistent" and self.verdict.method in ROUGH
        return outcome == "unverifiable" or is_unsure or is_rough

    @property
    def kind(self) -> Kind:
        """Kind of the result: frame, tile, chunk, merged frame, video, or other."""
        return unit_kind(self.pending.job_type, self.pending.params)

    @property
    def is_by_plugin(self) -> bool:
        """True if a plugin checks the result. Such a result is checked as a whole if it is drawn,
        and else settled without a check.
        """
        return self.kind == "other"

    @property
    def is_cut(self) -> bool:
        """True if regions of the result can be compared."""
        return self.kind in ("frame", "tile")

    @property
    def is_begun(self) -> bool:
        """True if this gateway has state about the case that other gateways lack."""
        found = (self.check, self.verdict, self.unread)
        return any(one is not None for one in found) or self.step in ("more", "whole")

    @property
    def is_last(self) -> bool:
        """True if other results are checked first, as a check of this result failed or was
        dropped.
        """
        return self.failed > 0 or self.yielded > 0 or self.unfetched > 0

    def is_waiting(self, now: float) -> bool:
        """Return True if nothing but a verifier is missing for its next check."""
        found = (self.check, self.verdict, self.unread)
        return all(one is None for one in found) and self.rests_until <= now

    @property
    def is_unopened(self) -> bool:
        """True if the first check would be a comparison, and nothing was reported yet."""
        found = (self.check, self.verdict, self.verifier)
        return self.step != "open" and all(one is None for one in found)

    @property
    def is_accused(self) -> bool:
        """True if a check found the result wrong and no later check cleared it."""
        if self.verdict is not None:
            return self.verdict.outcome == "invalid" and self.verdict.strike
        return self.step == "more" or (self.step == "whole" and self.why == "regions")

    @property
    def is_refused_across(self) -> bool:
        """True if a verifier of another device class refused the result, and this is no strike."""
        verdict = self.verdict
        if verdict is None or verdict.outcome != "invalid" or verdict.strike or verdict.withdrawn:
            return False
        return self.comparison is not None and self.verifier_class != self.device_class

    @property
    def scene(self) -> tuple[UUID, str]:
        """Owner and reference of the scene."""
        return self.pending.user, self.pending.plan.payload_ref

    @property
    def turn(self) -> UUID:
        """The creator in the fair order of checks.

        Clawback counts as one creator, CLAWBACK, and so do the free frames of quarantined nodes,
        RELEASES: accounts cost nothing, so many could otherwise delay the results of creators.
        """
        if self.is_again and self.pending.disputed is None:
            return CLAWBACK
        is_free = self.pending.may_release and self.pending.price == 0
        return RELEASES if is_free else self.pending.user

    def place(self, key_of: Callable[[UUID, UUID, int, int], str]) -> str:
        """Return an object key of the result: ``key_of`` is ``result_key`` or ``evidence_key``."""
        return key_of(self.pending.user, *self.id)

    # ── the next check ───────────────────────────────────────────────────────────────────────────

    def order(self, check: UUID, secret: bytes, device_class: str) -> RunCheck:
        """Return the request for the next check, for a verifier of this ``device_class``."""
        if self.is_by_plugin:
            is_same = device_class == self.device_class
            return order_for(self.pending, check, NOWHERE, same_class=is_same)
        at, again = self._places(secret), NOWHERE
        # Another instruction set gives nearly equal pixels, so other seeds are the second step.
        is_other = device_class != self.device_class
        is_other_set = is_other and is_kin(device_class, self.device_class)
        is_second = is_other and (self.step == "more" or not is_other_set)
        if at != NOWHERE and self.is_cut and is_second:
            again = self._drawn(secret, 2)
        order = order_for(self.pending, check, at, whole=self.step == "whole", again=again)
        # No further check follows on a refusal, which is then a strike unless rounding may matter.
        is_whole = self.step == "whole" and self.why in ("regions", "disputed")
        is_last = is_whole or (self.kind == "chunk" and at != NOWHERE)
        sheet: Sheet = "" if self.step != "whole" else "different"
        sheet = "always" if sheet and self.pending.disputed is not None else sheet
        return attrs.evolve(order, rounding=is_other_set and is_last, sheet=sheet)

    def _places(self, secret: bytes) -> SampleRegions:
        if self.step == "open":
            return NOWHERE
        disputed = self.pending.disputed if self.why == "disputed" else None
        if self.step != "whole" or self.compared_at == NOWHERE or disputed is not None:
            self.compared_at = self._drawn(secret, self.step == "more")
        if disputed is not None:
            named = tuple((x, y, None) for x, y in disputed[:PLACES_MOST])
            self.compared_at = SampleRegions(draws=(*named, *self.compared_at.draws))
        return self.compared_at

    def _drawn(self, secret: bytes, turn: int) -> SampleRegions:
        """Draw the positions to compare; each ``turn`` (0, 1, 2) of a case has its own
        positions.
        """
        count = len(self.pending.params.get("frames") or [0])
        name, result = unit_name(*self.id), self.pending.row.sha256 or b""
        return places(self.kind, count, secret + bytes([turn]), name, result)

    # ── reports ──────────────────────────────────────────────────────────────────────────────────

    def hear(self, report: Report, verifier: UUID, device_class: str, limits: Thresholds) -> None:
        """Handle a verifier's report: set the verdict, or the next step."""
        report, across = held_to(report, self.pending.row.work), device_class != self.device_class
        self.verifier, self.verifier_class = verifier, device_class
        self.comparison = report.comparison
        limits = limits.across if across else limits
        if report.fault is not None:
            self._is_invalid(report.fault, strike=not report.is_loose)
        elif self.step != "open" and report.across is not None and report.across.is_drawn:
            self._hear_drawn(report, report.across, device_class)
        elif not (self.step == "open" or report.looked or is_kin(device_class, self.device_class)):
            self._hear_other_device(report, limits)
        elif self.step == "whole":
            self._hear_whole(report, limits, across=across)
        elif self.step == "more" and report.across is not None and across:
            self._hear_other_seeds(report, report.across, limits)
        elif self.step == "open" and report.is_uncut:  # the draw decides whether it is compared
            self._hear_opened(report, across=across)
        elif report.unable is not None:
            self._is_unable(report)
        elif report.looked:
            self._hear_opened(report, across=across)
        else:
            self._hear_regions(report, limits, across=across)

    def hear_plugin(self, report: PluginReport, verifier: UUID, device_class: str) -> None:
        """Handle the verdict of a plugin's check."""
        self.verifier, self.verifier_class = verifier, device_class
        if report.verdict == "unverifiable":
            self._cannot_tell(UNDECIDED, report.reason)
            return
        self.comparison = Comparison("plugin", False, 0.0 if report.is_exact else None)
        if report.verdict == "invalid":
            self._is_invalid(report.reason, strike=True)
        else:
            self.verdict = Verdict("exact" if report.is_exact else "consistent", report.reason)

    def _hear_opened(self, report: Report, *, across: bool) -> None:
        if self.step != "open":  # a comparison was requested, but not made
            self.failed += 1
        elif self.is_trusted:
            self.verdict = Verdict("sampled-out")
        elif report.suspect or report.is_unseen or self.is_suspected or self.lacks_build:
            self.compare()
            self.said = report.suspect or ""
        elif report.is_loose or across:
            # An invalid result may be no strike here, as honest frames may differ, by rounding for
            # example. So sampling would not deter cheating: always compare.
            self.compare()
        else:
            self.verdict = Verdict("sampled-out")

    def _hear_regions(self, report: Report, limits: Thresholds, *, across: bool) -> None:
        found = of_all(report.compared, limits)
        if is_match(found):
            self._hear_match(report, found, across=across)
        elif found == "open" and self.step == "regions":
            self.step, self.said = "more", _distance(report)
        elif self.is_cut and report.rests_on_crops(limits):
            if across and self.step == "regions":
                self.step, self.said = "more", _distance(report)
            else:
                self._render_whole("regions", _distance(report))
        else:
            self._is_invalid(_distance(report), strike=not report.is_loose)

    def _hear_other_seeds(
        self, report: Report, other: OtherClassReport, limits: Thresholds
    ) -> None:
        """Handle a comparison with other seeds by a verifier of another instruction set.

        It can clear the result. Otherwise the whole frame decides.
        """
        is_cleared = other.outcome in ("exact", "consistent", "accepted")
        if not report.is_made_of_evidence(limits):
            self._is_invalid(_distance(report), strike=not report.is_loose)
        elif not is_cleared:
            self._render_whole("regions", _distance(report))
        elif other.outcome == "accepted" and report.is_finished and not report.is_unseen:
            self._is_alike(ComparisonMethod.OTHER_SEEDS)
        else:
            self._hear_match(report, "match", across=True)

    def _hear_match(self, report: Report, found: Finding, *, across: bool) -> None:
        if report.is_unmade and self.kind == "frame":
            self._render_whole("unmade", UNMADE)
        elif report.is_unseen:
            self._is_invalid(UNSEEN, strike=False)
        elif not report.is_finished:
            self._cannot_tell(FORMAT)
        else:
            self._is_valid(found, "" if found == "exact" else _distance(report), across=across)

    def _is_unable(self, report: Report) -> None:
        """Handle a scene whose regions cannot be compared: render the whole frame instead."""
        reason = (report.unable or "")[:SAID_MOST]
        if report.is_uncut and self.kind == "frame":
            self._render_whole("uncut", reason)
        elif report.suspect or report.is_unseen:
            self._is_invalid(report.suspect or UNSEEN, strike=False)
        else:
            # Honest nodes fail tiles of scenes that cannot be split, and videos of no pictures.
            is_made = self.kind in ("frame", "chunk")
            self._cannot_tell(FORMAT if is_made else UNSUPPORTED, reason)

    def _hear_whole(self, report: Report, limits: Thresholds, *, across: bool) -> None:
        if report.unable is not None and self.why == "uncut":
            self._cannot_tell(FORMAT)  # the verifier cannot read its own render
            return
        if not report.is_whole:
            self.give_up()
            return
        if self.why == "disputed":
            self._hear_disputed(report, limits, across=across)
            return
        found = of_all(report.compared, limits)
        if not is_match(found):
            is_loose = self._is_loose(report)
            is_sure = not is_loose if self.why == "regions" else not (across or is_loose)
            self._is_invalid(f"{self.said}; of the whole frame {_distance(report)}", strike=is_sure)
        elif report.is_unmade or (self.why == "unmade" and not report.is_finished):
            # the verifier could not even make a picture of the frame that it rendered
            self._cannot_tell(SCENE_FAILS, COMPOSITING)
        elif not report.is_finished:
            self._cannot_tell(FORMAT)
        elif report.is_unseen:
            self._is_invalid(UNSEEN, strike=False)
        else:
            self.differs = self.why != "unmade"
            said = DIFFERS if self.why == "regions" else ""
            self._is_valid(found, said, across=across)

    def _hear_disputed(self, report: Report, limits: Thresholds, *, across: bool) -> None:
        """Handle the report on a disputed frame, which the verifier rendered whole."""
        found = of_all(report.crops, limits)
        said = f"of the whole frame {_distance(report)}"
        if not is_match(found):
            # The creator may have named the places at which honest instruction sets differ most.
            named = len((self.pending.disputed or ())[:PLACES_MOST])
            by_place = report.by_crop(len(self.compared_at.draws)) or []
            drawn = [one for layers in by_place[named:] for one in layers]
            is_there = bool(drawn) and not is_match(of_all(drawn, limits))
            self._is_invalid(said, strike=not report.is_loose and (is_there or not across))
        elif not report.is_finished:
            self._cannot_tell(FORMAT)
        elif not is_match(of_region(report.compared[-1], limits)):
            self._is_invalid(said, strike=not (across or report.is_loose))
        else:
            self._is_valid(found, said, across=across)

    def _hear_other_device(self, report: Report, limits: Thresholds) -> None:
        """Handle a report by a verifier of another device kind, which never results in a strike."""
        if report.unable is not None and report.depends:
            self._cannot_tell(DEVICE_DEPENDENT, report.depends)
        elif self.step == "whole" and not report.is_whole:
            self.give_up()
        elif report.unable is not None:
            self._is_unable(report)
        elif not report.is_made_of_evidence(limits):
            self._is_invalid(_distance(report), strike=False)
        else:
            self._hear_across(report, limits)

    def _hear_across(self, report: Report, limits: Thresholds) -> None:
        across = report.across or self._by_same_seed(report, limits)
        if across.outcome in ("refused", "unsaid") and report.depends:
            self._cannot_tell(DEVICE_DEPENDENT, report.depends)
        elif across.outcome == "refused":
            self._is_invalid(f"{OTHER_DEVICE}: {across.why}", strike=False)
        elif across.outcome == "unsaid":
            self._cannot_tell(OTHER_DEVICE, across.why)
        elif report.is_unseen:
            self._is_invalid(UNSEEN, strike=False)
        elif report.is_unmade:  # by evidence that was not rendered here, so its node may cause this
            self._cannot_tell(OTHER_DEVICE, UNMADE)
        elif not report.is_finished:
            self._cannot_tell(FORMAT)
        elif across.outcome == "accepted":
            self._is_alike(ComparisonMethod.OTHER_SEEDS)
        else:
            self._is_valid(of_all(report.compared, limits), _distance(report), across=False)

    def _hear_drawn(self, report: Report, across: OtherClassReport, device_class: str) -> None:
        """Handle frames that EEVEE or Workbench drew.

        Frames are equal within a drawing class, which the node signs. Across classes the nearest
        number of samples decides, and a refused frame is no strike. Without a signed drawing class
        a node could avoid a comparison, so a refused frame is then a strike.
        """
        signed, is_sure = drawing_of(self.pending.row.work), not report.is_loose
        is_same = is_sure and device_class == self.device_class and signed == across.drawing
        is_same = is_same and signed is not None
        is_unsigned = is_sure and signed is None and is_kin(device_class, self.device_class)
        if across.outcome == "refused" or (is_same and across.outcome != "exact"):
            method = ComparisonMethod.SAME_DRIVER if is_same else ComparisonMethod.OTHER_DRIVER
            why = describe(method, across.why or NOT_EQUAL)
            self._is_invalid(why, strike=is_same or is_unsigned, method=method)
        elif across.outcome == "unsaid":
            self._cannot_tell(OTHER_DRIVER, across.why)
        elif report.is_unseen:
            self._is_invalid(UNSEEN, strike=False)
        elif not report.is_finished:
            self._cannot_tell(FORMAT)
        elif across.outcome == "exact":
            self.verdict = Verdict("exact")
        else:
            self._is_alike(ComparisonMethod.OTHER_DRIVER)

    def _by_same_seed(self, report: Report, limits: Thresholds) -> OtherClassReport:
        """Return the outcome by another device kind for a result without evidence.

        Without evidence only finished pictures of the same seed are compared, so a difference does
        not prove that a render is wrong. Merged frames and videos are not rendered, so for them a
        difference is a refusal.
        """
        found = of_all(report.crops, limits)
        if is_match(found):
            return OtherClassReport("exact" if found == "exact" else "consistent")
        is_rendered = self.kind not in ("merged", "video")
        return (
            OtherClassReport("unsaid", NO_EVIDENCE)
            if is_rendered
            else OtherClassReport("refused", _distance(report))
        )

    def _is_loose(self, report: Report) -> bool:
        """Return True if honest pictures may differ, as a denoiser amplifies small differences."""
        others = self.why == "unmade" and any(not crop.equal for crop in report.crops)
        return report.is_loose or others

    def leave_to_same_class(self) -> None:
        """Let a verifier of the node's device class decide instead of the one that refused."""
        self.verdict, self.needs_same_class = None, True

    def fail(
        self, verifier: UUID, why: str = "", *, is_scene: bool = False, by_files: bool = False
    ) -> None:
        """Record a failed check. ``is_scene``: the scene fails without the delivered files, too.
        ``by_files``: it fails only with them.
        """
        self.failed += 1
        self.failed_in_scene += is_scene
        self.failed_by_files += by_files
        self.failure = why
        self.failed_by |= {verifier}

    def put_off(self, verifier: UUID) -> None:
        """Record that the verifier cannot run the check now: another one is preferred."""
        self.failed_by |= {verifier}

    def give_way(self, again_seconds: float) -> float:
        """Record that a check was dropped for other results; return the pause in seconds."""
        self.yielded += 1
        return again_seconds * 2.0 ** min(self.yielded, DOUBLED_MOST)

    def lose(self, verifier: UUID, again_seconds: float) -> float:
        """Record that the verifier was lost during its check; return the pause in seconds.

        After LOST_MOST losses the result is refused, as its files may crash verifiers.
        """
        self.lost += 1
        self.failed_by |= {verifier}
        if self.lost >= LOST_MOST:
            self._refuse_files(LOST)
        return again_seconds * 2.0 ** (self.lost - 2) if self.lost > 1 else 0.0

    def miss(self, why: str, again_seconds: float, *, is_other: bool = False) -> float:
        """Record that a verifier could not fetch the delivered files; return the pause in seconds.

        The gateway reads the files now: a store that is away is nobody's failure. ``is_other``: the
        verifier fetched other content, perhaps as its download was corrupted.
        """
        self.unread, self.is_other = why, is_other
        self.unfetched += 1
        return again_seconds * 2.0 ** min(self.unfetched - 1, DOUBLED_MOST)

    # ── verdicts ─────────────────────────────────────────────────────────────────────────────────

    def give_up(self) -> None:
        """End the case because its checks fail.

        If regions differed, or checks fail only with the delivered files, or a plugin's checks
        fail, the result is invalid, but no strike. If all checks failed because of the scene, the
        scene is at fault, unless a comparison left regions in doubt.
        """
        if self.step == "whole" and self.why == "regions":
            said = f"{self.said}; the whole frame could not be rendered"
            self._is_invalid(said, strike=False)
        elif self.failed_by_files > 0 or self.is_by_plugin:
            self._refuse_files(self.failure)
        elif 0 < self.failed == self.failed_in_scene and self.step != "more":
            self._cannot_tell(SCENE_FAILS, self.failure)
        else:
            self._cannot_tell(CHECKS_FAILED, self.said or self.failure)

    def end_unread(self) -> None:
        """End the case as invalid: the object exists but cannot be read."""
        self.verifier = None  # the gateway's own reading decides, not a verifier's finding
        self._is_invalid(f"it cannot be read: {self.unread}", strike=False)

    def end_unfetched(self) -> None:
        """End the case: the gateway can read the files, but for long no verifier could."""
        if self.is_again:
            self._cannot_tell(CHECKS_FAILED, self.unread or "")
        else:
            self.end_unread()

    def _refuse_files(self, said: str) -> None:
        """End the case: verifiers fail with the delivered files, which may be the node's fault.

        If the result was settled, an admin decides.
        """
        if self.is_again:
            self._cannot_tell(CHECKS_FAILED, said)
        else:
            self.verifier = min(self.failed_by)
            self._is_invalid(said, strike=False)

    def end_missing(self) -> None:
        """End the case: the store lost the object, which is not the node's fault.

        The unit is rendered again; if it was settled, an admin decides.
        """
        if self.is_again:
            self._cannot_tell(CHECKS_FAILED, MISSING)
        else:
            self.verifier = None  # no verifier found it invalid
            self._is_invalid(MISSING, strike=False)

    def end_swapped(self) -> None:
        """End the case as invalid: the object was replaced after the delivery."""
        said = "the object is not the one that was delivered"
        self.verdict = Verdict("invalid", said, strike=True)

    def end_unverifiable(self, reason: VerdictReason) -> None:
        """End the case as unverifiable, without a further check."""
        self._cannot_tell(reason)

    def end_sampled_out(self) -> None:
        """End the case without a check, as the result was not drawn."""
        self.verdict = Verdict("sampled-out")

    def end_unverified(self, reason: VerdictReason) -> None:
        """End the case without a check."""
        self.verdict = Verdict("unverified", explain(reason), reason=reason)

    def _render_whole(self, why: Why, said: str) -> None:
        self.step, self.why, self.said = "whole", why, said[:SAID_MOST]

    def _is_valid(self, found: Finding, said: str, *, across: bool) -> None:
        is_exact = found == "exact" and not across
        self.verdict = Verdict("exact" if is_exact else "consistent", said[:SAID_MOST])

    def _is_alike(self, method: ComparisonMethod) -> None:
        """End the case as consistent with renders that cannot equal the result."""
        self.verdict = Verdict("consistent", describe(method), method=method)

    def _is_invalid(
        self, said: str, *, strike: bool, method: ComparisonMethod | None = None
    ) -> None:
        """End the case as invalid.

        If nodes of three owners delivered the same pixels, the scene is at fault. All three results
        must have been drawn and compared, as accomplices could otherwise repeat a false result
        without risk.
        """
        withdrawn = strike and self._has_three_owners
        if withdrawn:
            said = f"nodes of three owners delivered results that a check calls wrong: {said}"
        self.verdict = Verdict(
            "invalid",
            said[:SAID_MOST],
            strike=strike and not withdrawn,
            withdrawn=withdrawn,
            method=method,
        )

    def _cannot_tell(self, reason: VerdictReason, detail: str = "") -> None:
        self.verdict = Verdict("unverifiable", explain(reason, detail)[:SAID_MOST], reason=reason)

    @property
    def _has_three_owners(self) -> bool:
        owner = self.pending.owner
        owners = self.pending.agreeing | (frozenset() if owner is None else {owner})
        is_drawn = bool(self.pending.row.drawn) and self.comparison is not None
        return is_drawn and len(owners) >= OWNERS_FOR_SCENE


def _distance(report: Report) -> str:
    return f"{report.farthest:.3g} times the noise"
