"""Tests of ``rendertrust admin`` on a database, without a running gateway."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner, Result

from actors.ledger.effects import UnitComplete
from actors.ledger.messages import Commit
from sql.database import Database
from sql.halts import AHEAD, Halt, write_halt
from sql.users import Users
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.conftest import sql_stage
from tests.integration.conformance.stage import dispatch
from tests.support.databases import execute, fetch
from tests.support.engines import LoopThread
from web.commands.admin import admin
from web.log.newest_checkpoint import memory_file


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
    assert (ended.exit_code, ended.output) == (0, "render costs 12.5 from now on.\n")
    listed = call("prices", "list").output.splitlines()
    assert [line.split("\t")[:2] for line in listed if line.startswith("render\t")] == [
        ["render", "12.5"]
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
    assert (again.exit_code, again.output) == (1, "Error: No price is set for render\n")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("set", "render", "-1"), "No such option"),
        (("set", "render", "1.23456"), "price must"),
        (("set", "a type", "1"), "job_type must"),
        (("set", "render", "1", "--reason", ""), "reason must"),
        (("unset", "*"), "always have a price"),
    ],
)
def test_what_is_no_price_is_a_wrong_use(words: tuple[str, ...], why: str) -> None:
    ended = call("prices", *words)
    assert ended.exit_code == 2
    assert why in ended.output
    assert [c["number"] for c in parsed("prices", "history")["prices"]] == [5, 4, 3, 2, 1]


# -- credits


@pytest.fixture
def jane(database: PostgresEndpoint, engine_loop: LoopThread) -> str:
    """Insert a user with 100 credits, and return her e-mail address."""
    email = "jane@example.org"
    values = f"'{uuid4()}', '{email}', 'Jane', 'x'"
    insert = f"INSERT INTO users (id, email, name, password_hash) VALUES ({values})"
    engine_loop.run(execute(database.app_dsn, insert))
    ended = grant(email, "100", "--yes", "--reason", "to begin with")
    assert ended.exit_code == 0, ended.output
    return email


def grant(*words: str, typed: str = "") -> Result:
    return call("credits", "grant", *words, typed=typed)


def balance(email: str) -> str:
    found = parsed("credits", "show", email)
    assert isinstance(found["balance"], str)
    return found["balance"]


def acts(database: PostgresEndpoint, engine_loop: LoopThread) -> list[Any]:
    async def read() -> list[Any]:
        rows = await fetch(database.app_dsn, "SELECT act, actor, reason FROM audit ORDER BY number")
        return [tuple(row) for row in rows]

    return engine_loop.run(read())


def test_a_grant_is_done_when_its_amount_is_typed_again(
    jane: str, database: PostgresEndpoint, engine_loop: LoopThread
) -> None:
    ended = grant(jane, "50", "--reason", "an apology", typed="50.0\n")
    assert ended.exit_code == 0, ended.output
    assert "Give 50 credits to jane@example.org. Jane has 100 credits, 0 of" in ended.output
    assert ended.output.endswith("Done: jane@example.org had 150 credits after it.\n")
    assert balance(jane) == "150.0000"
    (_, (name, actor, reason)) = acts(database, engine_loop)
    assert (name, reason) == ("credits.grant", "an apology")
    assert actor.startswith("console:")


def test_books_that_are_halted_are_said_to_be_and_why(
    jane: str,
    database: PostgresEndpoint,
    engine_loop: LoopThread,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    async def halted() -> None:
        pool = Database(lambda: database.app_dsn)
        at = datetime(2026, 3, 13, tzinfo=UTC)
        await write_halt(pool, Halt(AHEAD, at, 7, "0x" + "ab" * 20, 9, b"r" * 32))
        await pool.close()

    with monkeypatch.context() as changed:
        kept = memory_file(tmp_path)
        kept.parent.mkdir()
        text = {"origin": "log", "size": 9, "root": "00" * 32, "time": "2026-03-13T12:00:00+00:00"}
        kept.write_text(json.dumps(text))
        changed.setenv("RENDERTRUST_DATA", str(tmp_path))
        put_back = grant(jane, "50", "--yes", "--reason", "x")
    engine_loop.run(halted())
    ahead = grant(jane, "50", "--yes", "--reason", "x")
    for ended, why in ((put_back, "a checkpoint of 9 leaves"), (ahead, "has 9 leaves of the log")):
        assert ended.exit_code == 1, ended.output
        assert ended.output.startswith("Error: The books are halted, nothing was done: ")
        assert why in ended.output
    assert "`rendertrust chain reopen`" in ahead.output
    assert balance(jane) == "100.0000"


@pytest.mark.parametrize(
    ("typed", "code", "why"),
    [
        ("5\n", 1, "5 is not 50: nothing was done"),
        ("-50\n", 1, "-50 is not 50"),
        ("yes\n", 1, "yes is not 50"),
        ("", 2, "The amount was not confirmed: use --yes to skip the question"),
    ],
)
def test_nothing_is_done_when_another_amount_is_typed(
    jane: str, typed: str, code: int, why: str
) -> None:
    ended = grant(jane, "50", "--reason", "an apology", typed=typed)
    assert ended.exit_code == code
    assert why in ended.output
    assert balance(jane) == "100.0000"


@pytest.mark.parametrize("typed", ["2.5", "2.5000", "-2.5", "-2.5000"])
def test_what_is_taken_away_is_typed_again_as_it_is_shown_or_as_it_was_said(
    jane: str, typed: str
) -> None:
    words = ("credits", "adjust", jane, "--reason", "a mistake")
    ended = call(*words, "--by=-2.5", typed=f"{typed}\n")
    assert ended.exit_code == 0, ended.output
    assert "Remove 2.5 credits from" in ended.output
    assert balance(jane) == "97.5000"


def test_nothing_is_taken_away_when_another_amount_is_typed(jane: str) -> None:
    words = ("credits", "adjust", jane, "--reason", "a mistake")
    ended = call(*words, "--by=-2.5", typed="2.6\n")
    assert (ended.exit_code, "2.6 is not 2.5: nothing was done" in ended.output) == (1, True)
    assert balance(jane) == "100.0000"


def test_credits_are_taken_away_as_far_as_they_are_there(jane: str) -> None:
    words = ("credits", "adjust", jane, "--reason", "a mistake")
    ended = call(*words, "--by", "-60", typed="-60\n")
    assert ended.exit_code == 0, ended.output
    assert "Remove 60 credits from" in ended.output
    ended = call(*words, "--by", "-60", "--yes")
    assert ended.exit_code == 1
    assert "has 40 credits not held, too little to remove 60" in ended.output
    assert balance(jane) == "40.0000"


def test_under_one_key_it_is_done_once(
    jane: str, database: PostgresEndpoint, engine_loop: LoopThread
) -> None:
    words = (jane, "--reason", "a script", "--key", "2026-03", "--yes")
    assert grant(words[0], "5", *words[1:]).output.startswith("Done: ")
    assert grant(words[0], "5", *words[1:]).output.startswith("Already done: ")
    ended = grant(words[0], "6", *words[1:])
    assert (ended.exit_code, "another amount" in ended.output) == (1, True)
    assert balance(jane) == "105.0000"
    assert len(acts(database, engine_loop)) == 2


def test_work_that_was_charged_is_given_back(
    jane: str, database: PostgresEndpoint, engine_loop: LoopThread
) -> None:
    async def work() -> UUID:
        pool = Database(lambda: database.app_dsn)
        stage = sql_stage(pool)
        user = await Users(pool).by_email(jane)
        node, job = await stage.node(), uuid4()
        assert user is not None
        done = UnitComplete(job, 0, 1, node, "s3://bucket/frame.png")
        await stage.commit(dispatch(user.id, job, 100_000, 1, node), Commit(effects=(done,)))
        await pool.close()
        return job

    job = str(engine_loop.run(work()))
    refund = ("credits", "refund", job, "--reason", "a black picture")
    assert call(*refund, "--amount", "11", "--yes").exit_code == 2
    ended = call(*refund, typed="10\n")
    assert "Refund 10 credits of a charge of 10 to jane@example.org" in ended.output
    assert balance(jane) == "100.0000"
    assert call(*refund, "--yes").output.startswith("Already done: ")
    assert call("credits", "refund", str(uuid4()), "--reason", "x", "--yes").exit_code == 1


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("grant", "JANE", "0", "--reason", "x"), "amount must"),
        (("grant", "JANE", "1e3", "--reason", "x"), "amount must"),
        (("grant", "JANE", "1"), "Missing option '--reason'"),
        (("grant", "JANE", "1", "--reason", ""), "reason must"),
        (("adjust", "JANE", "--by", "--1", "--reason", "x"), "amount must"),
        (("refund", "x", "--reason", "x"), "is not a valid UUID"),
    ],
)
def test_what_is_no_amount_is_a_wrong_use(jane: str, words: tuple[str, ...], why: str) -> None:
    ended = call("credits", *(jane if word == "JANE" else word for word in words), "--yes")
    assert ended.exit_code == 2
    assert why in ended.output
    assert balance(jane) == "100.0000"


def test_whoever_does_not_exist_is_named() -> None:
    ended = grant("bob@example.org", "1", "--reason", "x", "--yes")
    assert (ended.exit_code, ended.output) == (
        1,
        "Error: There is no user with the e-mail address bob@example.org\n",
    )


# -- skus


def test_a_sku_is_set_withdrawn_and_listed() -> None:
    words = ("cred10", "--credits", "120.5", "--amount", "1100", "--currency", "eur")
    ended = call("skus", "set", *words, "--reason", "a new price")
    assert (ended.exit_code, ended.output) == (
        0,
        "cred10\t120.5000\t11.00 EUR\t120.5 credits\n",
    )
    words = ("cred10", "--credits", "120.5", "--amount", "1100", "--currency", "jpy")
    ended = call("skus", "set", *words, "--reason", "for Japan")
    assert ended.output == "cred10\t120.5000\t1100 JPY\t120.5 credits\n"
    call("skus", "set", "cred50", "--credits", "500", "--amount", "4000", "--withdrawn")
    listed = [line.split("\t") for line in call("skus", "list").output.splitlines()]
    assert {line[0]: line[-1] for line in listed} == {
        "cred10": "120.5 credits",
        "cred50": "withdrawn",
        "cred100": "1,000 credits",
        "cred500": "5,000 credits",
        "cred2000": "20,000 credits",
    }
    assert {sku["sku"]: sku["amount"] for sku in parsed("skus", "list")["skus"]} == {
        "cred10": 1100,
        "cred50": 4000,
        "cred100": 7000,
        "cred500": 35_000,
        "cred2000": 140_000,
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
    assert len(parsed("skus", "list")["skus"]) == 5


# -- second factors


def test_a_users_factors_are_removed_with_a_record(
    jane: str, database: PostgresEndpoint, engine_loop: LoopThread
) -> None:
    """All factors and sessions end, and the audit log has the reason."""
    dsn = database.owner_dsn
    for table, columns, values in (
        ("authenticators", "sealed, failing_since, confirmed_at", "'x', now(), now()"),
        ("recovery_codes", "sha256, created_at", "decode(repeat('ab', 32), 'hex'), now()"),
        ("refresh_families", "sid, jti, expires_at", f"'{uuid4()}', '{uuid4()}', 'infinity'"),
    ):
        insert = f"INSERT INTO {table} (user_id, {columns}) "
        engine_loop.run(execute(dsn, insert + f"SELECT id, {values} FROM users"))
    ended = call("remove-factors", jane.upper(), "--reason", "lost phone")
    said = f"{jane} has no second factor; all their sessions have ended.\n"
    assert (ended.exit_code, ended.output) == (0, said)
    for left in ("authenticators", "recovery_codes", "refresh_families WHERE revoked_at IS NULL"):
        [row] = engine_loop.run(fetch(dsn, f"SELECT count(*) AS n FROM {left}"))
        assert row["n"] == 0, left
    act, actor, reason = acts(database, engine_loop)[-1]
    assert (act, actor[:8], reason) == ("user.remove_factors", "console:", "lost phone")
    ended = call("remove-factors", jane)
    assert (ended.exit_code, ended.output) == (1, f"Error: {jane} has no second factor\n")
    assert call("remove-factors", "nobody@example.org").exit_code == 1
