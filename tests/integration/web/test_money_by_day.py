"""The admin's inbox and the money by day on the overview, over the real Ledger."""

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sql.overview import MoneyMoved, Overview
from sql.query_loader import QUERIES
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import newcomer
from tests.integration.web.accounts import Person, register, with_role
from tests.integration.web.earners import WEEK, Earner, earner
from tests.support.databases import connected
from tests.support.http_gateway import Face, face_over, face_with, with_ledger
from tests.support.transfers import insert_transfers
from web.console import money_history
from web.console.money_history import DAYS, MoneyHistory, midnight

face = face_with(with_ledger, audited=True)
DAY_ROW = re.compile(r'<th scope="row">20\d\d-\d\d-\d\d<')
PAYOUTS = "/api/v1/operators/me/payouts"


async def today(face: Face) -> MoneyMoved:
    """Return the sums of yesterday and today, as a test may run at midnight."""
    now = datetime.now(UTC)
    overview = Overview(face.gateway.database)
    return await overview.moved(now - timedelta(days=1), now + timedelta(days=1))


async def disputed(jane: Person, ann: Person, otto: Earner) -> None:
    """Uphold a dispute about another unit of 10 credits."""
    job = await otto.earn(jane, window=WEEK)
    path = f"/api/v1/jobs/{job}/units/0/dispute"
    status, opened = await jane.ask("POST", path, {"reason": "black"})
    assert status == 201, opened
    decide = f"/api/v1/admin/disputes/{opened['id']}/uphold"
    assert (await ann.ask("POST", decide, {"reason": "it is"}))[0] == 200


async def test_charges_are_shared_between_operators_and_the_platform(
    face: Face, database: PostgresEndpoint
) -> None:
    jane, otto = await register(face), await earner(face)
    ann = await with_role(face, database.owner_dsn, "admin")
    assert await today(face) == MoneyMoved(0, 0, 0, 0)
    await otto.ripen(jane)
    assert await today(face) == MoneyMoved(0, 100_000, 70_000, 0)
    await disputed(jane, ann, otto)
    assert await today(face) == MoneyMoved(0, 100_000, 70_000, 0), "all went back"
    assert (await otto.person.ask("POST", PAYOUTS, {"to": "credits"}))[0] == 200
    assert await today(face) == MoneyMoved(0, 100_000, 70_000, 70_000)


async def test_the_overview_shows_what_waits_and_each_day(
    face: Face, database: PostgresEndpoint
) -> None:
    visitor = await newcomer(face, database.owner_dsn, "admin", "ann@example.org")
    _, page = await visitor.get("/console")
    assert "waits for approval" not in page
    assert len(DAY_ROW.findall(page)) == DAYS
    jane, otto = await register(face), await earner(face)
    await otto.ripen(jane)
    assert (await otto.person.ask("POST", PAYOUTS, {"to": "money"}))[0] == 202
    job = await otto.earn(jane, window=WEEK)
    path = f"/api/v1/jobs/{job}/units/0/dispute"
    assert (await jane.ask("POST", path, {"reason": "black"}))[0] == 201
    _, page = await visitor.get("/console")
    assert "1 payout waits for approval" in page
    assert "1 dispute waits for a decision" in page
    creator = await newcomer(face, email="joan@example.org")
    _, page = await creator.get("/console")
    assert "Inbox" not in page
    assert not DAY_ROW.findall(page)


async def test_days_that_are_over_are_read_once(face: Face) -> None:
    history, database, reads = MoneyHistory(), face.gateway.database, list[Any]()
    real = Overview.moved

    async def moved(self: Overview, since: datetime, until: datetime) -> MoneyMoved:
        reads.append(since)
        return await real(self, since, until)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Overview, "moved", moved)
        noon = midnight(datetime.now(UTC).date()) + timedelta(hours=12)
        days = await history.days(database, noon)
        assert len(days) == len(reads) == DAYS
        assert all(day.platform == 0 for day in days)
        await history.days(database, noon + timedelta(minutes=2))
        assert reads[DAYS:] == [midnight(noon.date())], "only today is read again"
        night = midnight(noon.date()) + timedelta(days=1, minutes=1)
        await history.days(database, night)
        assert len(reads) == DAYS + 3, "the new day, and the one before, which may still change"
        await history.days(database, night + timedelta(hours=1))
        assert len(reads) == DAYS + 5
        await history.days(database, night + timedelta(hours=2))
        assert len(reads) == DAYS + 6, "that day is over now"


async def test_a_slow_database_leaves_days_unknown(face: Face) -> None:
    history = MoneyHistory()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("web.console.money_history.BUDGET_SECONDS", 0.0)
        days = await history.days(face.gateway.database, datetime.now(UTC))
    assert len(days) == DAYS
    assert all(day.charged is None for day in days)


# Transfers of some 280 days, in the order of their times, as the Ledger writes them.
OLD = insert_transfers(
    "SELECT a.id, b.id, a.id, 1, 'DEDUCTION', lpad(n::text, 6, '0'),"
    " now() - (40000 - n) * interval '10 minutes'"
    " FROM accounts a, accounts b, generate_series(1, 40000) n"
    " WHERE a.name = 'user:' || $1::uuid AND b.name = 'adjustments'"
)


async def test_a_day_is_found_by_the_index_of_times(database: PostgresEndpoint) -> None:
    async with face_over(database, with_ledger) as face:
        jane, otto = await register(face), await earner(face)
        await otto.ripen(jane)
    async with connected(database.owner_dsn) as connection:
        await connection.execute(OLD, jane.id)
        await connection.fetch("SELECT brin_summarize_new_values('transfers_created')")
        await connection.execute("ANALYZE transfers")
        await connection.execute("SET plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE q AS {QUERIES['overview_money']}")
        day = "now() - interval '30 days', now() - interval '29 days'"
        found = await connection.fetchval(
            f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE q ({day})"
        )
    plan = json.loads(found)[0]["Plan"]
    scans = [node for node in nodes_of(plan) if node.get("Relation Name") == "transfers"]
    [scan] = scans
    assert scan["Node Type"] == "Bitmap Heap Scan", scan
    touched = scan["Actual Rows"] + scan["Rows Removed by Index Recheck"]
    assert touched < 16_000, "at most two ranges of pages"


def nodes_of(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a plan's steps."""
    return [plan, *(each for part in plan.get("Plans", []) for each in nodes_of(part))]


async def test_a_slow_day_does_not_hide_the_others(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 12, 1, 12, tzinfo=UTC)
    slow = {now.date(), now.date() - timedelta(days=3)}

    async def moved(_: Overview, since: datetime, __: datetime) -> MoneyMoved:
        if since.date() in slow:
            await asyncio.Event().wait()
        return MoneyMoved(1, 1, 1, 1)

    monkeypatch.setattr(Overview, "moved", moved)
    monkeypatch.setattr(money_history, "DAY_SECONDS", 0.05)
    history = MoneyHistory()
    await history.days(face.gateway.database, now)
    days = await history.days(face.gateway.database, now)
    assert {day.day for day in days if day.bought is None} == slow
    slow.clear()
    days = await history.days(face.gateway.database, now)
    assert all(day.bought == 1 for day in days)
