"""Formatting of numbers, times and money on pages, and escaping of hostile text."""

import re
from datetime import UTC, datetime

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.money import CreditPrice
from tests.browser.console.stage import HOSTILE
from web.console import template_rendering, value_markup
from web.console.page_responses import own_path
from web.console.pages.jobs import told
from web.console.tables import (
    Column,
    SortOrder,
    heads,
    order_of,
    page_of,
    sort_of,
    sorted_rows,
    table,
)

COLUMNS = (Column("Name", "name"), Column("Depth", "depth", "number"), Column("Error"))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.0000589, "59 µs"),
        (0.0128, "12.8 ms"),
        (3.21, "3.21 s"),
        (59.4, "59.4 s"),
        (60, "1 min"),
        (185, "3 min 5 s"),
        (7260, "2 h 1 min"),
        (187_200, "2 d 4 h"),
        (None, value_markup.NOTHING),
    ],
)
def test_spans(seconds: float | None, text: str) -> None:
    assert value_markup.span(seconds) == text


def test_exact_money_has_its_unit_and_all_its_digits() -> None:
    text = value_markup.exact(-123_456_789).striptags()
    assert text.split() == [f"{value_markup.MINUS}12,345.6789", "cr"]


@pytest.mark.parametrize(
    ("units", "shown", "title"),
    [
        (123_456_789, "12,345.67", "12,345.6789 cr"),
        (-123_456_789, f"{value_markup.MINUS}12,345.67", "-12,345.6789 cr"),
        (12_345_678, "1,234.56", "1,234.5678 cr"),
        (1_000_049, "100", "100.0049 cr"),
        (1_000_050, "100", "100.005 cr"),
        (2_999_054, "299.9", "299.9054 cr"),
        (1_234_500, "123.45", ""),
        (999_999, "99.9999", ""),
        (1, "0.0001", ""),
        (0, "0", ""),
    ],
)
def test_large_amounts_are_cut_after_two_decimals_and_have_an_exact_title(
    units: int, shown: str, title: str
) -> None:
    text = value_markup.credits_(units)
    assert " ".join(text.striptags().split()) == f"{shown} cr"
    found = re.search(r'title="([^"]*)"', text)
    assert (found[1] if found else "") == title


@given(st.integers(-(10**14), 10**14))
def test_amounts_are_cut_by_less_than_a_hundredth_and_never_rounded_up(units: int) -> None:
    assert 0 <= abs(units) - abs(value_markup.cut(units)) < 100
    assert value_markup.cut(-units) == -value_markup.cut(units)


@pytest.mark.parametrize(
    ("units", "shown"),
    [
        (18, "under 0.01 USD"),
        (1_428, "under 0.01 USD"),
        (1_429, "≈ 0.01 USD"),
        (21_428, "≈ 0.15 USD"),
        (299_905_400, "≈ 2,099.34 USD"),
        (-10_000, "\N{MINUS SIGN}0.07 USD"),
    ],
)
def test_money_beside_credits_is_rounded_half_up(units: int, shown: str) -> None:
    sold = CreditPrice(7_000, 1_000 * 10_000, "usd")
    assert value_markup.in_money(units, sold).removeprefix("≈ " if units < 0 else "") == shown


@pytest.mark.parametrize(
    ("units", "text"),
    [
        (0, "0 credits"),
        (1, "0.0001 credits"),
        (10_000, "1 credit"),
        (125_000, "12.5 credits"),
        (12_345_678, "1,234.56 credits"),
    ],
)
def test_money_in_a_sentence_has_the_right_plural(units: int, text: str) -> None:
    assert value_markup.credit_count(units) == text


def test_moments_are_absolute_in_their_title() -> None:
    shown = value_markup.when(datetime(2026, 11, 25, 9, 5, 7, tzinfo=UTC))
    assert 'title="2026-11-25 09:05:07 UTC"' in shown
    assert 'datetime="2026-11-25T09:05:07+00:00"' in shown


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    template = template_rendering.environment().from_string(
        '<p title="{{ t }}">{{ t }} {{ t | named }} {{ t | short }}</p>'
        '{{ parts.figure(t, t, t) }}{{ parts.chart("id", t, {"series": [], "t": t}, t) }}'
    )
    shown = template.render(t=text)
    for piece in ("<script", "<img", "<svg on", "<hx-", "</title", "</template", "<!--"):
        assert piece not in shown
    assert shown.count('"') % 2 == 0


@pytest.mark.parametrize(
    "character", "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
)
def test_what_turns_text_around_is_shown_as_a_mark(character: str) -> None:
    template = template_rendering.environment().from_string(
        '<p title="{{ t }}">{{ t }} {{ t | named }}</p>{{ parts.figure(t, t, t) }} {{ [t] | join }}'
    )
    shown = template.render(t=f"node{character}edon")
    assert character not in shown
    assert shown.count(f"node\u2039U+{ord(character):04X}\u203aedon") == 7


@given(st.text(max_size=60))
def test_nothing_but_paths_of_the_console_is_led_to(text: str) -> None:
    path = own_path(text)
    assert path.startswith("/console")
    assert path.isascii()
    assert "\\" not in path
    assert path == "/console" or path[8] in "/?"


def test_a_column_that_is_sorted_turns_around() -> None:
    sort = sort_of("-depth", COLUMNS, "name")
    assert sort == SortOrder("depth", down=True)
    shown = heads(COLUMNS, sort)
    assert [head.aria for head in shown] == ["none", "descending", None]
    assert [head.then for head in shown] == ["name", "depth", None]


def test_an_unknown_column_sorts_as_usual() -> None:
    assert sort_of("password_hash", COLUMNS, "name") == SortOrder("name")


def test_rows_without_a_value_stand_last() -> None:
    rows = [Column(label, key) for label, key in (("b", "2"), ("a", "1"))]
    assert [row.label for row in sorted_rows(rows, SortOrder("key", down=True))] == ["b", "a"]


def test_an_address_keeps_what_is_not_changed() -> None:
    params = {"q": "a&b", "sort": "name"}
    assert value_markup.address("/console/x", params, sort=None) == "/console/x?q=a%26b"
    assert value_markup.address("/console/x", {}, sort="-y") == "/console/x?sort=-y"


@attrs.frozen
class Row:
    label: str
    key: int | None


def test_a_table_is_one_of_several_and_says_its_order() -> None:
    columns = (Column("Name", "label"), Column("Key", "key", "number"), Column("About"))
    rows = [Row("b", 2), Row("A", 3), Row("c", None)]
    usual = table(rows, columns, "other.label", "-key", "mine")
    assert usual.rows is rows, "the rows stay in the order they came in"
    assert [head.then for head in usual.heads] == ["mine.label", "mine.key", None]
    chosen = table(rows, columns, "mine.label", "-key", "mine")
    assert [row.label for row in chosen.rows] == ["A", "b", "c"]
    assert chosen.order == "by name, from A to Z"
    assert (
        order_of((Column("When", "at", "time"),), SortOrder("at", down=True)) == "the newest first"
    )
    second = page_of(chosen, 1, 1)
    assert ([row.label for row in second.rows], second.before, second.after) == (["b"], 0, 2)
    last = page_of(chosen, 2, 1)
    assert (last.before, last.after) == (1, None)


@pytest.mark.parametrize(
    ("verb", "done", "refused", "text"),
    [
        ("retry", 1, {}, "1 job is retried."),
        ("cancel", 4, {}, "4 jobs are cancelled."),
        (
            "retry",
            3,
            {"Job is COMPLETED": 2},
            "3 of 5 jobs are retried; 2 cannot be, because job is COMPLETED.",
        ),
        (
            "cancel",
            0,
            {"Job is RUNNING": 1, "the gateway is busy; try again": 2},
            (
                "None of 3 jobs is cancelled; 3 cannot be: 1 because job is RUNNING and 2 because"
                " the gateway is busy, try again."
            ),
        ),
    ],
)
def test_many_jobs_at_once_say_how_many_and_why_not(
    verb: str, done: int, refused: dict[str, int], text: str
) -> None:
    assert told(verb, done, refused) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [(" \n", "\u2039blank\u203a"), ("\u200b", "\u2039blank\u203a"), (" a ", " a "), ("", "")],
    ids=["blank", "invisible", "text", "empty"],
)
def test_foreign_text_that_nobody_could_see_is_marked(text: str, shown: str) -> None:
    assert value_markup.isolated(text) == f"<bdi>{shown}</bdi>"


def test_states_within_sentences_are_those_of_the_badges() -> None:
    assert [value_markup.state(one) for one in ("DISPATCHED", "FAILED")] == ["starting", "failed"]
