"""Credits at the HTTP API, over the real Ledger and PostgreSQL."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest

from sql.query_loader import QUERIES
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.databases import connected, execute, fetchval
from tests.support.http_gateway import Face, Headers, face_with, with_ledger
from tests.support.transfers import insert_transfers

ENTRY = {
    "id": str,
    "entry_id": int,
    "amount": str,
    "direction": str,
    "source": str,
    "reference_id": str,
    "balance_after": str,
    "description": str,
    "created_at": str,
}
STARTER = 1_000_000


face = face_with(with_ledger)


def body(amount: Any = "10.0000", reference: str = "manual-001", **more: Any) -> dict[str, Any]:
    return {
        "amount": amount,
        "reference_id": reference,
        "description": "Manual adjustment",
        **more,
    }


async def deduct(
    face: Face, user: Mapping[str, str], **asked: Any
) -> tuple[int, dict[str, Any], Mapping[str, str]]:
    headers = {**user, **asked.pop("headers", {})}
    async with face.client.post(
        "/api/v1/credits/deduct", json=body(**asked), headers=headers
    ) as answer:
        return answer.status, await answer.json(), answer.headers


async def get(face: Face, user: Mapping[str, str], path: str) -> tuple[int, dict[str, Any]]:
    async with face.client.get(f"/api/v1/credits/{path}", headers=user) as answer:
        return answer.status, await answer.json()


def id_of(user: Mapping[str, str]) -> UUID:
    return UUID(jwt.decode(user["Authorization"][7:], options={"verify_signature": False})["sub"])


async def test_a_deduction_answers_its_entry(face: Face, user: Headers) -> None:
    status, entry, _ = await deduct(face, user)
    assert status == 200
    assert {name: type(value) for name, value in entry.items()} == ENTRY
    assert entry["amount"] == "10.0000"
    assert (entry["direction"], entry["source"]) == ("DEBIT", "ADJUSTMENT")
    assert (entry["reference_id"], entry["balance_after"]) == ("manual-001", "90.0000")
    assert entry["description"] == "Manual adjustment"
    _, found = await get(face, user, "history")
    assert found["entries"][0] == entry
    assert found["count"] == 2
    assert (await get(face, user, "balance"))[1]["balance"] == "90.0000"


async def test_what_is_deducted_goes_to_the_platforms_adjustments(
    face: Face, database: PostgresEndpoint
) -> None:
    await deduct(face, await face.user())
    found = await fetchval(
        database.owner_dsn, "SELECT balance FROM accounts WHERE name = 'adjustments'"
    )
    assert found == -STARTER + 100_000


async def test_more_than_there_is_is_not_deducted(face: Face, user: Headers) -> None:
    status, problem, _ = await deduct(face, user, amount="100.0001")
    assert status == 402
    assert problem["detail"] == "Insufficient credits"
    assert (problem["available"], problem["requested"]) == ("100.0000", "100.0001")
    assert (await get(face, user, "balance"))[1]["balance"] == "100.0000"
    assert (await deduct(face, user, amount="100"))[0] == 200


async def test_a_reference_is_deducted_once(face: Face, user: Headers) -> None:
    _, first, _ = await deduct(face, user)
    status, again, _ = await deduct(face, user, description="Other words", amount="10")
    assert (status, again) == (200, first)
    status, problem, _ = await deduct(face, user, amount="10.0001")
    assert status == 409
    assert "reference_id" in problem["detail"]
    assert (await get(face, user, "balance"))[1]["balance"] == "90.0000"


async def test_references_of_two_people_have_nothing_to_do_with_each_other(face: Face) -> None:
    _, one, _ = await deduct(face, await face.user())
    status, two, _ = await deduct(face, await face.user("joe@example.org"), amount="1")
    assert status == 200
    assert one["id"] != two["id"]


async def test_a_deduction_is_in_the_way_of_no_grant_and_no_job(face: Face, user: Headers) -> None:
    """A deduction may use the same reference as the starter credits or as a job."""
    for reference in (f"starter:{id_of(user)}", f"job:{uuid4()}:0"):
        assert (await deduct(face, user, reference=reference))[0] == 200


async def test_a_key_gives_the_first_answer_again(face: Face, user: Headers) -> None:
    key = {"Idempotency-Key": "k1"}
    status, first, headers = await deduct(face, user, headers=key)
    assert (status, "Idempotency-Replayed" in headers) == (200, False)
    status, again, headers = await deduct(face, user, headers=key)
    assert (status, again, headers["Idempotency-Replayed"]) == (200, first, "true")
    status, problem, _ = await deduct(face, user, reference="manual-002", headers=key)
    assert status == 422
    assert problem["errors"][0]["field"] == "Idempotency-Key"
    assert (await get(face, user, "balance"))[1]["balance"] == "90.0000"


async def test_a_key_is_kept_with_its_effect_or_not_at_all(
    face: Face, user: Headers, database: PostgresEndpoint
) -> None:
    key = {"Idempotency-Key": "k1"}
    assert (await deduct(face, user, amount="101", headers=key))[0] == 402
    async with connected(database.owner_dsn) as connection:
        assert await connection.fetchval("SELECT count(*) FROM idempotency_keys") == 0
        assert (await deduct(face, user, amount="1", headers=key))[0] == 200
        assert await connection.fetchval("SELECT count(*) FROM idempotency_keys") == 1


async def test_many_requests_with_one_key_deduct_once(face: Face, user: Headers) -> None:
    key = {"Idempotency-Key": "k1"}
    answers = await asyncio.gather(*(deduct(face, user, headers=key) for _ in range(10)))
    assert {status for status, _, _ in answers} == {200}
    assert len({entry["id"] for _, entry, _ in answers}) == 1
    assert (await get(face, user, "balance"))[1]["balance"] == "90.0000"


@pytest.mark.parametrize(
    "amount",
    [
        *("0", "0.0000", "-1", "+1", "1e3", "1.00001", "NaN", "Infinity", "", " 1", "1 ", "1."),
        *(".5", "1,5", "\u0661", "123456789012345", "0x10", "1_000", 10, 10.5, None, True, ["1"]),
    ],
)
async def test_what_is_no_amount_is_refused(face: Face, amount: Any) -> None:
    status, problem, _ = await deduct(face, await face.user(), amount=amount)
    assert status == 422
    assert [fault["field"] for fault in problem["errors"]] == ["amount"]
    assert isinstance(problem["detail"], str)


async def test_all_faults_are_told_at_once(face: Face, user: Headers) -> None:
    async with face.client.post(
        "/api/v1/credits/deduct", json={"amount": "0", "reference_id": "", "x": 1}, headers=user
    ) as answer:
        problem = await answer.json()
    assert answer.status == 422
    assert {fault["field"] for fault in problem["errors"]} == {"amount", "reference_id", "x"}
    (amount,) = [f["message"] for f in problem["errors"] if f["field"] == "amount"]
    assert amount.startswith("must be a decimal string above 0")


async def test_nobody_deducts_without_a_token(face: Face) -> None:
    assert (await deduct(face, {}))[0] == 401


# ── lists ────────────────────────────────────────────────────────────────────────────────────────


async def test_history_is_read_page_by_page(face: Face, user: Headers) -> None:
    for number in range(5):
        await deduct(face, user, amount="1", reference=f"r{number}")
    found: list[str] = []
    path = "history?limit=2"
    while True:
        _, page = await get(face, user, path)
        assert page["count"] == 6
        found += [entry["reference_id"] for entry in page["entries"]]
        if page["next"] is None:
            break
        assert page["next"] == page["entries"][-1]["id"]
        path = f"history?limit=2&after={page['next']}"
    assert found == ["r4", "r3", "r2", "r1", "r0", f"starter:{id_of(user)}"]
    _, page = await get(face, user, "history?limit=2&offset=4")
    assert [entry["reference_id"] for entry in page["entries"]] == found[4:]
    assert page["next"] is None


async def test_a_page_begins_after_an_entry_of_ones_own_only(face: Face) -> None:
    jane, joe = await face.user(), await face.user("joe@example.org")
    _, entry, _ = await deduct(face, joe)
    for after in (entry["id"], uuid4(), "x"):
        status, problem = await get(face, jane, f"history?after={after}")
        assert status == 422
        assert [fault["field"] for fault in problem["errors"]] == ["after"]


MANY = insert_transfers(
    "SELECT a.id, b.id, a.id, 1, 'DEDUCTION', n::text, now()"
    " FROM accounts a, accounts b, generate_series(1, $2::integer) n"
    " WHERE a.name = 'user:' || $1::uuid AND b.name = 'adjustments'"
)


def scanned(plan: dict[str, Any]) -> int:
    """Return the number of rows that the largest step of a plan touched."""
    own = plan["Actual Rows"] * plan["Actual Loops"] + plan.get("Rows Removed by Filter", 0)
    return max([int(own), *map(scanned, plan.get("Plans", []))])


async def explained(connection: Any, name: str, *args: Any) -> int:
    """Return how many rows a query touches with a generic plan, as the pool's connections use."""
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    types = {"entries_of_user": "uuid, integer, integer, uuid"}
    types |= {"jobs_of_user": f"{types['entries_of_user']}, boolean"}
    types |= {"jobs_of_user_with_status": f"{types['jobs_of_user']}, text"}
    await connection.execute(f"PREPARE q ({types[name]}) AS {QUERIES[name]}")
    shown = ", ".join("NULL" if a is None else f"'{a}'" for a in args)
    found = await connection.fetchval(
        f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE q ({shown})"
    )
    await connection.execute("DEALLOCATE q")
    return scanned(json.loads(found)[0]["Plan"])


async def test_the_last_page_of_a_long_history_costs_no_more_than_the_first(
    face: Face, database: PostgresEndpoint
) -> None:
    user = id_of(await face.user())
    async with connected(database.owner_dsn) as connection:
        await connection.execute(MANY, user, 20_000)
        await connection.execute("ANALYZE")
        deep = await connection.fetchval(
            "SELECT e.id FROM entries e JOIN accounts a ON a.id = e.account_id"
            " WHERE a.name = $1 AND e.version = 200",
            f"user:{user}",
        )
        assert await explained(connection, "entries_of_user", user, 50, 0, None) <= 100
        assert await explained(connection, "entries_of_user", user, 50, 0, deep) <= 100


JOBS = """
INSERT INTO jobs (id, user_id, job_type, payload_ref, status, price, created_at, queued_at,
                  updated_at, completed_at)
SELECT gen_random_uuid(), $1, 'echo', 'x', CASE WHEN n % 100 = 0 THEN 'FAILED' ELSE 'CANCELLED' END,
       0, t, t, t, t
FROM generate_series(1, $2::integer) n, LATERAL (SELECT now() - n * interval '1 second' AS t) AS at
"""


async def test_the_last_page_of_many_jobs_costs_no_more_than_the_first(
    face: Face, database: PostgresEndpoint
) -> None:
    user = id_of(await face.user())
    async with connected(database.owner_dsn) as connection:
        await connection.execute(JOBS, user, 20_000)
        await connection.execute("ANALYZE")
        oldest = "SELECT id FROM jobs WHERE status = 'FAILED' ORDER BY created_at OFFSET 5 LIMIT 1"
        deep = await connection.fetchval(oldest)
        for after in (None, deep):
            assert await explained(connection, "jobs_of_user", user, 50, 0, after, False) <= 200
            found = await explained(
                connection, "jobs_of_user_with_status", user, 50, 0, after, False, "FAILED"
            )
            assert found <= 200


HOLD = """
WITH job AS (
    INSERT INTO jobs (id, user_id, job_type, payload_ref, status, price, created_at, queued_at,
                      updated_at, open_units)
    VALUES ($2, $1, 'render', 'x', 'QUEUED', 100000, now(), now(), now(), 1) RETURNING id
), account AS (
    UPDATE accounts SET held = held + 100000 WHERE name = 'user:' || $1::uuid RETURNING id
)
INSERT INTO holds (id, account_id, reference, amount, created_at)
SELECT gen_random_uuid(), account.id, 'job:' || job.id || ':0', 100000, now() FROM job, account
"""


async def test_holds_name_the_jobs_that_they_are_for(
    face: Face, user: Headers, database: PostgresEndpoint
) -> None:
    job = uuid4()
    await execute(database.owner_dsn, HOLD, id_of(user), job)
    status, found = await get(face, user, "holds")
    assert status == 200
    assert (found["count"], found["held"]) == (1, "10.0000")
    (hold,) = found["holds"]
    assert (hold["job_id"], hold["job_type"], hold["job_status"]) == (str(job), "render", "QUEUED")
    assert (hold["amount"], hold["reference_id"]) == ("10.0000", f"job:{job}:0")
    _, other = await get(face, await face.user("joe@example.org"), "holds")
    assert other == {"holds": [], "count": 0, "held": "0.0000"}
    status, problem, _ = await deduct(face, user, amount="90.0001")
    assert (status, problem["available"]) == (402, "90.0000")


USED = insert_transfers(
    "SELECT a.id, b.id, a.id, 50000, 'USAGE', u.reference, now() - make_interval(days => u.ago)"
    " FROM accounts a, accounts b, unnest($2::text[], $3::integer[]) AS u (reference, ago)"
    " WHERE a.name = 'user:' || $1::uuid AND b.name = 'revenue'"
)


async def test_usage_is_told_day_by_day(
    face: Face, user: Headers, database: PostgresEndpoint
) -> None:
    jobs = [uuid4(), uuid4()]
    units = [f"job:{jobs[0]}:0", f"job:{jobs[0]}:1", f"job:{jobs[1]}:0", "job:x:0", "job:y:0"]
    await execute(database.owner_dsn, USED, id_of(user), units, [0, 0, 0, 2, 40])
    status, found = await get(face, user, "usage?days=3")
    assert status == 200
    assert [(day["charged"], day["jobs"]) for day in found["days"]] == [
        ("5.0000", 1),
        ("0.0000", 0),
        ("15.0000", 2),
    ]
    assert found["charged"] == "20.0000"
    assert [len(day["day"]) for day in found["days"]] == [10] * 3
    assert len((await get(face, user, "usage"))[1]["days"]) == 30
    for days in ("0", "367", "x"):
        assert (await get(face, user, f"usage?days={days}"))[0] == 422
