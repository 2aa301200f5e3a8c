"""Amounts of credits as text and as integers."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust import money

UNITS = st.integers(min_value=1, max_value=10**18 - 1)


@given(UNITS)
def test_an_amount_survives_being_shown_and_read(units: int) -> None:
    assert money.parse(money.render(units)) == units


@given(st.integers(min_value=-(10**18), max_value=10**18))
def test_a_shown_amount_has_four_decimals_and_the_sign_in_front(units: int) -> None:
    whole, _, fraction = money.render(units).partition(".")
    assert len(fraction) == 4
    assert whole.startswith("-") == (units < 0)


@pytest.mark.parametrize(("text", "units"), [("10", 100_000), ("0.0001", 1), ("1.5", 15_000)])
def test_short_forms_are_read(text: str, units: int) -> None:
    assert money.parse(text) == units


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "0.0000",
        "-1",
        "+1",
        "1e3",
        "NaN",
        "1.",
        ".5",
        "1.23456",
        "1,5",
        " 1",
        "1\n",
        "१",
        "1" * 15,
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be"):
        money.parse(text)


def test_nothing_is_an_amount_where_that_may_be() -> None:
    assert money.parse("0", zero=True) == money.parse("0.0000", zero=True) == 0
    with pytest.raises(ValueError, match="must be a decimal string"):
        money.parse("-0", zero=True)


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        (1000, "usd", "10.00 USD"),
        (5, "eur", "0.05 EUR"),
        (1000, "jpy", "1000 JPY"),
        (50000, "KRW", "50000 KRW"),
        (1000, "kwd", "1.000 KWD"),
        (500, "ugx", "5.00 UGX"),
    ],
)
def test_a_price_has_the_decimals_of_its_currency(amount: int, currency: str, shown: str) -> None:
    """Stripe counts some currencies without decimals in hundredths, such as UGX."""
    assert money.price(amount, currency) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("0", "0"),
        ("999.9999", "999.9999"),
        ("1000", "1,000"),
        ("-1234567.5", "-1,234,567.5"),
        ("-0.25", "-0.25"),
    ],
)
def test_thousands_are_separated_by_commas(number: str, shown: str) -> None:
    assert money.grouped(number) == shown


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("1.0000", "1 credit"),
        (-10_000, "-1 credit"),
        ("0.0000", "0 credits"),
        ("1.5000", "1.5 credits"),
        (12_345_000, "1,234.5 credits"),
    ],
    ids=["one", "minus one", "none", "part", "many"],
)
def test_an_amount_agrees_with_its_noun(amount: str | int, words: str) -> None:
    assert money.credit_count(amount) == words


def test_one_function_alone_writes_the_noun_after_an_amount() -> None:
    root = Path(money.__file__).parents[1]
    rooms = ("actors", "extension", "rendertrust", "sql", "web")
    sources = [path for room in rooms for path in (root / room).rglob("*.py")]
    written = re.compile(r"\} credits?\b")
    found = {path.name for path in sources if written.search(path.read_text())}
    assert found <= {"money.py"}, found
