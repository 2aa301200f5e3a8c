"""Prices of jobs: who may change them, their history, and the price that a job keeps."""

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import asyncpg
import attrs
import pytest

from sql.database import Database
from sql.fsck import run_fsck
from sql.query_loader import QUERIES
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import Person, ask, register, with_role
from tests.support.databases import connected, execute
from tests.support.http_gateway import Face, serving, settings_for_tests, with_scheduler
from tests.support.until import until

PRICES, AUDIT, JOBS = "/api/v1/admin/prices", "/api/v1/admin/audit", "/api/v1/jobs"
ORDER = {"payload_ref": "s3://bucket/input/scene.blend", "queue": True}
FIRST = {"*": "1.0000", "cpu_benchmark": "1.0000", "echo": "0.0000"} | {
    "inference": "5.0000",
    "render": "10.0000",
}


@pytest.fixture
async def gateways(database: PostgresEndpoint) -> AsyncGenerator[list[Face]]:
    """Run two gateways on one database."""
    async with AsyncExitStack() as stack:
        faces = list[Face]()
        for _ in range(2):
            pool = Database(lambda: database.app_dsn)
            stack.push_async_callback(pool.close)
            running = serving(pool, settings_for_tests(), with_scheduler(pool))
            faces.append(await stack.enter_async_context(running))
        yield faces


async def put(person: Person, job_type: str, price: str | None, **more: Any) -> tuple[int, Any]:
    """Change a price, and return status and body."""
    body = {"price": price, "reason": "dearer electricity", **more}
    status, answer = await person.ask("PUT", f"{PRICES}/{quote(job_type, safe='')}", body)
    return status, answer


async def changed(person: Person, price: str) -> Any:
    """Change the price of a render job, and return the answer.

    The request is repeated while the gateway is busy (503): setting the same price again changes
    nothing.
    """

    async def answered() -> Any:
        status, answer = await put(person, "render", price)
        assert status in (200, 503), answer
        return answer if status == 200 else None

    return await until(answered)


async def prices(person: Person) -> dict[str, str]:
    """Return the price of each job type."""
    status, answer = await person.ask("GET", PRICES)
    assert status == 200, answer
    return {price["job_type"]: price["price"] for price in answer["prices"]}


async def test_whoever_loses_a_deadlock_may_try_again(
    admin: Person, database: PostgresEndpoint
) -> None:
    """PostgreSQL aborts this change, so nothing happened and the answer is 503."""
    other = await asyncpg.connect(database.owner_dsn)
    waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'prices'::regclass AND NOT granted"
    try:
        async with other.transaction():
            await other.execute("LOCK TABLE prices IN EXCLUSIVE MODE")
            asked = asyncio.ensure_future(put(admin, "render", "12"))
            await until(lambda: other.fetchval(waiting))
            await other.execute(QUERIES["prices_lock"])
        status, answer = await asked
    finally:
        await other.close()
    assert (status, answer["detail"]) == (503, "The gateway is busy; try again")
    assert (await put(admin, "render", "12"))[0] == 200


async def submit(person: Person, job_type: str) -> Any:
    """Submit a job that waits for a node, and return it as its owner sees it."""
    status, placed = await person.ask("POST", f"{JOBS}/dispatch", {**ORDER, "job_type": job_type})
    assert status == 202, placed
    return (await person.ask("GET", f"{JOBS}/{placed['job_id']}"))[1]


async def ordered(person: Person) -> tuple[int, Any]:
    """Order a render job, again while the gateway is busy; return the status and the answer."""
    body = {**ORDER, "job_type": "render"}
    headers = {"Authorization": f"Bearer {person.access}", "Idempotency-Key": str(uuid4())}

    async def answered() -> tuple[int, Any] | None:
        status, answer = await ask(person.face, "POST", f"{JOBS}/dispatch", body, headers)
        return None if status == 503 else (status, answer)

    found: tuple[int, Any] | None = await until(answered)
    assert found is not None
    return found


# -- what an admin does


async def test_a_price_is_changed_and_what_it_was_is_kept(admin: Person) -> None:
    assert await prices(admin) == FIRST
    status, changed = await put(admin, "render", "12.5")
    assert (status, changed["price"], changed["changed_by"]) == (200, "12.5000", admin.email)
    assert await prices(admin) == {**FIRST, "render": "12.5000"}
    _, listed = await admin.ask("GET", f"{PRICES}?job_type=render")
    assert listed["history"][0] == changed
    assert [change["price"] for change in listed["history"]] == ["12.5000", "10.0000"]
    assert [change["reason"] for change in listed["history"]] == ["dearer electricity", ""]
    assert listed["history"][0]["since"] > listed["history"][1]["since"]


async def test_a_change_is_written_down_with_what_it_was_before(admin: Person) -> None:
    await put(admin, "tile/2x2", "0.0001")
    await put(admin, "tile/2x2", "0")
    _, answer = await admin.ask("GET", f"{AUDIT}?target=price:tile/2x2")
    assert [record["details"] for record in answer["records"]] == [
        {"before": "0.0001", "price": "0.0000"},
        {"before": None, "price": "0.0001"},
    ]
    assert {record["act"] for record in answer["records"]} == {"price.set"}
    assert all(record["request_id"] for record in answer["records"])


async def test_a_price_that_holds_already_is_no_change(admin: Person) -> None:
    _, first = await put(admin, "render", "3")
    status, again = await put(admin, "render", "3.0000", reason="sent again")
    assert (status, again) == (200, first)
    _, answer = await admin.ask("GET", AUDIT)
    assert len(answer["records"]) == 1


async def test_without_a_price_of_its_own_a_type_costs_what_others_do(
    gateways: list[Face], database: PostgresEndpoint
) -> None:
    admin = await with_role(gateways[0], database.owner_dsn, "admin")
    jane = await register(gateways[1])
    assert (await put(admin, "render", None))[1]["price"] is None
    assert "render" not in await prices(admin)
    assert (await submit(jane, "render"))["price"] == "1.0000"
    await put(admin, "*", "2")
    assert (await submit(jane, "render"))["price"] == "2.0000"
    assert (await submit(jane, "inference"))["price"] == "5.0000"
    for job_type in ("render", "never"):
        status, answer = await put(admin, job_type, None)
        assert (status, answer["detail"]) == (404, "No price is set for the job type")
    status, answer = await put(admin, "*", None)
    assert (status, answer["errors"][0]["field"]) == (422, "price")


@pytest.mark.parametrize("price", ["-1", "1e3", "1.00001", "", "1,5", "9999999999", 5, "NaN"])
async def test_what_is_no_price_is_refused(admin: Person, price: Any) -> None:
    status, answer = await put(admin, "render", price)
    assert (status, answer["errors"][0]["field"]) == (422, "price")
    assert await prices(admin) == FIRST


@pytest.mark.parametrize("job_type", ["x y", "-x", "**", "ä", "x" * 101, "\n"])
async def test_what_is_no_type_is_not_found(admin: Person, job_type: str) -> None:
    assert (await put(admin, job_type, "1"))[0] == 404
    assert await prices(admin) == FIRST


async def test_a_change_needs_a_reason(admin: Person) -> None:
    for reason in ("", "x" * 501, None):
        assert (await put(admin, "render", "1", reason=reason))[0] == 422
    status, _ = await admin.ask("PUT", f"{PRICES}/render", {"price": "1"})
    assert status == 422
    assert await prices(admin) == FIRST


@pytest.mark.parametrize(("role", "looks"), [("user", 403), ("operator", 403), ("auditor", 200)])
async def test_others_change_nothing(
    face: Face, database: PostgresEndpoint, role: str, looks: int
) -> None:
    person = await with_role(face, database.owner_dsn, role)
    assert (await person.ask("GET", PRICES))[0] == looks
    assert (await put(person, "render", "1"))[0] == 403
    assert (await ask(face, "PUT", f"{PRICES}/render", {"price": "1", "reason": "x"}))[0] == 401


async def test_the_history_is_read_page_by_page(admin: Person) -> None:
    for price in range(1, 6):
        await put(admin, "render", str(price))
    seen, before = list[str](), ""
    while True:
        _, page = await admin.ask("GET", f"{PRICES}?job_type=render&limit=4{before}")
        seen += [change["price"] for change in page["history"]]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert seen == [f"{price}.0000" for price in (5, 4, 3, 2, 1, 10)]


async def test_a_clock_that_is_behind_does_not_turn_the_history_around(
    admin: Person, database: PostgresEndpoint
) -> None:
    ahead = "INSERT INTO prices (job_type, units, since, changed_by, reason)"
    await execute(database.app_dsn, f"{ahead} VALUES ('render', 1, '2100-01-01', 'x', 'x')")
    _, changed = await put(admin, "render", "7")
    assert changed["since"].startswith("2100-01-01")
    assert (await prices(admin))["render"] == "7.0000"


# -- effect on jobs


async def test_a_job_keeps_the_price_that_it_was_submitted_under(
    gateways: list[Face], database: PostgresEndpoint
) -> None:
    admin = await with_role(gateways[0], database.owner_dsn, "admin")
    jane = await register(gateways[1])
    before = await submit(jane, "render")
    await put(admin, "render", "20")
    after = await submit(jane, "render")
    assert (before["price"], after["price"]) == ("10.0000", "20.0000")
    _, seen = await jane.ask("GET", f"{JOBS}/{before['id']}")
    assert seen["price"] == "10.0000"
    _, balance = await jane.ask("GET", "/api/v1/credits/balance")
    assert balance["held"] == "30.0000"
    assert (await jane.ask("POST", f"{JOBS}/{before['id']}/cancel"))[0] == 200
    _, balance = await jane.ask("GET", "/api/v1/credits/balance")
    assert balance["held"] == "20.0000"


async def test_the_same_order_again_costs_what_it_did(
    gateways: list[Face], database: PostgresEndpoint
) -> None:
    admin = await with_role(gateways[0], database.owner_dsn, "admin")
    jane = await register(gateways[1])
    key = {"Authorization": f"Bearer {jane.access}", "Idempotency-Key": "once"}
    body = {**ORDER, "job_type": "render"}
    _, first = await ask(gateways[0], "POST", f"{JOBS}/dispatch", body, key)
    await put(admin, "render", "20")
    _, again = await ask(gateways[1], "POST", f"{JOBS}/dispatch", body, key)
    assert first == again
    _, job = await jane.ask("GET", f"{JOBS}/{first['job_id']}")
    assert job["price"] == "10.0000"


@attrs.frozen
class Done:
    """A request with the times before and after it, and the job's id or the price's number."""

    begun: float
    ended: float
    what: Any


async def test_changes_that_race_with_orders_are_seen_at_once_by_every_gateway(
    gateways: list[Face], database: PostgresEndpoint
) -> None:
    """Each job's hold has a price that was valid during the job's request."""
    admin = await with_role(gateways[0], database.owner_dsn, "admin")
    people = [await register(gateways[n % 2], f"{n}@example.org") for n in range(4)]
    changes, orders = list[Done](), list[Done]()
    taken, over = asyncio.Event(), asyncio.Event()

    async def change() -> None:
        """Change the price, each time after an order was taken since the last change."""
        for number, face in zip(range(1, 25), itertools.cycle(gateways), strict=False):
            begun = time.monotonic()
            asker = attrs.evolve(admin, face=face)
            answer = await changed(asker, f"0.{number:04d}")
            changes.append(Done(begun, time.monotonic(), answer["number"]))
            taken.clear()
            await taken.wait()
        over.set()

    async def order(person: Person) -> None:
        while not over.is_set():
            begun = time.monotonic()
            status, answer = await ordered(person)
            assert status in (202, 402), answer
            if status == 202:
                orders.append(Done(begun, time.monotonic(), answer["job_id"]))
                taken.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(change())
        for person in people:
            group.create_task(order(person))
    async with connected(database.app_dsn) as connection:
        found = await connection.fetch(
            "SELECT j.id::text, j.price, j.price_number, p.units, h.amount, u.price AS of_unit "
            "FROM jobs j JOIN prices p ON p.number = j.price_number "
            "JOIN units u ON u.job_id = j.id JOIN holds h ON h.reference = 'job:' || j.id || ':0'"
        )
        assert await run_fsck(connection) == []
    numbers = {row["id"]: row["price_number"] for row in found}
    assert numbers.keys() == {done.what for done in orders}
    assert len(set(numbers.values())) > 1
    assert all(r["price"] == r["units"] == r["amount"] == r["of_unit"] for r in found)
    for done in orders:
        number = numbers[done.what]
        assert number >= max((c.what for c in changes if c.ended < done.begun), default=0)
        assert number <= max((c.what for c in changes if c.begun < done.ended), default=5)
