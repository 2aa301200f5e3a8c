"""Reasons why operators were not paid, and the sentences under charts of days."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust import money
from rendertrust.verdict_reason import SENTENCES
from sql.earning_figures import EarningSum, UnpaidResult
from web.console.period_chart import DayBars
from web.console.value_markup import credit_count
from web.money.unpaid_reason import MORE_VALID, unpaid_code, why_unpaid

PLAIN = UnpaidResult(
    job_id=UUID(int=1),
    unit=0,
    node_id=UUID(int=2),
    at=datetime(2026, 3, 1, tzinfo=UTC),
    amount=70_000,
    state=None,
    verdict=None,
    reason=None,
    said="",
    verified=True,
    decision=None,
    node="box",
    job_type="render",
    frames=None,
    tile=None,
    grid=None,
    attempt=0,
    compared=None,
    dispute=None,
    has_picture=False,
)
DAYS = st.dictionaries(
    st.dates(date(2026, 1, 1), date(2026, 3, 1)), st.integers(0, 10**9), min_size=1
)


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({}, "It was not verified, and this farm pays for verified results only."),
        ({"verified": False}, "The node had not proved its key."),
        ({"verdict": "invalid"}, "The result is invalid."),
        ({"verdict": "invalid", "said": "it is black."}, "The result is invalid: it is black."),
        ({"verdict": "unverified", "said": "another node was faster"}, "Another node was faster."),
        ({"state": "REVERSED", "decision": "it is black"}, "It is black."),
        ({"state": "REVERSED"}, "Its creator got the charge back: a dispute was upheld."),
        (
            {"state": "FORFEITED", "verdict": "invalid"},
            "It was taken as a fine: another result of your nodes was invalid.",
        ),
    ],
    ids=["unchecked", "unproved", "invalid", "why", "overtaken", "decision", "refunded", "fine"],
)
def test_each_reason_is_a_sentence(known: dict[str, Any], said: str) -> None:
    assert why_unpaid(attrs.evolve(PLAIN, **known)) == said


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_every_reason_of_a_verdict_is_explained(code: str) -> None:
    result = attrs.evolve(PLAIN, verdict="unverifiable", reason=code)
    told = why_unpaid(result)
    assert told.startswith(f"It could not be verified: {SENTENCES[code]}.")
    assert told.endswith(MORE_VALID) == (code in ("scene-fails", "format"))


@given(DAYS)
def test_bars_have_the_amounts_and_the_sentence_their_sum(amounts: dict[date, int]) -> None:
    bars = DayBars("earned", sorted(amounts.items()))
    drawn = bars.drawn
    assert [value * money.UNITS_PER_CREDIT for value in drawn["series"][0]["values"]] == (
        pytest.approx([amount for _, amount in bars.amounts])
    )
    assert len(drawn["at"]) == len(amounts)
    if bars.total:
        total, verb = bars.total, "was" if bars.total == money.UNITS_PER_CREDIT else "were"
        assert bars.said.startswith(f"{credit_count(total)} {verb} earned on")
    else:
        assert bars.said == "Nothing was earned in this period."


@given(st.integers(0, 10**12), st.floats(0, 10**8))
def test_earnings_per_hour_need_a_minute_of_work(earned: int, seconds: float) -> None:
    found = EarningSum(earned=earned, seconds=seconds).per_hour
    assert (found is None) == (seconds < 60)
    if found is not None:
        assert abs(found - earned / (seconds / 3600)) <= 1


@pytest.mark.parametrize(
    ("known", "code"),
    [
        ({}, "unverified"),
        ({"reason": "scene-fails"}, "unverified"),
        ({"verified": False}, "unproved"),
        ({"verdict": "invalid", "verified": False}, "invalid"),
        ({"state": "REVERSED", "verdict": "invalid"}, "refunded"),
        ({"state": "FORFEITED", "verdict": "invalid"}, "fined"),
    ],
    ids=["unchecked", "unverifiable", "unproved", "invalid", "refunded", "fine"],
)
def test_each_reason_has_a_code(known: dict[str, Any], code: str) -> None:
    assert unpaid_code(attrs.evolve(PLAIN, **known)) == code
