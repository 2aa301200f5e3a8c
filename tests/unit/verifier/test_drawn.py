"""Checks of EEVEE frames: equal within a drawing class, otherwise the nearest number of samples."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.verifier.case import Case, Verdict
from actors.verifier.report import OtherClassReport, Report, answer
from actors.verifier.thresholds import DEFAULTS
from rendertrust.comparison_method import ComparisonMethod, describe
from rendertrust.receipt import drawing_of
from rendertrust.verdict_reason import IS_PAID, explain
from tests.unit.verifier.stage import CLASS, pending

MESA = "OPENGL; Mesa; llvmpipe (LLVM 19.1.7, 256 bits); 4.5 Mesa 25.0.7; GenuineIntel"
NVIDIA = "OPENGL; NVIDIA Corporation; NVIDIA H100; 4.6 NVIDIA 570.1"
VERIFIER = UUID(int=20)
CUDA, SSE = "cuda/x86_64/5.2", "cpu/sse/5.2"
UNCUT = {"unable": "the engine is EEVEE; only Cycles renders the same pixels in parts"}
OPENED = {**UNCUT, "uncut": True}
EQUAL, UNEQUAL = {"equal": True, "off": None}, {"equal": False, "off": 0.4}
OTHER, SAME = ComparisonMethod.OTHER_DRIVER, ComparisonMethod.SAME_DRIVER
CHUNK: dict[str, Any] = {"params": {"frame": None, "frames": [1, 2]}}


def drawn(outcome: str, *why: str, drawing: str | None = MESA, **more: Any) -> Mapping[str, Any]:
    """Return a report on a whole frame drawn with this drawing class."""
    return {
        "crops": [EQUAL if outcome == "exact" else UNEQUAL],
        "finish": EQUAL,
        "whole": True,
        "across": {"outcome": outcome, "drawing": drawing, "reasons": [*why]},
        **more,
    }


def heard(
    report: Mapping[str, Any], signed: str | None, device_class: str = CLASS, **of: Any
) -> Case:
    """Return the case of a drawn delivery whose node signed this drawing class."""
    work = json.dumps({"pixels": None, "measured": {"drawing": signed}})
    given = pending(drawn=True, **of)
    case = Case.opened(attrs.evolve(given, row=attrs.evolve(given.row, work=work)))
    for told in (report,) if of else (OPENED, report):
        order = case.order(UUID(int=1), b"secret", device_class)
        read = answer(told, order.count)
        assert isinstance(read, Report), read
        case.hear(read, VERIFIER, device_class, DEFAULTS)
    return case


def said(case: Case) -> tuple[str, str, bool]:
    assert case.verdict is not None
    return case.verdict.outcome, case.verdict.said, case.verdict.strike


@pytest.mark.parametrize("of", [{}, CHUNK])
@pytest.mark.parametrize(
    ("report", "verdict"),
    [
        (drawn("exact"), ("exact", "", False)),
        (drawn("accepted"), ("invalid", describe(SAME, "not-equal"), True)),
        (drawn("accepted", loose=True), ("consistent", describe(OTHER), False)),
        (
            drawn("refused", "fewer-samples"),
            ("invalid", describe(SAME, "fewer-samples"), True),
        ),
        (
            drawn("unsaid", "not-comparable"),
            ("invalid", describe(SAME, "not-comparable"), True),
        ),
    ],
)
def test_within_a_drawing_class_frames_are_equal(
    of: dict[str, Any], report: Mapping[str, Any], verdict: tuple[str, str, bool]
) -> None:
    assert said(heard(report, MESA, **of)) == verdict


@pytest.mark.parametrize("of", [{}, CHUNK])
@pytest.mark.parametrize(
    ("report", "verdict"),
    [
        (drawn("exact"), ("exact", "", False)),
        (drawn("accepted"), ("consistent", describe(OTHER), False)),
        (
            drawn("refused", "fewer-samples"),
            ("invalid", describe(OTHER, "fewer-samples"), False),
        ),
        (
            drawn("unsaid", "not-comparable"),
            ("unverifiable", explain("other-driver", "not-comparable"), False),
        ),
    ],
)
@pytest.mark.parametrize(("signed", "device_class"), [(NVIDIA, CUDA), (NVIDIA, CLASS), (MESA, SSE)])
def test_across_drawing_classes_the_nearest_number_of_samples_decides(
    of: dict[str, Any],
    report: Mapping[str, Any],
    verdict: tuple[str, str, bool],
    signed: str,
    device_class: str,
) -> None:
    assert said(heard(report, signed, device_class, **of)) == verdict


@pytest.mark.parametrize("signed", [None, "", 7])
def test_nodes_of_unknown_drawing_class_are_of_another_one(signed: Any) -> None:
    for drawing in (MESA, None):
        found = said(heard(drawn("accepted", drawing=drawing), signed))
        assert found == ("consistent", describe(OTHER), False)


@pytest.mark.parametrize("signed", [None, ""])
@pytest.mark.parametrize(
    ("report", "device_class", "strike"),
    [
        (drawn("refused", "fewer-samples"), CLASS, True),
        (drawn("refused", "fewer-samples"), SSE, True),
        (drawn("refused", "fewer-samples"), CUDA, False),
        (drawn("refused", "fewer-samples", loose=True), CLASS, False),
        (drawn("unsaid", "not-comparable"), CLASS, False),
    ],
)
def test_who_signs_for_no_drawing_class_gets_a_strike_for_what_is_refused(
    report: Mapping[str, Any], device_class: str, signed: Any, strike: bool
) -> None:
    """Without a strike, a liar would risk nothing and be compared as seldom as with Cycles."""
    verdict = heard(report, signed, device_class).verdict
    assert verdict is not None
    assert verdict.strike == strike


@pytest.mark.parametrize(
    ("report", "signed", "method"),
    [
        (drawn("exact"), MESA, None),
        (drawn("exact"), NVIDIA, None),
        (drawn("accepted"), MESA, SAME),
        (drawn("accepted"), NVIDIA, OTHER),
        (drawn("refused", "fewer-samples"), NVIDIA, OTHER),
    ],
)
def test_a_verdict_has_the_method_of_its_comparison(
    report: Mapping[str, Any], signed: str, method: ComparisonMethod | None
) -> None:
    verdict = heard(report, signed).verdict
    assert verdict is not None
    assert verdict.method is method


def test_what_nobody_can_tell_pays_nobody() -> None:
    found = heard(drawn("unsaid", "not-comparable"), NVIDIA).verdict
    said = explain("other-driver", "not-comparable")
    assert found == Verdict("unverifiable", said, reason="other-driver")
    assert not IS_PAID["other-driver"]


def test_a_picture_that_the_verifier_does_not_read_is_unverifiable() -> None:
    assert said(heard({**drawn("accepted"), "finish": None}, NVIDIA))[0] == "unverifiable"


@given(
    st.sampled_from(("exact", "consistent", "accepted", "refused", "unsaid")),
    st.none() | st.sampled_from((MESA, NVIDIA)),
    st.none() | st.sampled_from((MESA, NVIDIA)),
    st.sampled_from((CLASS, SSE, CUDA)),
    st.booleans(),
)
def test_only_the_same_machine_and_driver_or_none_that_is_named_make_a_strike(
    outcome: str, drawing: str | None, signed: str | None, device_class: str, loose: bool
) -> None:
    case = heard(drawn(outcome, drawing=drawing, loose=loose), signed, device_class)
    assert case.verdict is not None, "one report decides"
    is_same = (device_class, drawing) == (CLASS, signed) and drawing is not None
    is_unsigned = signed is None and device_class != CUDA and outcome == "refused"
    is_sure = (is_same or is_unsigned) and not loose
    assert not case.verdict.strike or (is_sure and outcome != "exact")


@pytest.mark.parametrize("drawing", [MESA, None, 7, ""])
def test_a_report_tells_of_the_drawing_class(drawing: Any) -> None:
    read = answer(drawn("refused", "a", "b", drawing=drawing), 1)
    assert isinstance(read, Report)
    assert read.across == OtherClassReport(
        "refused", "a, b", True, MESA if drawing == MESA else None
    )


@pytest.mark.parametrize(
    "work", [None, "{}", '{"measured": 7}', '{"measured": {}}', '{"measured": {"drawing": [1]}}']
)
def test_work_without_a_drawing_class_is_read(work: str | None) -> None:
    assert drawing_of(work) is None
