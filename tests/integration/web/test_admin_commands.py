"""``rendertrust admin`` on a database, as whoever operates the gateway calls it."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from supervisors.engines.postgres import PostgresEndpoint
from web.commands.admin import admin


@pytest.fixture(autouse=True)
def _settings(database: PostgresEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENDERTRUST_DATABASE_URL", database.app_dsn)


def call(*words: str, typed: str = "") -> Result:
    return CliRunner().invoke(admin, [*words], input=typed)


def parsed(*words: str) -> Any:
    ended = call(*words, "--json")
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.output)


# -- prices


def test_a_price_is_set_listed_and_found_in_the_history() -> None:
    ended = call("prices", "set", "render", "12.5", "--reason", "dearer electricity")
    assert (ended.exit_code, ended.output) == (0, "render costs 12.5000 from now on.\n")
    listed = call("prices", "list").output.splitlines()
    assert [line.split("\t")[:2] for line in listed if line.startswith("render\t")] == [
        ["render", "12.5000"]
    ]
    history = parsed("prices", "history", "render")["prices"]
    assert [change["price"] for change in history] == ["12.5000", "10.0000"]
    assert history[0]["reason"] == "dearer electricity"
    assert history[0]["changed_by"].startswith("console:")
    assert len(call("prices", "history", "--limit", "3").output.splitlines()) == 3


def test_a_price_of_ones_own_is_given_up() -> None:
    ended = call("prices", "unset", "render")
    assert (ended.exit_code, ended.output) == (
        0,
        "render costs what all others cost from now on.\n",
    )
    assert "render" not in {price["job_type"] for price in parsed("prices", "list")["prices"]}
    assert "\nrender\t-\t" in "\n" + call("prices", "history", "render").output
    again = call("prices", "unset", "render")
    assert (again.exit_code, again.output) == (1, "Error: render has no price of its own\n")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("set", "render", "-1"), "No such option"),
        (("set", "render", "1.23456"), "price must"),
        (("set", "a type", "1"), "job_type must"),
        (("set", "render", "1", "--reason", ""), "reason must"),
        (("unset", "*"), "it always has a price"),
    ],
)
def test_what_is_no_price_is_a_wrong_use(words: tuple[str, ...], why: str) -> None:
    ended = call("prices", *words)
    assert ended.exit_code == 2
    assert why in ended.output
    assert [c["number"] for c in parsed("prices", "history")["prices"]] == [5, 4, 3, 2, 1]


# -- skus


def test_a_sku_is_set_withdrawn_and_listed() -> None:
    words = ("cred10", "--credits", "120.5", "--amount", "1100", "--currency", "eur")
    ended = call("skus", "set", *words, "--reason", "a new price")
    assert (ended.exit_code, ended.output) == (
        0,
        "cred10\t120.5000\t11.00 eur\t120.5 credits\n",
    )
    call("skus", "set", "cred50", "--credits", "500", "--amount", "4000", "--withdrawn")
    listed = [line.split("\t") for line in call("skus", "list").output.splitlines()]
    assert {line[0]: line[-1] for line in listed} == {
        "cred10": "120.5 credits",
        "cred50": "withdrawn",
        "cred100": "1,000 credits",
    }
    assert {sku["sku"]: sku["amount"] for sku in parsed("skus", "list")["skus"]} == {
        "cred10": 1100,
        "cred50": 4000,
        "cred100": 7000,
    }


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("Cred 10", "--credits", "1", "--amount", "1"), "sku must"),
        (("x", "--credits", "0", "--amount", "1"), "credits must"),
        (("x", "--credits", "1e3", "--amount", "1"), "credits must"),
        (("x", "--credits", "1", "--amount", "0"), "amount must"),
        (("x", "--credits", "1", "--amount", "1", "--currency", "dollars"), "currency must"),
        (("x", "--credits", "1", "--amount", "1", "--reason", ""), "reason must"),
    ],
)
def test_what_cannot_be_sold_is_a_wrong_use(words: tuple[str, ...], why: str) -> None:
    ended = call("skus", "set", *words)
    assert ended.exit_code == 2
    assert why in ended.output
    assert len(parsed("skus", "list")["skus"]) == 3
