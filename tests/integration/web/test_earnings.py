"""Earnings and payouts at the HTTP API, over the real Ledger and PostgreSQL."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import Person, register
from tests.integration.web.earners import Earner, earner
from tests.integration.web.factors import with_app
from tests.support.databases import execute
from tests.support.http_gateway import Face, face_over, face_with, with_ledger

EARNINGS, PAYOUTS = "/api/v1/operators/me/earnings", "/api/v1/operators/me/payouts"
UNPAID, RULES = f"{EARNINGS}/unpaid", "/api/v1/operators/me/payout-rules"
CREDITS = {"to": "credits"}


face = face_with(with_ledger, audited=True)


@pytest.fixture
async def otto(face: Face) -> Earner:
    """Register Otto, an operator with a node."""
    return await earner(face)


async def pay_out(person: Person, to: str = "credits", key: str = "") -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {person.access}"} | (
        {"Idempotency-Key": key} if key else {}
    )
    async with person.face.client.post(PAYOUTS, json={"to": to}, headers=headers) as answer:
        return answer.status, await answer.json()


async def totals(person: Person) -> dict[str, str]:
    """Return the totals of a user's earnings that are not zero."""
    _, found = await person.ask("GET", EARNINGS)
    return {name: amount for name, amount in found["totals"].items() if amount != "0.0000"}


async def test_a_unit_that_was_verified_shows_what_it_earned(otto: Earner, jane: Person) -> None:
    job = await otto.earn(jane)
    status, found = await otto.person.ask("GET", EARNINGS)
    assert status == 200
    [share] = found["earnings"]
    assert (share["job_id"], share["unit"]) == (str(job), 0)
    assert share["node_id"] == str(otto.node)
    assert (share["amount"], share["state"]) == ("7.0000", "pending")
    assert (share["disputed"], share["payout_id"]) == (False, None)
    assert share["earned_at"][:4] == share["payable_at"][:4]
    assert await totals(otto.person) == {"pending": "7.0000"}
    assert (await jane.ask("GET", EARNINGS))[1]["earnings"] == []


async def test_shares_are_read_page_by_page_and_by_state(otto: Earner, jane: Person) -> None:
    jobs = [str(await otto.earn(jane)) for _ in range(4)]
    ripe = str(await otto.ripen(jane))
    _, first = await otto.person.ask("GET", EARNINGS + "?limit=3")
    _, second = await otto.person.ask("GET", f"{EARNINGS}?limit=3&after={first['next']}")
    seen = [share["job_id"] for page in (first, second) for share in page["earnings"]]
    assert seen == [ripe, *reversed(jobs)]
    assert (first["count"], second["next"]) == (5, None)
    _, found = await otto.person.ask("GET", EARNINGS + "?state=payable")
    assert [share["job_id"] for share in found["earnings"]] == [ripe]
    assert found["count"] == 1
    status, _ = await jane.ask("GET", f"{EARNINGS}?after={first['next']}")
    assert status == 422


async def test_what_is_payable_becomes_credits_at_once(otto: Earner, jane: Person) -> None:
    for _ in range(3):
        await otto.ripen(jane)
    await otto.earn(jane)
    status, payout = await pay_out(otto.person)
    assert status == 200
    assert (payout["to"], payout["state"], payout["amount"]) == ("credits", "paid", "21.0000")
    assert payout["units"] == 3
    assert await otto.person.balance() == "121.0000"
    assert await totals(otto.person) == {"pending": "7.0000", "paid": "21.0000"}
    _, history = await otto.person.ask("GET", "/api/v1/credits/history")
    entry = history["entries"][0]
    assert (entry["direction"], entry["source"]) == ("CREDIT", "ADJUSTMENT")
    assert entry["reference_id"] == f"payout:{payout['id']}"
    _, found = await otto.person.ask("GET", PAYOUTS)
    assert found == {"payouts": [payout], "count": 1, "next": None}


async def test_nothing_is_paid_out_where_nothing_is_payable(otto: Earner, jane: Person) -> None:
    await otto.earn(jane)
    for to in ("credits", "money"):
        status, problem = await pay_out(otto.person, to)
        assert (status, problem["detail"][:18]) == (409, "Nothing is payable")
    status, _ = await pay_out(otto.person, "gold")
    assert status == 422


async def test_money_is_asked_for_and_set_aside(otto: Earner, jane: Person) -> None:
    await otto.ripen(jane)
    status, payout = await pay_out(otto.person, "money")
    assert (status, payout["state"]) == (202, "requested")
    assert await totals(otto.person) == {"requested": "7.0000"}
    assert (await pay_out(otto.person))[0] == 409
    assert await otto.person.balance() == "100.0000"


async def test_an_idempotency_key_pays_once_and_answers_again(otto: Earner, jane: Person) -> None:
    await otto.ripen(jane)
    answers = await asyncio.gather(*(pay_out(otto.person, key="k1") for _ in range(6)))
    assert {status for status, _ in answers} == {200}
    assert len({answer["id"] for _, answer in answers}) == 1
    await otto.ripen(jane)
    assert await pay_out(otto.person, key="k1") == answers[0]
    assert await otto.person.balance() == "107.0000"
    status, _ = await pay_out(otto.person, "money", key="k1")
    assert status == 422
    assert (await pay_out(otto.person, key="k2"))[0] == 200


async def test_nobody_pays_himself_what_others_earned(otto: Earner, jane: Person) -> None:
    await otto.ripen(jane)
    assert (await pay_out(jane))[0] == 409
    assert await totals(otto.person) == {"payable": "7.0000"}


async def test_earnings_become_credits_only_with_a_recent_factor(
    face: Face, database: PostgresEndpoint, otto: Earner, jane: Person
) -> None:
    """A thief with a session cannot spend them."""
    new = {"name": "studio", "scopes": ["credits:write"]}
    _, key = await otto.person.ask("POST", "/api/v1/auth/keys", new)
    secured = await with_app(face, database.owner_dsn, otto.person)
    await otto.ripen(jane)
    weekly = {"schedule": "weekly", "to": "credits"}
    for method, path, body in (("POST", PAYOUTS, CREDITS), ("PUT", RULES, weekly)):
        status, refused = await otto.person.ask(method, path, body)
        assert (status, refused["code"]) == (403, "recent_factor_needed")
    assert (await otto.person.ask("PUT", RULES, {"schedule": "by_hand"}))[0] == 200
    assert await totals(otto.person) == {"payable": "7.0000"}
    otp = {"otp": await secured.fresh()}
    assert (await otto.person.ask("POST", "/api/v1/auth/second-factor", otp))[0] == 200
    assert (await pay_out(otto.person))[0] == 200
    assert (await otto.person.ask("PUT", RULES, weekly))[0] == 200
    await execute(database.owner_dsn, "UPDATE refresh_families SET factor_at = NULL")
    await otto.ripen(jane)
    status, answer = await otto.person.ask("POST", PAYOUTS, CREDITS, key["key"])
    assert (status, answer["amount"]) == (200, "7.0000"), "the key was made with a factor"
    await otto.ripen(jane)
    assert (await otto.person.ask("POST", PAYOUTS, {"to": "money"}))[0] == 202


async def test_unpaid_results_have_a_reason_by_code_and_by_node(
    database: PostgresEndpoint,
) -> None:
    async with face_over(database, with_ledger) as face:
        otto, jane = await earner(face), await register(face)
        unchecked, fined = await otto.earn(jane), await otto.earn(jane)
        await otto.earn(jane)
        for statement, job in (
            ("DELETE FROM earnings WHERE job_id = $1", unchecked),
            ("UPDATE earnings SET state = 'FORFEITED' WHERE job_id = $1", fined),
        ):
            await execute(database.owner_dsn, statement, job)
        await check_unpaid(otto, jane, unchecked, fined)


async def check_unpaid(otto: Earner, jane: Person, unchecked: UUID, fined: UUID) -> None:
    """Check the list of an operator with these two results that were not paid."""
    status, found = await otto.person.ask("GET", UNPAID)
    assert (status, found["has_more"]) == (200, False)
    rows = {row["job_id"]: row for row in found["results"]}
    assert set(rows) == {str(unchecked), str(fined)}
    row = rows[str(fined)]
    assert (row["reason"], row["amount"], row["unit"]) == ("fined", "7.0000", 0)
    assert (row["node_id"], row["node_name"]) == (str(otto.node), "n")
    assert (row["dispute_id"], row["picture_path"]) == (None, None)
    assert rows[str(unchecked)]["reason"] == "unverified"
    assert "verified results only" in rows[str(unchecked)]["why"]
    _, page = await otto.person.ask("GET", UNPAID + "?limit=1")
    assert (len(page["results"]), page["has_more"]) == (1, True)
    for node, count in ((otto.node, 2), (uuid4(), 0)):
        _, page = await otto.person.ask("GET", f"{UNPAID}?node={node}")
        assert len(page["results"]) == count
    assert (await jane.ask("GET", UNPAID))[1]["results"] == []
    for wrong in ("from=2026-02-30", "node=box", "limit=0", "limit=1001"):
        assert (await otto.person.ask("GET", f"{UNPAID}?{wrong}"))[0] == 422
