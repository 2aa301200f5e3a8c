"""Monthly statements as JSON and CSV have every entry of the account."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import Person
from tests.integration.web.earners import Earner, earner
from tests.support.databases import connected
from tests.support.http_gateway import Face, face_with, with_ledger
from web.routes import statements

STATEMENT, PAYOUTS = "/api/v1/operators/me/statement", "/api/v1/operators/me/payouts"


face = face_with(with_ledger)


@pytest.fixture
async def otto(face: Face) -> Earner:
    """Register Otto, an operator with a node."""
    return await earner(face)


async def statement(otto: Earner, month: str, more: str = "") -> dict[str, Any]:
    status, found = await otto.person.ask("GET", f"{STATEMENT}?month={month}{more}")
    assert status == 200, found
    return dict(found)


async def text_of(otto: Earner, query: str, accept: str = "") -> str:
    headers = {"Authorization": f"Bearer {otto.person.access}"}
    headers |= {"Accept": accept} if accept else {}
    async with otto.face.client.get(STATEMENT + query, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "text/csv")
        return await answer.text()


async def move_entries(database: PostgresEndpoint, entries: int, month: str) -> None:
    """Move the first entries of the operator's account to another month."""
    async with connected(database.owner_dsn) as owner:
        await owner.execute("ALTER TABLE transfers DISABLE TRIGGER USER")
        await owner.execute(
            "UPDATE transfers SET created_at = $2 WHERE id IN (SELECT transfer_id FROM entries"
            " WHERE version <= $1 AND account_id IN"
            " (SELECT id FROM accounts WHERE name LIKE 'operator:%'))",
            *(entries, datetime.fromisoformat(f"{month}-10T00:00:00+00:00")),
        )


async def test_a_statement_begins_where_the_last_one_ended(
    otto: Earner, jane: Person, database: PostgresEndpoint
) -> None:
    for _ in range(3):
        await otto.ripen(jane)
    await move_entries(database, 2, "2026-01")
    job = await otto.earn(jane)
    await otto.person.ask("POST", PAYOUTS, {"to": "credits"})
    now = f"{datetime.now(UTC):%Y-%m}"
    january, this = await statement(otto, "2026-01"), await statement(otto, now)
    assert (january["opening"], january["closing"]) == ("0.0000", "14.0000")
    assert (january["earned"], len(january["lines"])) == ("14.0000", 2)
    between = await statement(otto, "2026-02")
    assert (between["opening"], between["closing"], between["lines"]) == (
        *("14.0000", "14.0000"),
        [],
    )
    assert (this["opening"], this["earned"], this["paid"]) == ("14.0000", "14.0000", "-21.0000")
    assert this["closing"] == "7.0000"
    kinds = [(line["kind"], line["amount"], line["balance"]) for line in this["lines"]]
    assert kinds == [
        ("earned", "7.0000", "21.0000"),
        ("earned", "7.0000", "28.0000"),
        ("paid", "-21.0000", "7.0000"),
    ]
    assert this["lines"][1]["job_id"] == str(job)
    assert this["lines"][1]["node_id"] == str(otto.node)
    assert this["lines"][2]["payout_id"] is not None
    assert this["next"] is None


async def test_somebody_who_earned_nothing_has_an_empty_statement(otto: Earner) -> None:
    found = await statement(otto, "2026-03")
    assert (found["opening"], found["closing"], found["lines"]) == ("0.0000", "0.0000", [])
    assert (await text_of(otto, "?month=2026-03&format=csv")).count("\n") == 1


async def test_lines_come_page_by_page(otto: Earner, jane: Person) -> None:
    jobs = [str(await otto.earn(jane)) for _ in range(5)]
    now, seen, after = f"{datetime.now(UTC):%Y-%m}", list[str](), 0
    for pages in (2, 2, 1):
        found = await statement(otto, now, f"&limit=2&after={after}")
        assert len(found["lines"]) == pages
        assert found["earned"] == "35.0000"
        seen += [line["job_id"] for line in found["lines"]]
        after = found["next"] or 0
    assert (seen, after) == (jobs, 0)
    whole = await statement(otto, now, "&limit=5")
    assert whole["next"] is None


async def test_the_csv_has_every_line_by_format_or_by_accept(
    otto: Earner, jane: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "LINES_AT_ONCE", 2)
    for _ in range(5):
        await otto.ripen(jane)
    await otto.person.ask("POST", PAYOUTS, {"to": "credits"})
    now = f"{datetime.now(UTC):%Y-%m}"
    text = await text_of(otto, f"?month={now}&format=csv")
    assert text == await text_of(otto, f"?month={now}", "text/csv, */*;q=0.1")
    rows = list(csv.DictReader(io.StringIO(text)))
    lines = (await statement(otto, now))["lines"]
    assert [row["amount"] for row in rows] == [line["amount"] for line in lines]
    assert [row["job_id"] or None for row in rows] == [line["job_id"] for line in lines]
    assert [row["at"][:19] for row in rows] == [line["at"][:19] for line in lines]
    assert rows[-1]["kind"] == "paid"


async def test_a_month_is_a_month(otto: Earner) -> None:
    for month in ("2026-13", "2026-1", "26-01", "2026-00", "", "2026-01-01"):
        status, _ = await otto.person.ask("GET", f"{STATEMENT}?month={month}")
        assert status == 422, month
    assert (await otto.person.ask("GET", STATEMENT))[0] == 422


def test_a_month_ends_where_the_next_begins() -> None:
    first, end = statements.months("2026-12")
    assert (first, end) == (datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
