"""Paused jobs at a whole gateway: a node finishes the units it has and gets no more."""

import asyncio

from rendertrust.protocol import JobDispatch
from rendertrust.testing import FakeNode, completes
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.databases import findings
from tests.support.proof_readers import Person
from tests.support.until import until
from tests.support.whole_gateway import Whole

WITHIN = 120.0
ORDER = {"job_type": "render", "payload_ref": "s3://bucket/k.blend", "frames": "1-5"}


async def states(creator: Person, job: str) -> list[str]:
    _, page = await creator.answered("GET", f"/jobs/{job}/units")
    return [unit["state"] for unit in page["units"]]


async def test_units_that_were_not_sent_are_queued_again_and_cost_nothing(
    gateway: Whole, database: PostgresEndpoint, creator: Person
) -> None:
    may_end = asyncio.Event()

    async def waits(node: FakeNode, dispatch: JobDispatch) -> None:
        await may_end.wait()
        await completes()(node, dispatch)

    async with FakeNode(gateway.url, behave=waits) as node:
        status, placed = await creator.call("POST", "/jobs/dispatch", {**ORDER, "queue": True})
        assert status in (200, 202), placed
        job = placed["job_id"]
        await node.next(JobDispatch, within=WITHIN)

        async def is_backed() -> bool:
            return (await states(creator, job)).count("DISPATCHED") == 2

        await until(is_backed, within=WITHIN)
        status, paused = await creator.call("POST", f"/jobs/{job}/pause")
        assert (status, paused["status"]) == (200, "PAUSED")

        async def is_returned() -> bool:
            return await states(creator, job) == ["DISPATCHED", *4 * ["QUEUED"]]

        await until(is_returned, within=WITHIN)
        may_end.set()

        async def is_finished() -> bool:
            return (await states(creator, job))[0] == "COMPLETED"

        await until(is_finished, within=WITHIN)
        _, found = await creator.answered("GET", f"/jobs/{job}")
        assert (found["status"], found["done"], found["charged"]) == ("PAUSED", 1, "10.0000")
        assert sum(isinstance(frame, JobDispatch) for frame in node.received) == 1
        assert (await creator.call("POST", f"/jobs/{job}/resume"))[0] == 200

        async def is_over() -> bool:
            return await states(creator, job) == 5 * ["COMPLETED"]

        await until(is_over, within=WITHIN)
    _, found = await creator.answered("GET", f"/jobs/{job}")
    assert (found["status"], found["charged"]) == ("COMPLETED", "50.0000")
    assert await findings(database.owner_dsn) == []


async def test_to_go_on_at_the_cap_it_must_be_raised(gateway: Whole, creator: Person) -> None:
    async with FakeNode(gateway.url, behave=completes()):
        order = {**ORDER, "queue": True, "max_credits": "10"}
        status, placed = await creator.call("POST", "/jobs/dispatch", order)
        assert status in (200, 202), placed
        at = f"/jobs/{placed['job_id']}"

        async def is_at_cap() -> bool:
            _, found = await creator.answered("GET", at)
            return (found["status"], found["paused"], found["done"]) == ("PAUSED", "cap", 1)

        await until(is_at_cap, within=WITHIN)
        status, refused = await creator.call("POST", f"{at}/resume")
        assert status == 409
        assert "raise max_credits" in refused["detail"]
        assert await is_at_cap()
        status, raised = await creator.call("PATCH", at, {"max_credits": "15"})
        assert (status, raised["status"]) == (200, "PAUSED"), "the next unit costs 10"
        assert await is_at_cap()
        status, raised = await creator.call("PATCH", at, {"max_credits": "50"})
        assert status == 200, raised

        async def is_over() -> bool:
            return await states(creator, placed["job_id"]) == 5 * ["COMPLETED"]

        await until(is_over, within=WITHIN)
