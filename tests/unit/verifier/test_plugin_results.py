"""Results of plugins' job types: drawn ones are checked by the plugin, others settled at once."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from actors.verifier.case import Case
from actors.verifier.report import NoReport, PluginReport, plugins_answer
from rendertrust.verdict_reason import NO_PLUGIN, UNDECIDED
from sql.sampling import ALWAYS_UNTIL
from tests.unit.simulated_time import simulated
from tests.unit.verifier.stage import CLASS, PRICE, Inspector, Play, pending, verifying

WORDS = frozenset({"words"})
OTHER_CLASS = "cpu/sse/4.5"
NEVER_DRAWN: Mapping[str, Any] = {"least_odds": 0.0}
VALID, INVALID = {"verdict": "valid"}, {"verdict": "invalid", "reason": "other counts"}


def checker(play: Play, device_class: str = CLASS, **more: Any) -> Inspector:
    return play.inspector(device_class=device_class, checks=WORDS, **more)


@pytest.mark.parametrize(
    ("report", "read"),
    [
        (VALID, PluginReport("valid")),
        ({**VALID, "exact": True}, PluginReport("valid", is_exact=True)),
        ({**VALID, "exact": "yes", "reason": "near"}, PluginReport("valid", "near")),
        ({**INVALID, "exact": True}, PluginReport("invalid", "other counts")),
        ({**INVALID, "reason": 7}, PluginReport("invalid")),
        ({**INVALID, "reason": "x" * 999}, PluginReport("invalid", "x" * 300)),
    ],
    ids=["valid", "exact", "not exact", "invalid", "no reason", "long reason"],
)
def test_what_a_plugin_reports_is_read(report: dict[str, Any], read: PluginReport) -> None:
    assert plugins_answer(report) == read


@pytest.mark.parametrize("report", [{}, {"verdict": "exact"}, {"verdict": ["valid"]}], ids=str)
def test_a_report_without_a_verdict_is_none(report: dict[str, Any]) -> None:
    assert isinstance(plugins_answer(report), NoReport)


@pytest.mark.parametrize("device_class", [CLASS, OTHER_CLASS], ids=["same class", "another class"])
@simulated
async def test_a_drawn_result_is_checked_by_a_verifier_of_any_class_and_paid(
    device_class: str,
) -> None:
    async with verifying() as play:
        node = checker(play, device_class)
        job = await play.delivered(job_type="words")
        order = await play.checks(node, {**VALID, "exact": True})
        assert (order.is_by_plugin, order.count) == (True, 0)
        assert order.same_class is (device_class == CLASS)
        await play.ends(job, "COMPLETED")
        assert (play.verdict(job), play.charged()) == ("exact", PRICE)
        row = play.store.checks[job, 0, 1]
        assert (row.compared, row.distance, row.verifier_id) == ("plugin", 0.0, node.node)
        assert play.earned() > 0


@simulated
async def test_what_is_valid_within_its_tolerance_is_consistent() -> None:
    async with verifying() as play:
        node = checker(play)
        job = await play.delivered(job_type="words")
        await play.checks(node, {**VALID, "reason": "2e-4 apart"})
        await play.ends(job, "COMPLETED")
        row = play.store.checks[job, 0, 1]
        assert (row.verdict, row.said, row.distance) == ("consistent", "2e-4 apart", None)


@simulated
async def test_an_invalid_result_is_a_strike_and_done_again() -> None:
    async with verifying() as play:
        node = checker(play)
        job = await play.delivered(job_type="words")
        await play.checks(node, INVALID)
        await play.ends(job, "QUEUED")
        row = play.store.checks[job, 0, 1]
        assert (row.verdict, row.said, row.strike) == ("invalid", "other counts", True)
        assert play.earned() == 0


@simulated
async def test_what_the_check_cannot_decide_is_free_and_no_strike() -> None:
    async with verifying(least_odds=1.0) as play:
        play.known("v" * ALWAYS_UNTIL)
        node = checker(play)
        job = await play.delivered(job_type="words")
        await play.checks(node, {"verdict": "unverifiable", "reason": "it depends on chance"})
        await play.ends(job, "COMPLETED")
        row = play.store.checks[job, 0, 1]
        assert (row.verdict, row.reason, row.strike) == ("unverifiable", UNDECIDED, False)
        assert "it depends on chance" in row.said
        assert (play.charged(), play.earned()) == (0, 0)


@simulated
async def test_checks_that_fail_refuse_the_result_without_a_strike() -> None:
    """Otherwise a file that crashes the check would be as good as a valid one, if not drawn."""
    async with verifying() as play:
        node = checker(play)
        job = await play.delivered(job_type="words")
        for _ in range(3):
            await play.checks(node, None)
        await play.ends(job, "QUEUED")
        row = play.store.checks[job, 0, 1]
        assert (row.verdict, row.said, row.strike) == ("invalid", "it failed", False)


@simulated
async def test_what_is_not_drawn_is_settled_without_a_check() -> None:
    async with verifying(**NEVER_DRAWN) as play:
        play.known("v" * 1000)
        node = checker(play)
        job = await play.delivered(job_type="words")
        await play.ends(job, "COMPLETED")
        row = play.store.checks[job, 0, 1]
        assert (row.verdict, row.verifier_id, play.charged()) == ("sampled-out", None, PRICE)
        assert node.probe.ref.depth == 0


@pytest.mark.parametrize("drawn", [True, False], ids=["drawn", "not drawn"])
@simulated
async def test_where_no_verifier_has_the_check_the_result_waits_and_is_free(*, drawn: bool) -> None:
    async with verifying(wait_seconds=30.0, **NEVER_DRAWN) as play:
        play.known("" if drawn else "v" * 1000)
        other = play.inspector(checks=frozenset({"letters"}))
        job = await play.delivered(job_type="words")
        await play.ends(job, "COMPLETED")
        row = play.store.checks[job, 0, 1]
        assert (row.verdict, row.reason, play.charged()) == ("unverifiable", NO_PLUGIN, 0)
        assert other.probe.ref.depth == 0


@simulated
async def test_a_verifier_that_comes_with_the_check_is_asked() -> None:
    async with verifying() as play:
        without = play.inspector()
        job = await play.delivered(job_type="words")
        node = checker(play, number=21)
        await play.checks(node, VALID)
        await play.ends(job, "COMPLETED")
        assert without.probe.ref.depth == 0


def test_a_disputed_result_is_checked_again() -> None:
    case = Case.opened(pending(job_type="words", is_again=True, disputed=((0.5, 0.5),)))
    assert case.verdict is None
    order = case.order(UUID(int=1), b"secret", OTHER_CLASS)
    assert (order.whole, order.draws, order.sheet, order.same_class) == (False, (), "", False)
