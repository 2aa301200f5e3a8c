"""Statements of credits as CSV and PDF have the amounts of the ledger."""

import csv
import io
import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from pypdf import PdfReader

from actors.ledger.messages import Commit, Posted
from rendertrust import money
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import grant
from tests.integration.web.accounts import Person, ask, register
from tests.integration.web.earners import Earner, earner
from tests.support.databases import connected, execute, fetch
from tests.support.http_gateway import Face, face_with, with_ledger
from web.routes import account_statements

STATEMENT = "/api/v1/credits/statement"
HISTORY = "/api/v1/credits/history"
DEDUCT = "/api/v1/credits/deduct"

face = face_with(with_ledger, audited=True)


@pytest.fixture
async def otto(face: Face) -> Earner:
    """Register Otto, an operator with a node."""
    return await earner(face)


async def rows_of(person: Person, query: str = "") -> list[dict[str, str]]:
    body = await saved(person, f"?format=csv{query}")
    return list(csv.DictReader(io.StringIO(body.decode())))


async def saved(person: Person, query: str, path: str = STATEMENT) -> bytes:
    headers = {"Authorization": f"Bearer {person.access}"}
    async with person.face.client.get(path + query, headers=headers) as answer:
        body = await answer.read()
        assert answer.status == 200, body
        assert answer.content_type in ("text/csv", "application/pdf")
        assert answer.headers["Content-Disposition"].startswith("attachment")
        return body


async def pages(person: Person, query: str, path: str = STATEMENT) -> list[str]:
    """Return the lines of a statement as PDF."""
    body = await saved(person, f"?format=pdf{query}", path)
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(body)).pages).splitlines()


def after(lines: list[str], label: str) -> str:
    """Return the credits behind a label, without what they are worth in money."""
    found = next(line for line in lines if line.startswith(label)).removeprefix(label)
    return found.split(" (")[0].strip()


async def spread(database: PostgresEndpoint, person: Person, last: datetime) -> None:
    """Move a user's entries to the days before ``last``, one day for every two entries."""
    async with connected(database.owner_dsn) as owner:
        await owner.execute("ALTER TABLE transfers DISABLE TRIGGER USER")
        await owner.execute(
            "WITH of_user AS (SELECT id FROM accounts WHERE name = 'user:' || $1), placed AS ("
            "  SELECT transfer_id, ((max(version) OVER () - version) / 2)::int AS back FROM entries"
            "  WHERE account_id = (SELECT id FROM of_user))"
            " UPDATE transfers t SET created_at = $2::timestamptz - p.back * interval '1 day'"
            " FROM placed p WHERE t.id = p.transfer_id",
            *(person.id, last),
        )


async def test_csv_and_pdf_have_the_ledgers_amounts_whatever_moved(
    face: Face, jane: Person, otto: Earner, database: PostgresEndpoint
) -> None:
    chance = random.Random(4711)
    for number in range(24):
        amount = chance.randint(1, 70_000)
        match chance.choice(("grant", "deduct", "work")):
            case "grant":
                moved = Commit((grant(UUID(jane.id), amount, f"g{number}"),))
                assert isinstance(await face.book(moved), Posted)
            case "deduct":
                body = {"amount": money.render(amount), "reference_id": f"d{number}"}
                assert (await jane.ask("POST", DEDUCT, body))[0] == 200
            case "work":
                await otto.ripen(jane, price=amount)
    _, history = await jane.ask("GET", f"{HISTORY}?limit=100")
    entries = history["entries"][::-1]
    now = datetime.now(UTC)
    await spread(database, jane, now)
    first = now.date() - timedelta(days=20)
    rows = await rows_of(jane, f"&from={first}")
    assert [row["entry_id"] for row in rows] == [str(entry["entry_id"]) for entry in entries]
    assert [row["balance"] for row in rows] == [entry["balance_after"] for entry in entries]
    signed = [("-" if entry["direction"] == "DEBIT" else "") + entry["amount"] for entry in entries]
    assert [row["amount"] for row in rows] == signed
    assert [row["source"] for row in rows] == [entry["source"] for entry in entries]
    lines = await pages(jane, f"&from={first}")
    assert after(lines, "Balance before") == "0"
    assert after(lines, "Balance after") == money.shortened(entries[-1]["balance_after"])
    for word, source in (("Charged", "USAGE"), ("Deducted", None)):
        kinds = await fetch(
            database.owner_dsn,
            "SELECT coalesce(sum(e.amount), 0) AS amount FROM entries e"
            " JOIN transfers t ON t.id = e.transfer_id JOIN accounts a ON a.id = e.account_id"
            f" WHERE a.name = 'user:{jane.id}' AND t.kind = '{source or 'DEDUCTION'}'",
        )
        assert after(lines, word) == money.plain(int(kinds[0]["amount"]))
    # a later period begins with the balance at which the earlier one ends
    middle = now.date() - timedelta(days=6)
    early = await pages(jane, f"&from={first}&to={middle}")
    late = await pages(jane, f"&from={middle + timedelta(days=1)}")
    assert after(early, "Balance after") == after(late, "Balance before")
    assert after(late, "Balance after") == after(lines, "Balance after")
    assert len(await rows_of(jane, f"&from={first}&to={middle}")) < len(rows)


async def test_the_units_of_a_job_on_a_day_are_one_line_of_the_pdf(
    face: Face, jane: Person, otto: Earner
) -> None:
    jobs = [await otto.ripen(jane) for _ in range(2)]
    lines = await pages(jane, "")
    for job in jobs:
        (row,) = [line for line in lines if str(job)[:8] in line]
        assert row.split()[-2] == "-10"


async def test_others_entries_are_in_nobodys_statement(
    face: Face, jane: Person, otto: Earner
) -> None:
    await otto.ripen(jane)
    assert len(await rows_of(otto.person)) == 1  # the starter credits


async def test_an_empty_period_has_an_empty_statement(jane: Person) -> None:
    assert await rows_of(jane, "&from=2026-01-01&to=2026-01-31") == []
    lines = await pages(jane, "&from=2026-01-01&to=2026-01-31")
    assert "No credits were moved in this period." in lines
    assert (after(lines, "Balance before"), after(lines, "Balance after")) == ("0", "0")


async def test_the_format_follows_accept_unless_it_is_named(jane: Person) -> None:
    async def media(query: str, accept: str) -> str:
        headers = {"Authorization": f"Bearer {jane.access}", "Accept": accept}
        async with jane.face.client.get(STATEMENT + query, headers=headers) as answer:
            assert answer.status == 200
            return answer.content_type

    assert await media("", "*/*") == "text/csv"
    assert await media("", "application/pdf") == "application/pdf"
    assert await media("?format=csv", "application/pdf") == "text/csv"


async def test_a_formula_in_a_description_is_harmless(face: Face, jane: Person) -> None:
    body = {"amount": "1", "reference_id": "=1+1", "description": "=cmd()"}
    assert (await jane.ask("POST", DEDUCT, body))[0] == 200
    row = (await rows_of(jane))[-1]
    assert (row["reference_id"], row["description"]) == ("'=1+1", "'=cmd()")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?from=2026-02-30", "from: is no day of the calendar"),
        ("?from=2026-03-02&to=2026-03-01", "from: must not be after the last day, 2026-03-01"),
        ("?from=2024-01-01&to=2026-03-01", "from: is over 366 days before the last day"),
        ("?from=yesterday", "from"),
        ("?format=xls", "format"),
    ],
)
async def test_a_bad_period_is_refused_with_a_reason(jane: Person, query: str, said: str) -> None:
    status, answer = await jane.ask("GET", STATEMENT + query)
    assert status == 422
    assert answer["detail"].startswith(said), answer


async def test_too_many_entries_are_refused_with_what_to_do(
    jane: Person, otto: Earner, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await otto.ripen(jane)
    monkeypatch.setattr(account_statements, "LINES_MOST", 3)
    status, answer = await jane.ask("GET", f"{STATEMENT}?format=pdf")
    assert status == 422
    assert "over 3 lines, and a PDF has at most 3 (CSV has more)" in answer["detail"]
    assert len(await rows_of(jane)) == 4
    monkeypatch.setattr(account_statements, "ENTRIES_MOST", 3)
    status, answer = await jane.ask("GET", STATEMENT)
    assert (status, "4 entries, and a statement has at most 3" in answer["detail"]) == (422, True)
    assert "ask for fewer days" in answer["detail"]


async def test_nobody_gets_a_statement_without_a_token(face: Face) -> None:
    assert (await ask(face, "GET", STATEMENT))[0] == 401


async def test_the_pdf_of_earnings_has_the_sums_of_the_month(
    face: Face, jane: Person, otto: Earner, monkeypatch: pytest.MonkeyPatch
) -> None:
    for price in (100_000, 33_333, 7):
        await otto.ripen(jane, price=price)
    await otto.person.ask("POST", "/api/v1/operators/me/payouts", {"to": "credits"})
    month, path = f"{datetime.now(UTC):%Y-%m}", "/api/v1/operators/me/statement"
    _, found = await otto.person.ask("GET", f"{path}?month={month}")
    lines = await pages(otto.person, f"&month={month}", path)
    for label, name in (
        *(("Earned", "earned"), ("Paid out", "paid")),
        *(("Balance before", "opening"), ("Balance after", "closing")),
    ):
        assert after(lines, label) == money.shortened(found[name]), label
    assert any("n, 3 units" in line for line in lines)  # of the node called n
    monkeypatch.setattr("web.routes.statements.LINES_MOST", 1)
    status, refused = await otto.person.ask("GET", f"{path}?month={month}&format=pdf")
    assert (status, "ask for csv" in refused["detail"]) == (422, True)


async def test_an_empty_month_of_earnings_is_a_document(otto: Earner) -> None:
    path = "/api/v1/operators/me/statement"
    lines = await pages(otto.person, "&month=2026-01", path)
    assert "Nothing was earned or paid out in this month." in lines


async def test_many_documents_at_once_are_refused_and_not_queued_for_ever(
    face: Face, jane: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.documents.writer.WAITING_MAX", 0)
    status, answer = await jane.ask("GET", f"{STATEMENT}?format=pdf")
    assert (status, answer["code"]) == (503, "gateway_busy")


async def test_letters_that_the_font_lacks_are_marked(
    face: Face, database: PostgresEndpoint
) -> None:
    ann = await register(face, "ann@example.org")
    await execute(database.owner_dsn, f"UPDATE users SET name = 'Ελένη 安' WHERE id = '{ann.id}'")
    lines = await pages(ann, "")
    assert any(line.startswith("Ελένη ?") for line in lines)
