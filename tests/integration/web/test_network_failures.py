"""A unit that fails by the network is retried three times and then becomes a dead letter."""

from contextlib import AsyncExitStack

import attrs

from rendertrust.protocol import JobDispatch, JobResult
from rendertrust.testing import Behaviour, FakeNode, hangs
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.attempts import attempt_of
from tests.support.databases import fetch
from tests.support.proof_readers import Person
from tests.support.until import until
from tests.support.whole_gateway import Whole

WITHIN = 120.0
ORDER = {"job_type": "render", "payload_ref": "s3://bucket/k.blend", "queue": True}


def breaks_off(given_back: bool | None = None) -> Behaviour:
    async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
        await hangs(0.1)(node, dispatch)
        ended = JobResult(
            **attempt_of(dispatch),
            status="failed",
            failure="network",
            error="scene.blend could not be fetched",
        )
        await node.send(attrs.evolve(ended, given_back=given_back))

    return behave


async def tried(nodes: list[FakeNode], times: int) -> None:
    """Wait until these nodes were given the unit ``times`` times."""

    def given() -> int:
        return sum(isinstance(frame, JobDispatch) for node in nodes for frame in node.received)

    await until(lambda: given() >= times, within=WITHIN)


async def test_the_fourth_failure_is_the_last(gateway: Whole, creator: Person) -> None:
    async with AsyncExitStack() as stack:
        nodes = [FakeNode(gateway.url, behave=breaks_off()) for _ in range(5)]
        for node in nodes:
            await stack.enter_async_context(node)
        status, placed = await creator.call("POST", "/jobs/dispatch", ORDER)
        assert status in (200, 202), placed
        at = f"/jobs/{placed['job_id']}"

        async def is_over() -> bool:
            _, found = await creator.answered("GET", at)
            return bool(found["status"] == "FAILED")

        await until(is_over, within=WITHIN)
        _, found = await creator.answered("GET", at)
        assert (found["retry_count"], found["charged"]) == (3, "0.0000")
        assert "could not be fetched" in found["error_message"]
        await tried(nodes, 4)
        _, balance = await creator.answered("GET", "/credits/balance")
        assert (balance["balance"], balance["held"]) == ("100.0000", "0.0000")


async def test_what_is_given_back_by_more_nodes_waits_for_the_next(
    database: PostgresEndpoint, gateway: Whole, creator: Person
) -> None:
    async with AsyncExitStack() as stack:
        nodes = [FakeNode(gateway.url, behave=breaks_off(given_back=True)) for _ in range(5)]
        for node in nodes:
            await stack.enter_async_context(node)
        status, placed = await creator.call("POST", "/jobs/dispatch", ORDER)
        assert status in (200, 202), placed
        await tried(nodes, 5)
        _, found = await creator.answered("GET", f"/jobs/{placed['job_id']}")
        assert found["status"] not in ("FAILED", "COMPLETED")
        codes = await fetch(database.owner_dsn, "SELECT DISTINCT error_code FROM attempts")
        assert [code for (code,) in codes] == ["given_back"]
