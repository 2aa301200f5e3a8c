"""Dates of payouts, and what a payout has at least."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sql.payout_rules import HOUR, PayoutRule, least_units, next_date

MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))
MOST = {"weekly": timedelta(days=7), "monthly": timedelta(days=31)}


@given(MOMENTS, st.sampled_from(sorted(MOST)))
def test_the_next_date_is_the_first_that_fits_after_now(now: datetime, schedule: str) -> None:
    found = next_date(schedule, now)
    assert found is not None
    assert now < found <= now + MOST[schedule]
    assert found.timetz() == HOUR.replace(tzinfo=UTC)
    assert found.weekday() == 0 if schedule == "weekly" else found.day == 1
    assert next_date(schedule, found) != found, "a date that has come is not the next one"


@pytest.mark.parametrize(
    ("schedule", "now", "then"),
    [
        ("weekly", "2026-12-07T05:59:00", "2026-12-07T06:00:00"),
        ("weekly", "2026-12-07T06:00:00", "2026-12-14T06:00:00"),
        ("monthly", "2026-12-01T06:00:00", "2027-01-01T06:00:00"),
        ("monthly", "2026-01-31T23:00:00", "2026-02-01T06:00:00"),
    ],
    ids=["before", "at", "year", "january"],
)
def test_dates(schedule: str, now: str, then: str) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert next_date(schedule, at) == datetime.fromisoformat(then).replace(tzinfo=UTC)


def test_by_hand_there_is_no_date() -> None:
    assert next_date("by_hand", datetime(2026, 1, 1, tzinfo=UTC)) is None


def test_the_gateways_minimum_counts_for_money_only() -> None:
    assert PayoutRule(kind="MONEY", minimum=5).least(10) == 10
    assert PayoutRule(kind="MONEY", minimum=15).least(10) == 15
    assert PayoutRule(kind="CREDITS", minimum=5).least(10) == 5
    assert least_units(0.1) == 1000
