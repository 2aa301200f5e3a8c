"""Checks by a verifier of another device kind: which results, and what a report leads to."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.kernel import Ref
from actors.verifier.case import Case
from actors.verifier.report import Report, answer
from actors.verifier.thresholds import DEFAULTS
from actors.verifier.verifier_registry import VerifierFleet, VerifierRegistry
from rendertrust.comparison_method import ComparisonMethod, describe
from rendertrust.verdict_reason import IS_PAID, explain
from sql.checks import SeenVerifier
from tests.twins.store import StoreTwin
from tests.twins.store_checks import records
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import CLASS, EXACT, NODE, apart, pending, verifying

OPTIX, OTHER_BUILD, SSE = "optix/x86_64/5.2", "optix/x86_64/5.1", "cpu/sse/5.2"
VERIFIER = UUID(int=20)
HAIR = "hair of Object 'Cube' > Fur"
UNEQUAL = {"equal": False, "off": 1.2}


def compared(outcome: str, *why: str, off: float | None = 1.2, **more: Any) -> Mapping[str, Any]:
    """Return a report with a comparison across devices."""
    looks = [[{"layer": "ViewLayer", "outcome": outcome, "reasons": list(why), "unsaid": None}]]
    report = EXACT if off is None else apart(off)
    return {**report, "across": {"outcome": outcome, "looks": looks}, **more}


def refused(**more: Any) -> Mapping[str, Any]:
    """Return a report with a refusal by both looks, and no comparison of the finished picture."""
    told = {**compared("refused", "fewer-samples", "softened"), **more}
    return {name: value for name, value in told.items() if name != "finish"}


def heard(*reports: Mapping[str, Any], **of: Any) -> Case:
    """Return the case of a drawn CPU delivery after these reports of a GPU."""
    given: dict[str, Any] = {"drawn": True, **of}
    case = Case.opened(pending(**given))
    for told in reports:
        order = case.order(UUID(int=1), b"secret", OPTIX)
        report = answer(told, order.count)
        assert isinstance(report, Report), report
        case.hear(report, VERIFIER, OPTIX, DEFAULTS)
    return case


CHUNK: dict[str, Any] = {"params": {"frame": None, "frames": [1, 2]}}
DEPENDENT = explain("device-dependent", HAIR)
UNPROVED = explain("other-device", "no-evidence")
FEW_CELLS = explain("other-device", "few-cells")
TILE: dict[str, Any] = {"params": {"tile": [0, 0, 64, 64]}}
SEEDED = describe(ComparisonMethod.OTHER_SEEDS)
MERGED: dict[str, Any] = {"params": {"tiles": [[0, 0, 8, 8]]}}
FRAMES = {"crops": [UNEQUAL], "finish": {"equal": True, "off": None}}  # of a chunk
UNCUT = {"unable": "Output Properties > Stereoscopy is on", "uncut": True}
WHOLE = {"crops": [{"equal": True, "off": None}], "finish": EXACT["finish"], "whole": True}


@pytest.mark.parametrize(
    ("reports", "of", "outcome", "said"),
    [
        ((compared("exact", off=None),), {}, "exact", ""),
        ((compared("consistent", off=0.16),), {}, "consistent", "0.16 times the noise"),
        ((compared("accepted"),), {}, "consistent", SEEDED),
        ((compared("accepted"),), TILE, "consistent", SEEDED),
        ((refused(),), {}, "invalid", "other-device: fewer-samples, softened"),
        ((refused(depends=HAIR),), {}, "unverifiable", DEPENDENT),
        ((compared("accepted", depends=HAIR),), {}, "consistent", SEEDED),
        (
            (compared("unsaid", "few-cells"),),
            {},
            "unverifiable",
            FEW_CELLS,
        ),
        (
            (compared("unsaid", depends=HAIR),),
            {},
            "unverifiable",
            DEPENDENT,
        ),
        (({**UNCUT, "depends": HAIR},), {}, "unverifiable", DEPENDENT),
        ((UNCUT, WHOLE), {}, "exact", ""),
        (
            (UNCUT, {**WHOLE, "crops": [UNEQUAL]}),
            {},
            "unverifiable",
            UNPROVED,
        ),
        ((FRAMES,), CHUNK, "unverifiable", UNPROVED),
        (({**FRAMES, "crops": EXACT["crops"][:1]},), CHUNK, "exact", ""),
        (({"crops": [UNEQUAL], "finish": UNEQUAL},), MERGED, "invalid", "1.2 times the noise"),
        ((compared("accepted", finish=UNEQUAL),), {}, "invalid", "1.2 times the noise"),
        ((compared("accepted", finish=UNEQUAL, depends=HAIR),), {}, "invalid", "1.2 times the"),
        ((compared("accepted", finish=None),), {}, "unverifiable", explain("format")),
    ],
)
def test_a_comparison_across_devices_is_never_a_strike(
    reports: tuple[Mapping[str, Any], ...], of: dict[str, Any], outcome: str, said: str
) -> None:
    found = heard(*reports, **of).verdict
    assert found is not None
    assert (found.outcome, found.strike) == (outcome, False)
    assert found.said.startswith(said)


def test_what_another_device_leaves_open_pays_nobody() -> None:
    open_ = [compared("unsaid", "theirs-not-finite"), compared("unsaid", "few-cells")]
    for told in (*open_, refused(depends=HAIR), {**UNCUT, "depends": HAIR}):
        found = heard(told).verdict
        assert found is not None
        assert not IS_PAID[found.reason or ""], "the result's node may have caused this"


def test_a_broken_file_is_a_strike_whoever_opens_it() -> None:
    found = heard({"fault": "the picture is none"}).verdict
    assert found is not None
    assert (found.outcome, found.strike) == ("invalid", True)


outcomes = st.sampled_from(("exact", "consistent", "accepted", "refused", "unsaid", "sure", None))


@given(outcomes, st.none() | st.just(HAIR), st.lists(st.floats(0, 9), min_size=3, max_size=3))
def test_whatever_a_verifier_of_another_kind_reports_nobody_gets_a_strike(
    outcome: str | None, depends: str | None, off: list[float]
) -> None:
    crops = [{"equal": False, "off": each} for each in off]
    told = {**EXACT, "crops": crops, "across": {"outcome": outcome}, "depends": depends}
    found = heard(told).verdict
    assert found is not None, "one report decides"
    assert not found.strike


@pytest.mark.parametrize(
    "looks", [None, 7, [], [7], [[7]], [[{"reasons": 7, "unsaid": []}]], [[{"reasons": [7]}]]]
)
def test_a_report_that_gives_no_reasons_is_read(looks: Any) -> None:
    read = answer({**EXACT, "across": {"outcome": "refused", "looks": looks}}, 3)
    assert isinstance(read, Report)
    assert read.across is not None
    assert (read.across.outcome, read.across.why) == ("refused", "")


def test_an_order_for_another_device_says_where_a_second_look_lies() -> None:
    case = Case.opened(pending(drawn=True))
    assert case.order(UUID(int=1), b"secret", CLASS).across == ()
    assert case.order(UUID(int=1), b"secret", SSE).across == (), "the same seed decides first"
    order = case.order(UUID(int=1), b"secret", OPTIX)
    assert len(order.across) == len(order.draws) == 3
    assert not {*order.across} & {*order.draws}
    assert Case.opened(pending(drawn=False)).order(UUID(int=1), b"s", OPTIX).across == ()
    assert Case.opened(pending(drawn=True, **CHUNK)).order(UUID(int=1), b"s", OPTIX).across == ()


def other_set(*reports: Mapping[str, Any]) -> Case:
    """Return the case of a drawn delivery after these reports of another instruction set."""
    case = Case.opened(pending(drawn=True))
    for told in reports:
        order = case.order(UUID(int=1), b"secret", SSE)
        report = answer(told, order.count)
        assert isinstance(report, Report), report
        case.hear(report, VERIFIER, SSE, DEFAULTS)
    return case


@pytest.mark.parametrize("first", [0.4, 1.2])
def test_another_instruction_set_compares_with_other_seeds_before_the_whole_frame(
    first: float,
) -> None:
    case = other_set(apart(first))
    assert (case.step, case.verdict) == ("more", None)
    assert len(case.order(UUID(int=1), b"secret", SSE).across) == 3
    assert case.order(UUID(int=1), b"secret", CLASS).across == (), "the same set compares bits"


@pytest.mark.parametrize(
    ("second", "outcome", "said"),
    [
        (compared("accepted"), "consistent", SEEDED),
        (compared("consistent", off=0.2), "consistent", "0.2 times the noise"),
        (compared("accepted", finish=UNEQUAL), "invalid", "1.2 times the noise"),
    ],
)
def test_other_seeds_clear_what_instruction_sets_render_differently(
    second: Mapping[str, Any], outcome: str, said: str
) -> None:
    """A scene may amplify the smallest difference, as dense volumes do."""
    found = other_set(apart(1.2), second).verdict
    assert found is not None
    assert (found.outcome, found.said) == (outcome, said)


@pytest.mark.parametrize("second", [refused(), compared("unsaid", "few-cells")])
def test_what_other_seeds_do_not_clear_is_rendered_whole(second: Mapping[str, Any]) -> None:
    case = other_set(apart(1.2), second)
    assert (case.step, case.why, case.verdict) == ("whole", "regions", None)
    found = other_set(apart(1.2), second, {**apart(1.2), "whole": True}).verdict
    assert found is not None
    assert (found.outcome, found.strike) == ("invalid", True)


def fleet(*classes: str) -> VerifierFleet:
    """Return a fleet of ownerless verifiers of these classes, numbered from 20."""
    seen = [SeenVerifier(UUID(int=n), of, None) for n, of in enumerate(classes, 20)]
    return VerifierFleet(StoreTwin(), 60.0, seen={one.node: one for one in seen})


def test_a_verifier_of_the_same_kind_is_asked_first_and_waited_for() -> None:
    known, sessions = VerifierRegistry(), [Ref[Any](f"session {number}") for number in range(3)]
    case = Case.opened(pending(drawn=True))
    known.come(UUID(int=20), OTHER_BUILD, sessions[0])
    assert known.free_for(case, fleet(OTHER_BUILD)) is None
    known.come(UUID(int=21), OPTIX, sessions[1])
    assert known.free_for(case, fleet(OTHER_BUILD)) is None, "that one's owner is not known yet"
    everywhere = fleet(OTHER_BUILD, OPTIX, SSE)
    assert known.free_for(case, everywhere) is None, "another gateway has one of the same kind"
    other = known.free_for(case, fleet(OTHER_BUILD, OPTIX))
    assert other is not None
    assert other.device_class == OPTIX
    known.come(UUID(int=22), SSE, sessions[2])
    same = known.free_for(case, everywhere)
    assert same is not None
    assert same.device_class == SSE
    same.busy = UUID(int=1)
    assert known.free_for(case, everywhere) is None, "the busy one of the same kind is waited for"
    case.step = "open"
    assert known.free_for(case, everywhere) is not None, "any verifier may open a file"


@simulated
async def test_a_refusal_by_another_device_is_unpaid_and_goes_back_to_the_queue() -> None:
    """There is no fine, strike or clawback; the next node of the same kind may be honest, too."""
    async with verifying(least_odds=1.0) as play:
        play.known("v" * 12)
        job, checker = await play.delivered(), play.inspector(device_class=OPTIX)
        order = await play.checks(checker, refused())
        assert order.across
        unit = await play.ends(job, "QUEUED")
        assert unit.error_class == "node"
        assert (play.charged(), play.earned()) == (0, 0)
        row = play.store.checks[job, 0, 1]
        assert (row.verdict, row.strike, row.withdrawn) == ("invalid", False, False)
        assert play.standing() == "ACTIVE"
        [record] = await play.store.records([NODE])
        assert record.reputation.invalid == 0
        assert not play.store.fines


@simulated
@pytest.mark.parametrize("before", ["v" * 12, ""])
async def test_what_devices_render_differently_is_unverifiable_and_free(before: str) -> None:
    async with verifying(least_odds=1.0) as play:
        play.known(before)
        job, checker = await play.delivered(), play.inspector(device_class=OPTIX)
        await play.checks(checker, refused(depends=HAIR))
        await play.ends(job, "COMPLETED")
        assert play.verdict(job) == "unverifiable"
        assert (play.charged(), play.earned()) == (0, 0)


@simulated
async def test_a_refusal_without_a_strike_has_the_next_results_compared() -> None:
    async with verifying() as play:
        checker = play.inspector(device_class=OPTIX)
        play.known("v" * 20)
        job = await play.delivered()
        play.store.checks[job, 0, 1] = attrs.evolve(play.store.checks[job, 0, 1], drawn=True)
        await play.checks(checker, refused())
        await play.ends(job, "QUEUED")
        assert not play.store.checks[job, 0, 1].strike
        [found] = records(play.store, [NODE])
        assert found.reputation.valid_in_row == 0
        assert play.store.checks[await play.delivered(), 0, 1].odds == 1.0
