"""Periods of statements: the days that they name, and those that are refused."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.console.period_chart import links_of
from web.http.problem import Problem
from web.money.periods import DAYS_MOST, Period, period_of

TODAY = date(2026, 3, 15)
DATES = st.dates(date(2020, 1, 1), date(2030, 1, 1))


def test_without_days_it_is_the_last_thirty() -> None:
    assert period_of("", "", TODAY) == Period(date(2026, 2, 14), TODAY)
    assert period_of("", "2026-01-31", TODAY) == Period(date(2026, 1, 2), date(2026, 1, 31))
    assert period_of("2026-03-01", "", TODAY) == Period(date(2026, 3, 1), TODAY)


@pytest.mark.parametrize(
    ("first", "last", "field", "why"),
    [
        ("2026-02-30", "", "from", "is no day of the calendar"),
        ("", "2026-13-01", "to", "is no day of the calendar"),
        ("2026-03-16", "", "from", "must not be after the last day, 2026-03-15"),
        ("2025-03-14", "2026-03-15", "from", "is over 366 days before the last day"),
    ],
)
def test_what_is_no_period_is_refused(first: str, last: str, field: str, why: str) -> None:
    found = period_of(first, last, TODAY)
    assert isinstance(found, Problem)
    assert [fault.field for fault in found.errors] == [field]
    assert why in found.errors[0].message


@given(DATES, DATES)
def test_a_period_has_all_its_days_and_no_more(first: date, last: date) -> None:
    found = period_of(str(first), str(last), TODAY)
    days = (last - first).days + 1
    assert isinstance(found, Period) == (1 <= days <= DAYS_MOST)
    if isinstance(found, Period):
        assert found.days == days
        assert found.end - found.begin == timedelta(days=days)


@given(DATES)
def test_the_usual_periods_are_allowed_and_end_today_or_with_the_last_month(today: date) -> None:
    for link in links_of(today, Period(today, today)):
        first, last = link.period.first, link.period.last
        assert period_of(str(first), str(last), today) == link.period
        assert last == today or (last + timedelta(days=1)).day == 1
