"""Pools over the real Ledger and Scheduler: which nodes get whose jobs, and at what price."""

from typing import Any
from uuid import UUID

import pytest

from actors.ledger.effects import UnitComplete
from actors.ledger.messages import Posted
from sql.account_names import operator_account
from sql.database import Database
from sql.store import SqlStore
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import Person, register
from tests.integration.web.test_fleet import beat, node_of
from tests.support.http_gateway import Face, face_with, with_scheduler
from tests.support.until import until

Json = dict[str, Any]
ORDER = {"job_type": "inference", "payload_ref": "s3://bucket/input/scene.blend"}
DISPATCH = "/api/v1/jobs/dispatch"


face = face_with(with_scheduler)


@pytest.fixture
async def bob(face: Face) -> Person:
    return await register(face, "bob@example.org")


async def living(face: Face, owner: Person | None) -> str:
    node = await node_of(face, owner, "box", "inference")
    assert await beat(face, node) == 200
    return str(node["node_id"])


async def dispatched(person: Person, pool: str, **more: Any) -> tuple[int, Any]:
    """Submit a job to a pool, and ask a busy gateway again; return status and body."""

    async def answered() -> tuple[int, Any] | None:
        body = {**ORDER, "pool": pool, **more}
        status, found = await person.ask("POST", DISPATCH, body)
        return None if status == 503 else (status, found)

    found: tuple[int, Any] | None = await until(answered)
    assert found is not None
    return found


async def wait_until_goes_to(person: Person, pool: str, node: str) -> None:
    """Wait until jobs for this pool go to this node; the Scheduler first reads the changed
    membership.
    """

    async def given() -> bool:
        status, found = await dispatched(person, pool)
        return bool(status == 200 and found["node_id"] == node)

    await until(given)


async def test_who_took_his_node_back_gets_no_scene_of_others_any_more(
    face: Face, jane: Person, bob: Person
) -> None:
    """Even a submission right after the request that ends the loan does not reach the node."""
    node = await living(face, bob)
    _, made = await jane.ask("POST", "/api/v1/organisations", {"name": "Barn"})
    barn = f"/api/v1/organisations/{made['id']}"
    for _ in range(5):
        await jane.ask("POST", f"{barn}/members", {"email": bob.email, "role": "member"})
        await bob.ask("POST", f"{barn}/accept")
        assert (await bob.ask("PUT", f"{barn}/nodes/{node}"))[0] == 200
        assert (await dispatched(jane, "mine"))[1]["node_id"] == node
        assert (await bob.ask("DELETE", f"{barn}/nodes/{node}"))[0] == 200
        assert (await dispatched(jane, "mine"))[0] == 400
        assert (await bob.ask("PUT", f"{barn}/nodes/{node}"))[0] == 200
        assert (await jane.ask("DELETE", f"{barn}/members/{bob.id}"))[0] == 200
        assert (await dispatched(jane, "mine"))[0] == 400


async def held(person: Person) -> str:
    _, balance = await person.ask("GET", "/api/v1/credits/balance")
    return str(balance["held"])


async def test_a_job_on_ones_own_node_holds_charges_and_earns_nothing(
    face: Face, jane: Person, database: PostgresEndpoint
) -> None:
    node = await living(face, jane)
    await wait_until_goes_to(jane, "mine", node)
    _, page = await jane.ask("GET", "/api/v1/jobs")
    for job in page["jobs"]:
        assert (job["pool"], job["price"]) == ("mine", "0.0000")
    assert await held(jane) == "0.0000"
    done = UnitComplete(
        UUID(page["jobs"][0]["id"]),
        0,
        1,
        UUID(node),
        result_ref=None,
        verified=True,
        operator=operator_account(UUID(jane.id)),
    )
    outcome = await face.do(done)
    assert isinstance(outcome, Posted)
    _, job = await jane.ask("GET", f"/api/v1/jobs/{page['jobs'][0]['id']}")
    assert (job["status"], job["charged"]) == ("COMPLETED", "0.0000")
    _, earned = await jane.ask("GET", "/api/v1/operators/me/earnings")
    assert earned["earnings"] == []
    pool = Database(lambda: database.app_dsn)
    assert list(await SqlStore(pool).audit()) == []
    await pool.close()


async def test_a_job_of_many_frames_on_ones_own_nodes_needs_no_credits(jane: Person) -> None:
    body: Json = {"frames": "1-500", "queue": True}
    status, placed = await dispatched(jane, "any", **body)
    assert status == 402, placed
    status, placed = await dispatched(jane, "mine", max_credits="0.0001", **body)
    assert (status, placed["status"]) == (202, "QUEUED")
    assert await held(jane) == "0.0000"


async def test_a_retry_stays_in_its_pool_and_costs_what_that_does(jane: Person) -> None:
    _, placed = await dispatched(jane, "mine", queue=True)
    job = f"/api/v1/jobs/{placed['job_id']}"
    assert (await jane.ask("POST", f"{job}/cancel"))[0] == 200

    async def again() -> str | None:
        status, found = await jane.ask("POST", f"{job}/retry")
        return None if status == 503 else str(found["job_id"])

    _, row = await jane.ask("GET", f"/api/v1/jobs/{await until(again, within=60)}")
    assert (row["pool"], row["price"]) == ("mine", "0.0000")
    assert await held(jane) == "0.0000"


async def test_what_is_mine_goes_to_nobody_elses_node(face: Face, jane: Person) -> None:
    await living(face, None)
    status, refused = await dispatched(jane, "mine")
    assert (status, refused["detail"]) == (400, "No healthy nodes with matching capability")
    status, placed = await dispatched(jane, "mine", queue=True)
    assert (status, placed["node_id"]) == (202, None)
    assert (await dispatched(jane, "any"))[0] == 200


async def test_the_trusted_are_whom_the_creator_named(
    face: Face, jane: Person, bob: Person
) -> None:
    node = await living(face, bob)
    assert (await dispatched(jane, "trusted"))[0] == 400
    status, _ = await jane.ask("POST", "/api/v1/trusted", {"email": "BOB@example.org"})
    assert status == 200
    await wait_until_goes_to(jane, "trusted", node)
    assert await held(jane) != "0.0000"  # the job costs credits on another user's machine
    status, found = await jane.ask("GET", "/api/v1/trusted")
    (entry,) = found["trusted"]
    assert entry["email"] == bob.email
    assert (await jane.ask("DELETE", f"/api/v1/trusted/{entry['user_id']}"))[0] == 200

    async def refused() -> bool:
        return (await dispatched(jane, "trusted"))[0] == 400

    await until(refused)
    assert (await jane.ask("DELETE", f"/api/v1/trusted/{entry['user_id']}"))[0] == 404
    assert (await jane.ask("POST", "/api/v1/trusted", {"email": jane.email}))[0] == 409


async def test_a_node_that_is_lent_is_every_members(face: Face, jane: Person, bob: Person) -> None:
    node = await living(face, bob)
    _, made = await jane.ask("POST", "/api/v1/organisations", {"name": "Barn"})
    barn = f"/api/v1/organisations/{made['id']}"
    assert (await jane.ask("POST", f"{barn}/members", {"email": bob.email}))[0] == 200
    # Bob has not accepted the membership yet
    assert (await bob.ask("PUT", f"{barn}/nodes/{node}"))[0] == 404
    assert (await bob.ask("POST", f"{barn}/accept"))[0] == 200
    assert (await dispatched(jane, "mine"))[0] == 400
    assert (await bob.ask("PUT", f"{barn}/nodes/{node}"))[0] == 200
    await wait_until_goes_to(jane, "mine", node)
    assert await held(jane) == "0.0000"
    status, whole = await jane.ask("GET", barn)
    assert (status, [lent["node_id"] for lent in whole["nodes"]]) == (200, [node])
    assert (await bob.ask("DELETE", f"{barn}/members/{bob.id}"))[0] == 200

    async def refused() -> bool:
        return (await dispatched(jane, "mine"))[0] == 400

    await until(refused)
    assert (await jane.ask("GET", barn))[1]["nodes"] == []


async def test_what_a_job_needs_of_a_node_is_kept_to(face: Face, jane: Person) -> None:
    await living(face, jane)  # this node reported no resources
    for needs in ({"device": "gpu"}, {"blender": "5.2"}, {"memory": 1 << 33}):
        assert (await dispatched(jane, "any", needs=needs))[0] == 400
    for needs in ({"device": "tpu"}, {"blender": "five"}, {"memory": 0}):
        assert (await dispatched(jane, "any", needs=needs))[0] == 422
    assert (await dispatched(jane, "any", needs={}))[0] == 200
    assert (await dispatched(jane, "everybody"))[0] == 422
