"""Payouts in money, which admins approve, export and mark as paid, over the real Ledger."""

import asyncio
import csv
import io
from typing import Any
from uuid import uuid4

import attrs
import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import Person, register, with_role
from tests.integration.web.earners import SEPA, Earner, earner, set_usable_account
from tests.support.http_gateway import Face, face_with, with_ledger

ADMIN, BATCHES = "/api/v1/admin/payouts", "/api/v1/admin/batches"
MINE, AUDIT = "/api/v1/operators/me/payouts", "/api/v1/admin/audit"


face = face_with(with_ledger, audited=True)


@attrs.frozen
class Office:
    """The admin Ann, the creator Jane, and the operators Otto and Olga, who earn from her jobs."""

    ann: Person
    jane: Person
    otto: Earner
    olga: Earner

    async def request(self, who: Earner) -> str:
        """Request a payout of 7 credits in money, and return its id."""
        await who.ripen(self.jane)
        status, payout = await who.person.ask("POST", MINE, {"to": "money"})
        assert status == 202, payout
        return str(payout["id"])

    async def approve(self, *ids: str, key: str = "") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.ann.access}"}
        headers |= {"Idempotency-Key": key} if key else {}
        body = {"payouts": list(ids), "reason": "checked"}
        client = self.ann.face.client
        async with client.post(ADMIN + "/approve", json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def sent(self, batch: str, reference: str = "wire 7") -> tuple[int, Any]:
        body = {"reference": reference, "reason": "sent"}
        status, answer = await self.ann.ask("POST", f"{BATCHES}/{batch}/paid", body)
        return status, answer

    async def reject(self, payout: str, **more: object) -> tuple[int, Any]:
        body = {"reason": "no account", **more}
        status, answer = await self.ann.ask("POST", f"{ADMIN}/{payout}/reject", body)
        return status, answer

    async def records(self, target: str) -> list[str]:
        _, found = await self.ann.ask("GET", f"{AUDIT}?target={target}")
        return [record["act"] for record in reversed(found["records"])]


@pytest.fixture
async def office(face: Face, database: PostgresEndpoint) -> Office:
    ann = await with_role(face, database.owner_dsn, "admin")
    jane = await register(face)
    otto, olga = await earner(face), await earner(face, "olga@example.org")
    for each in (otto, olga):
        await set_usable_account(each.person)
    return Office(ann, jane, otto, olga)


async def totals(who: Earner) -> dict[str, str]:
    _, found = await who.person.ask("GET", "/api/v1/operators/me/earnings")
    return {name: amount for name, amount in found["totals"].items() if amount != "0.0000"}


async def test_money_is_approved_exported_sent_and_noted(office: Office) -> None:
    first, second = await office.request(office.otto), await office.request(office.olga)
    _, listed = await office.ann.ask("GET", ADMIN + "?state=requested")
    assert [payout["id"] for payout in listed["payouts"]] == [second, first]
    assert listed["payouts"][0]["email"] == "olga@example.org"
    status, batch = await office.approve(first, second)
    assert status == 200
    assert (batch["amount"], batch["left"]) == ("14.0000", 2)
    assert {payout["state"] for payout in batch["payouts"]} == {"approved"}
    _, audit = await office.ann.ask("GET", f"{AUDIT}?target=batch:{batch['batch_id']}")
    [record] = audit["records"]
    assert (record["act"], record["actor"]) == ("payout.approve", "ann@example.org")
    assert record["details"] == {"payouts": [first, second], "amount": "14.0000"}
    assert await totals(office.otto) == {"requested": "7.0000"}
    status, paid = await office.sent(batch["batch_id"])
    assert (status, paid["left"]) == (200, 0)
    assert {(p["state"], p["reference"]) for p in paid["payouts"]} == {("paid", "wire 7")}
    assert await totals(office.otto) == {"paid": "7.0000"}
    _, mine = await office.otto.person.ask("GET", MINE)
    assert (mine["payouts"][0]["state"], mine["payouts"][0]["reference"]) == ("paid", "wire 7")
    assert await office.records(f"payout:{first}") == ["payout.pay"]
    # the repeated request changes nothing
    assert await office.sent(batch["batch_id"]) == (status, paid)
    status, problem = await office.sent(batch["batch_id"], "wire 8")
    assert (status, "under 'wire 7'" in problem["detail"]) == (409, True)
    assert await office.records(f"payout:{first}") == ["payout.pay"]


async def test_a_batch_is_exported_as_csv(face: Face, office: Office) -> None:
    payout = await office.request(office.otto)
    _, batch = await office.approve(payout)
    path = f"{BATCHES}/{batch['batch_id']}"
    headers = {"Authorization": f"Bearer {office.ann.access}"}
    by_accept = headers | {"Accept": "text/csv"}
    texts: list[str] = []
    for target, sent in ((path + "?format=csv", headers), (path, by_accept)):
        async with face.client.get(target, headers=sent) as answer:
            assert (answer.status, answer.content_type) == (200, "text/csv")
            assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
            texts.append(await answer.text())
    assert texts[0] == texts[1]
    [row] = csv.DictReader(io.StringIO(texts[0]))
    assert (row["payout_id"], row["operator_id"]) == (payout, office.otto.person.id)
    assert (row["email"], row["name"], row["amount"]) == ("otto@example.org", "Jane", "7.0000")
    _, shown = await office.ann.ask("GET", path)
    assert shown == batch


@pytest.mark.parametrize("name", ["=1+1", "\uff1d1+1", "\n=1+1", "@SUM(1)", "-1"])
async def test_a_name_is_no_formula_in_a_spreadsheet(face: Face, office: Office, name: str) -> None:
    async with face.gateway.database.connection() as connection:
        await connection.execute("UPDATE users SET name = $1 WHERE email LIKE 'otto%'", name)
    _, batch = await office.approve(await office.request(office.otto))
    headers = {"Authorization": f"Bearer {office.ann.access}"}
    path = f"{BATCHES}/{batch['batch_id']}?format=csv"
    async with face.client.get(path, headers=headers) as answer:
        [row] = csv.DictReader(io.StringIO(await answer.text()))
    assert row["name"] == f"'{name}"


async def test_a_rejected_payout_is_payable_again(office: Office) -> None:
    payout = await office.request(office.otto)
    status, rejected = await office.reject(payout)
    assert (status, rejected["state"]) == (200, "rejected")
    assert (await office.reject(payout))[0] == 200
    assert await office.records(f"payout:{payout}") == ["payout.reject"]
    assert await totals(office.otto) == {"payable": "7.0000"}
    status, problem = await office.approve(payout)
    assert (status, problem["detail"]) == (409, "A payout that is rejected cannot be changed")
    again = await office.request(office.otto)
    assert (await office.approve(again))[1]["amount"] == "14.0000"


async def test_a_batch_is_approved_whole_or_not_at_all(office: Office) -> None:
    first, second = await office.request(office.otto), await office.request(office.olga)
    await office.reject(second)
    assert (await office.approve(first, second))[0] == 409
    assert await office.records(f"payout:{first}") == []
    assert (await office.approve(first, str(uuid4())))[0] == 404
    assert (await office.approve(first, first))[0] == 422
    assert (await office.approve())[0] == 422
    assert (await office.approve(first))[0] == 200


async def test_a_payout_without_an_account_that_can_be_used_is_not_approved(
    office: Office, database: PostgresEndpoint
) -> None:
    first, second = await office.request(office.otto), await office.request(office.olga)
    account = "/api/v1/auth/payout-account"
    assert (await office.otto.person.ask("DELETE", account))[0] == 200
    status, refused = await office.approve(first, second, key="k")
    assert (status, refused["code"]) == (409, "payout_account_unusable")
    assert ("otto@example.org" in refused["detail"], "olga@" in refused["detail"]) == (True, False)
    assert (await office.otto.person.ask("PUT", account, SEPA))[0] == 200
    assert (await office.approve(first, second))[0] == 409, "the new account waits"
    await set_usable_account(office.otto.person)
    status, batch = await office.approve(first, second, key="k")
    assert (status, len(batch["payouts"])) == (200, 2)
    assert (await office.otto.person.ask("DELETE", account))[0] == 200
    assert (await office.approve(first, second, key="k"))[1]["batch_id"] == batch["batch_id"]


async def test_two_admins_at_once_approve_once(office: Office) -> None:
    payout = await office.request(office.otto)
    answers = await asyncio.gather(*(office.approve(payout) for _ in range(6)))
    assert sorted(status for status, _ in answers) == [200] + [409] * 5
    [batch] = [answer["batch_id"] for status, answer in answers if status == 200]
    assert await office.records(f"batch:{batch}") == ["payout.approve"]


async def test_a_key_approves_once_and_answers_again(office: Office) -> None:
    payout = await office.request(office.otto)
    answers = await asyncio.gather(*(office.approve(payout, key="k") for _ in range(4)))
    assert {status for status, _ in answers} == {200}
    assert len({answer["batch_id"] for _, answer in answers}) == 1
    assert (await office.approve(await office.request(office.olga), key="k"))[0] == 422


async def test_many_who_note_a_batch_at_once_pay_once(office: Office) -> None:
    payouts = [await office.request(office.otto) for _ in range(3)]
    _, batch = await office.approve(*payouts)
    answers = await asyncio.gather(*(office.sent(batch["batch_id"]) for _ in range(5)))
    assert {status for status, _ in answers} == {200}
    assert await totals(office.otto) == {"paid": "21.0000"}
    for payout in payouts:
        assert await office.records(f"payout:{payout}") == ["payout.pay"]


async def test_of_two_who_note_a_batch_under_two_references_one_does(office: Office) -> None:
    payouts = [await office.request(office.otto) for _ in range(4)]
    _, batch = await office.approve(*payouts)
    told = [f"wire {n % 2}" for n in range(6)]
    answers = await asyncio.gather(*(office.sent(batch["batch_id"], each) for each in told))
    [done] = {each for each, (status, _) in zip(told, answers, strict=True) if status == 200}
    assert {status for status, _ in answers} == {200, 409}
    for _ in payouts:  # a busy gateway may mark one payout per request
        await office.sent(batch["batch_id"], done)
    _, found = await office.ann.ask("GET", f"{BATCHES}/{batch['batch_id']}")
    assert {(p["state"], p["reference"]) for p in found["payouts"]} == {("paid", done)}


async def test_what_may_be_on_the_way_is_not_rejected_without_a_word_about_it(
    office: Office,
) -> None:
    """The payout was approved and exported, so somebody may be sending the money already."""
    payout = await office.request(office.otto)
    _, batch = await office.approve(payout)
    await office.ann.ask("GET", f"{BATCHES}/{batch['batch_id']}")
    status, problem = await office.reject(payout)
    assert (status, "set not_paid" in problem["detail"]) == (409, True)
    assert await office.records(f"payout:{payout}") == []
    assert await totals(office.otto) == {"requested": "7.0000"}
    status, rejected = await office.reject(payout, not_paid=True)
    assert (status, rejected["state"]) == (200, "rejected")
    _, audit = await office.ann.ask("GET", f"{AUDIT}?target=payout:{payout}")
    [record] = audit["records"]
    assert (record["act"], record["details"]) == ("payout.reject", {"not_paid": True})
    assert await totals(office.otto) == {"payable": "7.0000"}
    status, problem = await office.sent(batch["batch_id"])
    assert (status, "rejected" in problem["detail"]) == (409, True)


async def test_what_is_paid_stays_so_whatever_is_said(office: Office) -> None:
    payout = await office.request(office.otto)
    _, batch = await office.approve(payout)
    await office.sent(batch["batch_id"])
    assert (await office.reject(payout, not_paid=True))[0] == 409
    assert await totals(office.otto) == {"paid": "7.0000"}


async def test_one_that_is_rejected_from_a_batch_is_not_paid(office: Office) -> None:
    first, second = await office.request(office.otto), await office.request(office.olga)
    _, batch = await office.approve(first, second)
    await office.reject(second, not_paid=True)
    _, paid = await office.sent(batch["batch_id"])
    assert (paid["left"], paid["amount"]) == (0, "7.0000")
    assert await totals(office.olga) == {"payable": "7.0000"}
    assert (await office.reject(first))[0] == 409


async def test_nobody_approves_his_own_and_only_admins_do(
    face: Face, office: Office, database: PostgresEndpoint
) -> None:
    payout = await office.request(office.otto)
    for person in (
        office.otto.person,
        await with_role(face, database.owner_dsn, "auditor", "a@b.de"),
    ):
        stranger = attrs.evolve(office, ann=person)
        assert (await stranger.approve(payout))[0] == 403
        assert (await stranger.reject(payout))[0] == 403
        assert (await stranger.sent(str(uuid4())))[0] == 403
    async with face.gateway.database.connection() as connection:
        await connection.execute(
            "UPDATE payouts SET operator_id = (SELECT id FROM users WHERE email LIKE 'ann%')"
        )
    status, problem = await office.approve(payout)
    assert (status, problem["detail"][-17:]) == (409, "ask another admin")
    async with face.gateway.database.connection() as connection:
        await connection.execute(
            "UPDATE payouts SET operator_id = (SELECT id FROM users WHERE email LIKE 'otto%')"
        )


async def test_what_is_not_there_is_not_found(office: Office) -> None:
    assert (await office.reject(str(uuid4())))[0] == 404
    assert (await office.sent(str(uuid4())))[0] == 404
    assert (await office.ann.ask("GET", f"{BATCHES}/{uuid4()}"))[0] == 404
    assert (await office.ann.ask("GET", f"{BATCHES}/x"))[0] == 404


@pytest.mark.parametrize("path", [ADMIN, "/api/v1/admin/disputes"])
async def test_a_page_begins_after_something_that_is_there(office: Office, path: str) -> None:
    status, answer = await office.ann.ask("GET", f"{path}?after={uuid4()}")
    assert (status, answer["errors"][0]["field"]) == (422, "after")


@pytest.mark.parametrize("path", [MINE, "/api/v1/disputes"])
async def test_nobody_reads_on_from_what_is_anothers(office: Office, path: str) -> None:
    of_olga = await office.request(office.olga)
    for after in (of_olga, str(uuid4())):
        status, answer = await office.otto.person.ask("GET", f"{path}?after={after}")
        assert (status, answer["errors"][0]["field"]) == (422, "after")
