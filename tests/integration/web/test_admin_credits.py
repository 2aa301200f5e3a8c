"""Grants, adjustments and refunds by admins: each takes effect once and leaves an audit record."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from actors.ledger.effects import UnitComplete
from sql.account_names import user_account
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import dispatch
from tests.integration.web.accounts import Person, ask, with_role
from tests.support.databases import connected, execute, findings
from tests.support.http_gateway import Face, face_with, with_ledger

CREDITS, AUDIT = "/api/v1/admin/credits", "/api/v1/admin/audit"
BECAUSE = {"reason": "the node failed all weekend"}
NOBODY = "00000000-0000-4000-8000-000000000000"


face = face_with(with_ledger)


async def do(
    admin: Person, act: str, key: str | None = None, **body: Any
) -> tuple[int, dict[str, Any]]:
    """Send an admin's request, and return status and body; a default reason is added."""
    headers = {"Authorization": f"Bearer {admin.access}"}
    if key is not None:
        headers["Idempotency-Key"] = key
    return await ask(admin.face, "POST", f"{CREDITS}/{act}", {**BECAUSE, **body}, headers)


async def give(admin: Person, user: Person, amount: str, **more: Any) -> tuple[int, dict[str, Any]]:
    return await do(admin, "grant", user_id=user.id, amount=amount, **more)


async def records(admin: Person) -> list[dict[str, Any]]:
    _, found = await admin.ask("GET", AUDIT)
    kept: list[dict[str, Any]] = found["records"]
    return kept


async def book_work(face: Face, dsn: str, user: Person, price: int = 100_000) -> UUID:
    """Book a completed and charged job of the user, and return its id."""
    job, node, owner = uuid4(), uuid4(), UUID(user.id)
    await execute(
        dsn,
        "INSERT INTO nodes (id, name, public_key, capabilities) VALUES ($1, 'n', $2, '{render}')",
        *(node, node.bytes * 2),
    )
    await face.book(dispatch(owner, job, price, 1, node))
    done = UnitComplete(job, 0, 1, node, "s3://bucket/frame.png")
    await face.do(done)
    return job


# -- grants


async def test_a_grant_is_an_entry_of_the_users(admin: Person, jane: Person) -> None:
    status, entry = await give(admin, jane, "50", description="With our apologies")
    assert status == 200
    assert (entry["amount"], entry["direction"], entry["source"]) == (
        *("50.0000", "CREDIT"),
        "ADJUSTMENT",
    )
    assert entry["description"] == "With our apologies"
    assert entry["reference_id"].startswith("grant:")
    assert await jane.balance() == entry["balance_after"] == "150.0000"
    _, history = await jane.ask("GET", "/api/v1/credits/history")
    assert history["entries"][0] == entry


async def test_a_grant_is_written_down(admin: Person, jane: Person) -> None:
    _, entry = await give(admin, jane, "0.5")
    (record,) = await records(admin)
    assert (record["act"], record["target"]) == ("credits.grant", f"user:{jane.id}")
    assert (record["actor"], record["actor_id"]) == (admin.email, admin.id)
    assert record["reason"] == BECAUSE["reason"]
    assert record["request_id"]
    assert record["details"] == {"amount": "0.5000", "reference": entry["reference_id"]}


async def test_two_grants_are_two_and_one_key_is_one(admin: Person, jane: Person) -> None:
    await give(admin, jane, "1")
    await give(admin, jane, "1")
    assert await jane.balance() == "102.0000"
    answers = await asyncio.gather(*(give(admin, jane, "5", key="once") for _ in range(10)))
    assert {status for status, _ in answers} == {200}
    assert len({entry["id"] for _, entry in answers}) == 1
    assert await jane.balance() == "107.0000"
    assert len(await records(admin)) == 3
    status, problem = await give(admin, jane, "6", key="once")
    assert (status, problem["errors"][0]["field"]) == (422, "Idempotency-Key")
    status, _ = await do(admin, "adjust", "once", user_id=jane.id, amount="5")
    assert status == 422


async def test_a_key_is_of_one_admin(
    face: Face, database: PostgresEndpoint, admin: Person, jane: Person
) -> None:
    other = await with_role(face, database.owner_dsn, "admin", "eve@example.org")
    await give(admin, jane, "1", key="k")
    await give(other, jane, "1", key="k")
    assert await jane.balance() == "102.0000"


# -- adjustments


async def test_credits_are_put_right_both_ways(admin: Person, jane: Person) -> None:
    status, entry = await do(admin, "adjust", user_id=jane.id, amount="-2.5")
    assert (status, entry["direction"], entry["amount"]) == (200, "DEBIT", "2.5000")
    assert entry["source"] == "ADJUSTMENT"
    await do(admin, "adjust", user_id=jane.id, amount="1")
    assert await jane.balance() == "98.5000"
    details = [record["details"]["amount"] for record in await records(admin)]
    assert details == ["1.0000", "-2.5000"]


async def test_more_than_there_is_is_not_taken(admin: Person, jane: Person) -> None:
    status, problem = await do(admin, "adjust", user_id=jane.id, amount="-100.0001")
    assert (status, problem["available"], problem["requested"]) == (402, "100.0000", "100.0001")
    assert await records(admin) == []
    assert (await do(admin, "adjust", user_id=jane.id, amount="-100"))[0] == 200
    assert await jane.balance() == "0.0000"


# -- refunds


async def test_what_was_charged_for_work_is_given_back_once(
    face: Face, database: PostgresEndpoint, admin: Person, jane: Person
) -> None:
    job = await book_work(face, database.owner_dsn, jane)
    assert await jane.balance() == "90.0000"
    status, entry = await do(admin, "refund", job_id=str(job))
    assert (status, entry["amount"], entry["source"]) == (200, "10.0000", "REFUND")
    assert entry["reference_id"] == f"job:{job}:0"
    assert await do(admin, "refund", job_id=str(job), reason="asked again") == (200, entry)
    assert await jane.balance() == "100.0000"
    assert [record["act"] for record in await records(admin)] == ["credits.refund"]
    status, problem = await do(admin, "refund", job_id=str(job), amount="9")
    said = "The unit was refunded before, with another amount"
    assert (status, problem["detail"]) == (409, said)
    assert await books(database) == []


async def test_a_part_is_given_back_and_never_more_than_was_charged(
    face: Face, database: PostgresEndpoint, admin: Person, jane: Person
) -> None:
    job = await book_work(face, database.owner_dsn, jane)
    status, problem = await do(admin, "refund", job_id=str(job), amount="10.0001")
    assert (status, problem["errors"][0]["field"]) == (422, "amount")
    answers = await asyncio.gather(
        *(do(admin, "refund", job_id=str(job), amount=f"{n}") for n in range(1, 9))
    )
    assert sorted(status for status, _ in answers) == [200] + [409] * 7
    (won,) = [entry["amount"] for status, entry in answers if status == 200]
    assert await jane.balance() == f"{90 + int(won[0])}.0000"
    assert len(await records(admin)) == 1
    assert await books(database) == []


async def test_work_that_cost_nothing_is_not_refunded(
    face: Face, database: PostgresEndpoint, admin: Person, jane: Person
) -> None:
    free = await book_work(face, database.owner_dsn, jane, 0)
    status, problem = await do(admin, "refund", job_id=str(free))
    assert (status, problem["detail"]) == (409, "Nothing was charged for the unit")
    bodies: list[dict[str, Any]] = [{"job_id": NOBODY}, {"job_id": str(free), "unit": 1}]
    for body in bodies:
        status, problem = await do(admin, "refund", **body)
        assert (status, problem["detail"]) == (404, "The job has no such unit")


async def test_fsck_finds_a_refund_above_its_charge(
    face: Face, database: PostgresEndpoint, admin: Person, jane: Person
) -> None:
    job = await book_work(face, database.owner_dsn, jane)
    await do(admin, "refund", job_id=str(job))
    await execute(database.owner_dsn, "UPDATE holds SET settled = 99999")
    found = [finding.found for finding in await books(database) if "gave back" in finding.found]
    assert found == [f"gave back 100000 for job:{job}:0, charged 99999"]


async def books(database: PostgresEndpoint) -> Any:
    return await findings(database.app_dsn)


# -- rights, recipients and input


@pytest.mark.parametrize("role", ["user", "operator", "auditor"])
async def test_nobody_but_an_admin_moves_credits(
    face: Face, database: PostgresEndpoint, jane: Person, role: str
) -> None:
    person = await with_role(face, database.owner_dsn, role)
    job = await book_work(face, database.owner_dsn, jane)
    for act, body in (
        ("grant", {"user_id": jane.id, "amount": "1"}),
        ("adjust", {"user_id": jane.id, "amount": "-1"}),
        ("refund", {"job_id": str(job)}),
    ):
        assert (await do(person, act, **body))[0] == 403
        assert (await ask(face, "POST", f"{CREDITS}/{act}", {**BECAUSE, **body}))[0] == 401
    assert await jane.balance() == "90.0000"


async def test_nobody_does_it_to_himself(
    face: Face, database: PostgresEndpoint, admin: Person
) -> None:
    job = await book_work(face, database.owner_dsn, admin)
    for act, body in (
        ("grant", {"user_id": admin.id, "amount": "1"}),
        ("adjust", {"user_id": admin.id, "amount": "1"}),
        ("refund", {"job_id": str(job)}),
    ):
        assert (await do(admin, act, **body))[0] == 409
    assert await admin.balance() == "90.0000"


async def test_whoever_does_not_exist_is_given_nothing(
    admin: Person, database: PostgresEndpoint
) -> None:
    for act in ("grant", "adjust"):
        status, problem = await do(admin, act, user_id=NOBODY, amount="1")
        assert (status, problem["detail"]) == (404, "User not found")
    async with connected(database.app_dsn) as connection:
        name = user_account(UUID(NOBODY))
        assert await connection.fetch("SELECT FROM accounts WHERE name = $1", name) == []


@pytest.mark.parametrize("act", ["grant", "adjust"])
@pytest.mark.parametrize(
    "amount", ["0", "-0", "0.0000", "1e3", "1.00001", "NaN", "", "+1", "--1", 1, None, "1" * 10]
)
async def test_what_is_no_amount_is_refused(
    admin: Person, jane: Person, act: str, amount: Any
) -> None:
    status, problem = await do(admin, act, user_id=jane.id, amount=amount)
    assert (status, problem["errors"][0]["field"]) == (422, "amount")
    assert await jane.balance() == "100.0000"


async def test_a_grant_takes_no_sign_and_every_act_a_reason(admin: Person, jane: Person) -> None:
    assert (await give(admin, jane, "-1"))[0] == 422
    for reason in ("", None, "x" * 501):
        assert (await give(admin, jane, "1", reason=reason))[0] == 422
    assert await jane.balance() == "100.0000"
    assert await records(admin) == []
