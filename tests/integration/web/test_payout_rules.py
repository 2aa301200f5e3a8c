"""Rules of payouts: by hand or by a schedule, with a minimum of the operator and of the gateway."""

import re
from datetime import timedelta
from uuid import UUID

import pytest

from actors.ledger.effects import EarningMature, PayoutTake
from sql.payout_rules import next_date
from sql.store import SqlStore
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import newcomer
from tests.integration.console.test_second_factor import wholly_signed_in
from tests.integration.web.accounts import PASSWORD, Person, register
from tests.integration.web.earners import Earner, do, earner, verified_node, work
from tests.integration.web.factors import with_app
from tests.support.databases import execute, fetchval
from tests.support.http_gateway import Face, face_over, face_with, with_ledger

RULES, PAYOUTS = "/api/v1/operators/me/payout-rules", "/api/v1/operators/me/payouts"
PAGE = "/console/account/payout-account"
BY_HAND = {
    "schedule": "by_hand",
    "to": "credits",
    "minimum": "0.0000",
    "least": "0.0000",
    "next_at": None,
}
face = face_with(with_ledger, audited=True)


@pytest.fixture
async def otto(face: Face) -> Earner:
    """Register Otto, an operator with a node."""
    return await earner(face)


@pytest.fixture
def dsn(database: PostgresEndpoint) -> str:
    return database.owner_dsn


async def test_a_schedule_has_a_next_date_and_a_minimum(otto: Earner) -> None:
    assert await otto.person.ask("GET", RULES) == (200, BY_HAND)
    now = otto.face.gateway.ports.clock.now()
    new = {"schedule": "weekly", "to": "credits", "minimum": "10.5"}
    status, rules = await otto.person.ask("PUT", RULES, new)
    assert (status, rules["minimum"], rules["least"]) == (200, "10.5000", "10.5000")
    date = next_date("weekly", now)
    assert date is not None
    assert rules["next_at"] == date.isoformat().replace("+00:00", "Z")
    for wrong in ({"schedule": "daily"}, {**new, "minimum": "-1"}, {**new, "minimum": "1e9"}):
        assert (await otto.person.ask("PUT", RULES, wrong))[0] == 422
    assert await otto.person.ask("GET", RULES) == (200, rules)


async def test_money_below_the_own_minimum_is_not_requested(otto: Earner, jane: Person) -> None:
    await otto.ripen(jane)
    new = {"schedule": "by_hand", "to": "money", "minimum": "8"}
    assert (await otto.person.ask("PUT", RULES, new))[0] == 200
    status, refused = await otto.person.ask("POST", PAYOUTS, {"to": "money"})
    assert (status, refused["code"]) == (409, "payout_below_minimum")
    assert "8 credits" in refused["detail"]
    assert (await otto.person.ask("PUT", RULES, {**new, "minimum": "7"}))[0] == 200
    assert (await otto.person.ask("POST", PAYOUTS, {"to": "money"}))[0] == 202


async def test_the_gateways_minimum_counts_beside_a_smaller_own_one(
    database: PostgresEndpoint,
) -> None:
    async with face_over(database, with_ledger, earnings={"payout_minimum": 7.5}) as face:
        otto = await earner(face)
        await otto.ripen(await register(face))
        new = {"schedule": "by_hand", "to": "money", "minimum": "1"}
        _, rules = await otto.person.ask("PUT", RULES, new)
        assert rules["least"] == "7.5000"
        status, refused = await otto.person.ask("POST", PAYOUTS, {"to": "money"})
        assert (status, refused["code"]) == (409, "payout_below_minimum")
        assert (await otto.person.ask("POST", PAYOUTS, {"to": "credits"}))[0] == 200


async def test_a_date_that_has_passed_is_paid_once_and_moves_on(
    otto: Earner, jane: Person, dsn: str
) -> None:
    await otto.ripen(jane)
    new = {"schedule": "monthly", "to": "credits"}
    assert (await otto.person.ask("PUT", RULES, new))[0] == 200
    store = SqlStore(otto.face.gateway.database)
    assert await store.passed_payout_dates(10, 0, pays_money=True) == []
    await execute(dsn, "UPDATE payout_rules SET next_at = now() - interval '1 second'")
    [due] = await store.passed_payout_dates(10, 0, pays_money=True)
    assert due.is_due
    for _ in range(2):
        await do(otto.face, PayoutTake(due.payout, due.operator, "CREDITS", due.minimum))
    assert (await otto.person.ask("GET", PAYOUTS))[1]["count"] == 1
    [passed] = await store.passed_payout_dates(10, 0, pays_money=True)
    assert not passed.is_due
    await store.move_payout_date(passed.operator, passed.date, passed.next_at)
    _, rules = await otto.person.ask("GET", RULES)
    assert passed.next_at is not None
    assert rules["next_at"] == passed.next_at.isoformat().replace("+00:00", "Z")
    assert passed.next_at > otto.face.gateway.ports.clock.now() - timedelta(days=1)


async def test_rules_are_exported_and_go_with_the_account(face: Face, dsn: str) -> None:
    jane = await register(face)
    assert (await jane.ask("PUT", RULES, {"schedule": "weekly", "minimum": "3"}))[0] == 200
    _, export = await jane.ask("GET", "/api/v1/auth/account/export")
    [rule] = export["payout_rules"]
    assert (rule["schedule"], rule["to"], rule["minimum"]) == ("weekly", "credits", "3.0000")
    path, body = "/api/v1/auth/account/delete", {"password": PASSWORD}
    assert (await jane.ask("POST", path, body))[0] == 200
    assert await fetchval(dsn, "SELECT count(*) FROM payout_rules") == 0


async def test_an_operator_is_paid_out_and_sets_the_rules_on_the_page(face: Face, dsn: str) -> None:
    otto = await newcomer(face, email="otto@example.org")
    node = await verified_node(face, UUID(otto.id))
    creator = await register(face)
    job = await work(face, node, UUID(otto.id), creator, window=timedelta(0))
    await do(face, EarningMature(job, 0))
    _, text = await otto.get(PAGE)
    assert "only when I ask" in text
    assert re.search(r"Payable</dt><dd>(<[^>]+>)*7(<[^>]+>|\s)*cr", text), text
    form = {"schedule": "monthly", "scheduled": "money", "minimum": "x"}
    answer = await otto.post(f"{PAGE}/rules", form)
    assert (answer.status, "The minimum must be" in await answer.text()) == (422, True)
    assert (await otto.post(f"{PAGE}/rules", {**form, "minimum": "7.5"})).status == 303
    _, text = await otto.get(PAGE)
    assert ("The next payout is on" in text, "Money is sent from" in text) == (True, True)
    answer = await otto.post(f"{PAGE}/payout", {"to": "money"})
    assert (answer.status, "Less than 7.5 credits is payable" in await answer.text()) == (409, True)
    assert (await otto.post(f"{PAGE}/payout", {"to": "credits"})).status == 303
    answer = await otto.post(f"{PAGE}/payout", {"to": "credits"})
    assert (answer.status, "Nothing is payable yet" in await answer.text()) == (409, True)


async def test_the_page_asks_for_the_factor_before_earnings_become_credits(
    face: Face, dsn: str, otto: Earner
) -> None:
    await otto.ripen(await register(face))
    secured = await with_app(face, dsn, otto.person)
    visitor = await wholly_signed_in(secured)
    await execute(dsn, "UPDATE refresh_families SET factor_at = NULL")
    weekly = {"schedule": "weekly", "scheduled": "credits", "minimum": "0"}
    for action, form in (("payout", {"to": "credits"}), ("rules", weekly)):
        answer = await visitor.post(f"{PAGE}/{action}", form)
        said = "given in the last ten minutes" in await answer.text()
        assert (answer.status, said) == (403, True)
    assert (await visitor.post(f"{PAGE}/rules", weekly | {"schedule": "by_hand"})).status == 303
    assert (await visitor.post(f"{PAGE}/payout", {"to": "money"})).status == 303
    _, found = await otto.person.ask("GET", PAYOUTS)
    assert [each["to"] for each in found["payouts"]] == ["money"]
