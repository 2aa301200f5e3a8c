"""Packs of credits: the price of a credit, and what one saves."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust import money
from rendertrust.credit_packs import AMOUNT_MAX, PACKS_MAX, enough_of
from sql.skus import SkuRow
from web.console.credit_packs import each_of, packs_of


def sku(name: str, credits_: int, amount: int, currency: str = "usd") -> SkuRow:
    units = credits_ * money.UNITS_PER_CREDIT
    return SkuRow(name, name, units, amount, currency, True, datetime(2026, 3, 1, tzinfo=UTC))


def test_the_packs_on_sale_save_up_to_thirty_percent() -> None:
    packs = packs_of([sku("a", 100, 1000), sku("b", 500, 4000), sku("c", 1000, 7000)])
    assert [(pack.each, pack.saves) for pack in packs] == [("0.10", 0), ("0.08", 20), ("0.07", 30)]


def test_each_currency_is_compared_with_itself() -> None:
    packs = packs_of([sku("a", 100, 1000), sku("yen", 100, 1500, "jpy"), sku("b", 100, 1000)])
    assert [(pack.each, pack.saves) for pack in packs] == [("0.10", 0), ("15", 0), ("0.10", 0)]


def test_a_part_of_a_cent_is_shown() -> None:
    assert each_of(sku("a", 400, 2900)) == "0.0725"
    assert each_of(sku("a", 300, 1000)) == "0.0333"


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**8)), min_size=1, max_size=8))
def test_the_dearest_pack_saves_nothing_and_no_saving_is_overstated(
    sold: list[tuple[int, int]],
) -> None:
    packs = packs_of([sku(str(n), each, amount) for n, (each, amount) in enumerate(sold)])
    dearest = max(amount / each for each, amount in sold)
    assert min(pack.saves for pack in packs) == 0
    for pack, (each, amount) in zip(packs, sold, strict=True):
        assert 0 <= pack.saves <= (1 - amount / each / dearest) * 100 + 1e-6


SOLD = [
    sku("a", 100, 1000),
    sku("b", 500, 4000),
    sku("c", 1000, 7000),
    sku("d", 5000, 35_000),
    sku("e", 20_000, 140_000),
    sku("yen", 1000, 9000, "jpy"),
]


def packs_for(sold: list[SkuRow], need: int) -> dict[str, tuple[int, dict[str, int]]]:
    """Return the price and the packs of the purchase in each currency."""
    found = enough_of(sold, need * money.UNITS_PER_CREDIT)
    return {
        each.currency: (each.amount, {kind.pack.name: kind.quantity for kind in each.packs})
        for each in found
    }


@pytest.mark.parametrize(
    ("need", "amount", "packs"),
    [
        (1, 1000, {"a": 1}),
        (1234, 10_000, {"c": 1, "a": 3}),
        (1611, 13_000, {"c": 1, "b": 1, "a": 2}),
        (2471, 18_000, {"c": 2, "b": 1}),
        (30_000, 210_000, {"e": 1, "d": 2}),
        (951, 7000, {"c": 1}),
    ],
    ids=("1", "1234", "1611", "2471", "30000", "951"),
)
def test_the_cheapest_packs_that_cover_a_need_are_chosen(
    need: int, amount: int, packs: dict[str, int]
) -> None:
    found = packs_for(SOLD, need)
    assert found["usd"] == (amount, packs)
    assert found["jpy"] == (-(-need // 1000) * 9000, {"yen": -(-need // 1000)})


def test_no_payment_is_larger_than_providers_take() -> None:
    sold = [sku("a", 100, 1000), sku("b", 10**6, AMOUNT_MAX)]
    assert packs_for(sold, 101 * 100) == {"usd": (AMOUNT_MAX, {"b": 1})}
    assert packs_for(sold, 2 * 10**6) == {}


def test_a_search_with_many_packs_ends_and_is_no_dearer_than_one_kind() -> None:
    sold = [sku(f"p{n}", 977 + 31 * n * n, 7919 + 241 * n * n) for n in range(200)]
    need = 999_983
    one = [sold_.amount * -(-need // (sold_.units // money.UNITS_PER_CREDIT)) for sold_ in sold]
    assert packs_for(sold, need)["usd"][0] <= min(one)


def cheapest_by_tabulation(sold: list[tuple[int, int]], need: int) -> int | None:
    """Return the least price of at most PACKS_MAX packs with at least ``need`` credits."""
    costs: dict[int, int] = {0: 0}  # the least price of a number of packs, by their credits
    best: int | None = None
    for _ in range(PACKS_MAX):
        later = dict[int, int]()
        for covered, cost in costs.items():
            for credits_, amount in sold:
                total, paid = min(covered + credits_, need), cost + amount
                later[total] = min(later.get(total, paid), paid)
        if need in later:
            paid = later.pop(need)
            best = paid if best is None else min(best, paid)
        costs = later
    return best


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 60)), min_size=1, max_size=4),
    st.integers(1, 250),
)
def test_what_is_chosen_is_enough_and_nothing_cheaper_is(
    sold: list[tuple[int, int]], need: int
) -> None:
    skus = [sku(str(n), *each) for n, each in enumerate(sold)]
    found = enough_of(skus, need * money.UNITS_PER_CREDIT)
    assert [order.amount for order in found] == [
        each for each in [cheapest_by_tabulation(sold, need)] if each is not None
    ]
    for order in found:
        assert order.units >= need * money.UNITS_PER_CREDIT
        assert order.quantity <= PACKS_MAX


def test_a_purchase_of_several_packs_is_named_by_its_credits() -> None:
    pack = sku("Starter pack", 500, 4000)
    assert pack.title_of(pack.units) == "Starter pack"
    assert pack.title_of(pack.units * 25) == "12,500 credits"
    assert pack.title_of(1_205_000) == "120.5 credits"
