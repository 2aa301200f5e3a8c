"""The case of a delivery: reports lead to the case's next step or to the verdict."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest

from actors.ledger.effects import Comparison
from actors.verifier.case import Case, Verdict
from actors.verifier.report import Report, answer
from actors.verifier.thresholds import DEFAULTS
from actors.verifier.verdict import fine_for
from rendertrust.verdict_reason import IS_PAID, explain
from tests.unit.verifier.stage import CLASS, EXACT, apart, pending

OTHER_CLASS = "cpu/sse/5.2"
VERIFIER = UUID(int=20)
LOOKED = {"looked": True}
FAULT = {"fault": "the picture is none"}
UNCUT = {"unable": "Render Properties > Path Guiding learns from it", "uncut": True}
UNABLE = {"unable": "its simulation is not baked"}
UNREAD = {"crops": EXACT["crops"], "finish": None}
UNMADE = {"crops": EXACT["crops"], "unmade": True}
VIDEO = {"job_type": "video"}
PLAIN = {**LOOKED, "suspect": "the picture is of one colour"}
UNLIKE = {"equal": False, "off": None}  # the distance cannot be measured
OTHER_FINISH = {**EXACT, "finish": {"equal": False, "off": 9.0}}


def whole(report: Mapping[str, Any], **more: Any) -> Mapping[str, Any]:
    return {**report, "whole": True, **more}


def heard(
    *reports: Mapping[str, Any], device_class: str = CLASS, drawn: bool = True, **of: Any
) -> Case:
    """Return the case of a delivery (drawn unless ``drawn`` is False) after these reports."""
    case = Case.opened(pending(drawn=drawn, **of))
    for told in reports:
        order = case.order(UUID(int=1), b"secret", device_class)
        report = answer(told, order.count)
        assert isinstance(report, Report), report
        case.hear(report, VERIFIER, device_class, DEFAULTS)
    return case


@pytest.mark.parametrize(
    ("report", "outcome"),
    [(EXACT, "exact"), (apart(0.05), "consistent"), (apart(0.1), "consistent")],
)
def test_regions_that_are_equal_or_within_the_noise_are_valid(
    report: Mapping[str, Any], outcome: str
) -> None:
    assert heard(report).verdict == Verdict(outcome, "" if outcome == "exact" else _said(report))  # type: ignore[arg-type]


def _said(report: Mapping[str, Any]) -> str:
    return f"{max(one['off'] or 0 for one in report['crops']):.3g} times the noise"


@pytest.mark.parametrize(
    ("reports", "comparison"),
    [
        ((EXACT,), Comparison("regions", True, 0.0)),
        ((apart(0.3), apart(0.05)), Comparison("regions", True, 0.05)),
        ((apart(0.9), whole(EXACT)), Comparison("whole", True, 0.0)),
        ((UNREAD,), Comparison("regions", False, 0.0)),
        ((whole({**EXACT, "crops": [UNLIKE]}),), Comparison("whole", True, None)),
        ((FAULT,), None),
    ],
)
def test_a_case_remembers_what_was_compared_last(
    reports: Sequence[Mapping[str, Any]], comparison: Comparison | None
) -> None:
    case = heard(*reports)
    assert (case.comparison, case.verifier_class) == (comparison, CLASS)


def test_another_instruction_set_proves_no_bits_and_has_a_wider_limit() -> None:
    for report in (EXACT, apart(0.3)):
        found = heard(report, device_class=OTHER_CLASS).verdict
        assert found is not None
        assert found.outcome == "consistent"
    assert heard(apart(0.3)).verdict is None


@pytest.mark.parametrize(
    ("more", "step"), [(EXACT, "more"), (apart(0.3), "whole"), (apart(0.9), "whole")]
)
def test_what_regions_leave_open_more_regions_decide_and_then_the_whole_frame(
    more: Mapping[str, Any], step: str
) -> None:
    case = heard(apart(0.3))
    first = case.compared_at
    assert (case.step, case.verdict) == ("more", None)
    order = case.order(UUID(int=2), b"secret", CLASS)
    assert not {*order.draws} & {*first.draws}, "the second order looks at other places"
    case = heard(apart(0.3), more)
    assert case.step == step
    assert (case.verdict is not None) == (step == "more")


def test_regions_that_differ_are_no_strike_before_the_whole_frame_says_so() -> None:
    case = heard(apart(0.9))
    assert (case.step, case.verdict) == ("whole", None)
    order = case.order(UUID(int=2), b"secret", CLASS)
    assert (order.whole, order.draws) == (True, case.compared_at.draws), "at the same places"
    assert order.sheet == "different", "the operator sees why the result is invalid"
    case = heard(apart(0.9), whole(apart(0.9)))
    assert case.verdict is not None
    assert (case.verdict.outcome, case.verdict.strike) == ("invalid", True)
    assert "of the whole frame" in case.verdict.said


CHUNK: dict[str, Any] = {"params": {"frame": None, "frames": [1, 2]}}
# Reports on regions after which a verifier of another instruction set renders the whole frame.
TO_WHOLE = (apart(0.9), apart(0.9))


@pytest.mark.parametrize(
    ("reports", "of", "is_tested"),
    [
        ((), {}, False),
        ((apart(0.9),), {}, False),
        (TO_WHOLE, {}, True),
        (TO_WHOLE, {"params": {"tile": [0, 0, 9, 9]}}, True),
        ((), CHUNK, True),
        ((apart(0.4),), CHUNK, True),
        ((), {**CHUNK, "drawn": False}, False),
        ((), {"is_uncut": True}, False),
        ((), VIDEO, False),
    ],
)
def test_only_before_a_strike_the_scene_is_tested_for_rounding(
    reports: Sequence[Mapping[str, Any]], of: dict[str, Any], *, is_tested: bool
) -> None:
    case = heard(*reports, device_class=OTHER_CLASS, **of)
    assert case.order(UUID(int=2), b"secret", OTHER_CLASS).rounding == is_tested
    assert not case.order(UUID(int=2), b"secret", CLASS).rounding
    assert not case.order(UUID(int=2), b"secret", "optix/x86_64/5.2").rounding


@pytest.mark.parametrize("is_loose", [True, False])
@pytest.mark.parametrize(
    ("reports", "of"), [((*TO_WHOLE, whole(apart(0.9))), {}), ((apart(0.9),), CHUNK)]
)
def test_where_rounding_matters_another_instruction_set_is_no_strike(
    reports: Sequence[Mapping[str, Any]], of: dict[str, Any], *, is_loose: bool
) -> None:
    *first, last = reports
    case = heard(*first, {**last, "loose": is_loose}, device_class=OTHER_CLASS, **of)
    assert case.verdict is not None
    assert (case.verdict.outcome, case.verdict.strike) == ("invalid", not is_loose)
    assert not case.differs, "regions of the scene can still be compared"


def test_a_scene_that_comes_out_otherwise_in_parts_makes_no_liar() -> None:
    case = heard(apart(0.9), whole(EXACT))
    assert case.verdict is not None
    assert (case.verdict.outcome, case.differs) == ("exact", True)
    later = Case.opened(pending(drawn=True, is_uncut=True))
    assert (later.step, later.why) == ("whole", "uncut")
    assert len(later.order(UUID(int=3), b"secret", CLASS).draws) == 3, "at secret places"


@pytest.mark.parametrize(
    ("report", "more"),
    [
        (FAULT, {}),
        (OTHER_FINISH, {}),
        (apart(0.9), {"params": {"frame": None, "frames": [1, 2]}}),
        (apart(0.9), {"params": {"tiles": [[0, 0, 8, 8]]}}),
    ],
)
def test_what_regions_have_nothing_to_do_with_is_invalid_at_once(
    report: Mapping[str, Any], more: dict[str, Any]
) -> None:
    """A fault of the file, a picture that its evidence does not give, and differing frames of a
    chunk.
    """
    found = heard(report, **more).verdict
    assert found is not None
    assert (found.outcome, found.strike) == ("invalid", True)


@pytest.mark.parametrize(
    ("owner", "drawn", "report", "is_excused"),
    [
        (2, True, apart(0.9), True),
        (6, True, apart(0.9), False),  # two owners only
        (2, False, apart(0.9), False),  # compared without being drawn
        (2, True, FAULT, False),  # nothing was compared
    ],
)
def test_what_three_owners_deliver_alike_is_the_scenes_fault(
    owner: int, drawn: bool, report: Mapping[str, Any], is_excused: bool
) -> None:
    others = frozenset({UUID(int=5), UUID(int=6)})
    of: dict[str, Any] = {"params": {"frames": [1, 2]}}
    found = heard(report, agreeing=others, owner=UUID(int=owner), drawn=drawn, **of).verdict
    assert found is not None
    assert (found.outcome, found.strike, found.withdrawn) == (
        "invalid",
        not is_excused,
        is_excused,
    )


@pytest.mark.parametrize(
    ("reports", "outcome", "strike"),
    [
        ((UNABLE,), "unverifiable", False),
        ((UNREAD,), "unverifiable", False),
        ((UNCUT, whole(EXACT)), "exact", False),
        ((UNCUT, whole({**EXACT, "crops": EXACT["crops"][:1]})), "exact", False),
        ((UNCUT, whole(apart(9.0))), "invalid", True),
        ((UNCUT, whole(apart(9.0), loose=True)), "invalid", False),
        ((UNCUT, FAULT), "invalid", True),
        (({**FAULT, "loose": True},), "invalid", False),
        ((UNCUT, UNCUT), "unverifiable", False),
        ((UNCUT, whole(UNREAD)), "unverifiable", False),
        ((UNMADE, whole(EXACT)), "exact", False),
        ((UNMADE, whole(OTHER_FINISH)), "invalid", True),
        ((apart(0.9), whole(OTHER_FINISH)), "invalid", True),
        (
            (apart(0.9), whole({**apart(0.05), "finish": {"equal": False, "off": 9.0}})),
            "invalid",
            True,
        ),
        ((UNMADE, FAULT), "invalid", True),
        ((apart(0.9), FAULT), "invalid", True),
        (
            (UNMADE, whole({**apart(0.05), "finish": {"equal": False, "off": 9.0}})),
            "invalid",
            False,
        ),
        ((UNMADE, whole(UNMADE)), "unverifiable", False),
        ((apart(0.9), UNABLE), "invalid", False),
    ],
)
def test_where_regions_say_nothing_the_whole_frame_does_or_nobody_can_tell(
    reports: tuple[Mapping[str, Any], ...], outcome: str, strike: bool
) -> None:
    """Where honest frames may differ too, the result is refused without a strike."""
    found = heard(*reports).verdict
    assert found is not None
    assert (found.outcome, found.strike) == (outcome, strike)


@pytest.mark.parametrize(
    ("reports", "of", "reason"),
    [
        ((UNABLE,), CHUNK, "format"),
        ((UNREAD,), {}, "format"),
        ((UNCUT, UNCUT), {}, "format"),
        ((UNCUT, whole(UNREAD)), {}, "format"),
        ((apart(0.9), whole(UNREAD)), {}, "format"),
        ((UNMADE, whole(UNMADE)), {}, "scene-fails"),
        ((apart(0.9), whole(UNMADE)), {}, "scene-fails"),
        ((UNABLE,), {"params": {"tile": [0, 0, 8, 8]}}, "unsupported"),
        ((UNABLE,), {"params": {"tiles": [[0, 0, 8, 8]]}}, "unsupported"),
        ((UNABLE,), VIDEO, "unsupported"),
    ],
)
def test_a_reason_is_set_where_it_is_known_and_its_sentence_is_said(
    reports: tuple[Mapping[str, Any], ...], of: dict[str, Any], reason: str
) -> None:
    found = heard(*reports, **of).verdict
    assert found is not None
    assert (found.outcome, found.reason) == ("unverifiable", reason)
    assert found.said.startswith(explain(reason))


def test_what_was_delivered_before_draws_were_stored_is_compared() -> None:
    assert Case.opened(pending(drawn=None)).step == "regions"
    assert fine_for(pending(drawn=None)) == 0, "nobody knows at which odds the result was drawn"


def test_what_was_not_drawn_is_opened_and_compared_only_where_it_is_odd() -> None:
    assert heard(LOOKED, drawn=False).verdict == Verdict("sampled-out")
    case = heard(PLAIN, drawn=False)
    assert (case.step, case.verdict) == ("regions", None)
    case = Case.opened(pending(drawn=False))
    case.is_suspected = True
    case.hear(Report(looked=True), VERIFIER, CLASS, DEFAULTS)
    assert (case.step, case.verdict) == ("regions", None)
    found = heard(FAULT, drawn=False).verdict
    assert found is not None
    assert (found.outcome, found.strike) == ("invalid", True)


def test_what_was_not_drawn_of_a_scene_that_cannot_be_cut_is_not_rendered_whole() -> None:
    assert heard(UNCUT, drawn=False).verdict == Verdict("sampled-out")
    case = heard({**UNCUT, **PLAIN}, drawn=False)
    assert (case.step, case.verdict) == ("regions", None)
    case = heard(UNCUT, drawn=True)
    assert (case.step, case.why) == ("whole", "uncut")


@pytest.mark.parametrize("report", [UNCUT, LOOKED])
def test_a_node_of_another_class_than_the_verifier_is_always_compared(
    report: Mapping[str, Any],
) -> None:
    """A refusal of such a node's result may be no strike, so lies would pay if only drawn results
    were compared.
    """
    case = heard(report, device_class=OTHER_CLASS, drawn=False)
    assert case.verdict is None
    assert case.order(UUID(int=2), b"secret", OTHER_CLASS).count > 0
    off = whole({**EXACT, "crops": [{"equal": False, "off": 200.0}]})
    found = heard(UNCUT, UNCUT, off, device_class=OTHER_CLASS, drawn=False).verdict
    assert found is not None
    assert (found.outcome, found.strike) == ("invalid", False), "refused and unpaid, but no strike"


@pytest.mark.parametrize("report", [UNCUT, LOOKED])
def test_what_honest_frames_may_differ_in_is_always_compared(report: Mapping[str, Any]) -> None:
    """A refusal is no strike, as honest frames may differ."""
    loose, chunk = {**report, "loose": True}, {"frame": None, "frames": [1, 2]}
    of: Mapping[str, Any] = {"params": chunk} if report is LOOKED else {}
    case = heard(loose, drawn=False, **of)
    assert (case.step, case.verdict) == ("regions", None)
    off = whole({**EXACT, "crops": [{"equal": False, "off": 200.0}]}, loose=True)
    found = heard(loose, *([] if of else [loose]), off, drawn=False, **of).verdict
    assert found is not None
    assert (found.outcome, found.strike) == ("invalid", False), "refused and unpaid, but no strike"


def test_a_job_in_which_a_refusal_was_no_strike_is_always_compared() -> None:
    """Its regions are compared as before: the whole frame is rendered only if they differ."""
    case = Case.opened(pending(drawn=False, is_loose=True))
    assert (case.step, case.verdict) == ("regions", None)
    assert Case.opened(pending(drawn=False)).step == "open"


@pytest.mark.parametrize("report", [{**UNCUT, "loose": True}, PLAIN, LOOKED])
def test_results_of_a_verifier_are_only_opened(report: Mapping[str, Any]) -> None:
    case = Case.opened(pending(drawn=False))
    case.is_trusted = True
    read = answer(report, 0)
    assert isinstance(read, Report)
    case.hear(read, VERIFIER, OTHER_CLASS, DEFAULTS)
    assert case.verdict == Verdict("sampled-out")


def test_who_only_opens_what_he_is_to_compare_says_nothing() -> None:
    case = heard(LOOKED)
    assert (case.verdict, case.failed) == (None, 1)


@pytest.mark.parametrize(
    ("reports", "reason"), [((), "scene-fails"), ((apart(0.3),), "checks-failed")]
)
def test_a_scene_is_to_blame_for_failed_checks_only_while_nothing_differed(
    reports: Sequence[Mapping[str, Any]], reason: str
) -> None:
    case = heard(*reports)
    case.fail(VERIFIER, is_scene=True)
    case.give_up()
    assert case.verdict is not None
    assert (case.verdict.outcome, case.verdict.reason) == ("unverifiable", reason)


@pytest.mark.parametrize(
    "of", [{"params": {"tile": [0, 0, 8, 8]}}, {"params": {"tiles": [[0, 0, 8, 8]]}}, VIDEO]
)
def test_a_result_that_honest_nodes_do_not_make_pays_nobody(of: Mapping[str, Any]) -> None:
    """Honest nodes fail tiles of unsplittable scenes, and videos of files that are no pictures."""
    found = heard({"unable": "Render Properties > Path Guiding learns from it"}, **of).verdict
    assert found is not None
    assert found.outcome == "unverifiable"
    assert not IS_PAID[found.reason or ""]


def test_who_cannot_be_checked_to_the_end_is_not_blamed() -> None:
    case = heard(apart(0.9))
    case.give_up()
    assert case.verdict is not None
    assert (case.verdict.outcome, case.verdict.strike) == ("invalid", False), "not accepted, either"
    case = heard(apart(0.3))
    case.give_up()
    assert case.verdict is not None
    assert case.verdict.outcome == "unverifiable"
