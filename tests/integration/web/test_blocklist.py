"""A whole gateway does not give a job again to a node that failed it."""

import aiohttp

from rendertrust.protocol import JobDispatch
from rendertrust.testing import FakeNode, fails
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.test_preflights import sent, somebody, telling
from tests.support.api_clients import Creator
from tests.support.http_gateway import settings_for_tests
from tests.support.until import until
from tests.support.whole_gateway import whole

JOBS = 4  # several jobs, because in only some of them the blocklist is read between two placements


async def test_a_node_that_fails_a_frame_is_not_given_the_others_of_its_job(
    database: PostgresEndpoint, http: aiohttp.ClientSession
) -> None:
    async with whole(database, settings_for_tests(), require_object=True) as gateway:
        jane = await somebody(gateway, http, "jane")
        scene, done = await sent(gateway, jane), telling(gateway, b"a frame")

        async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
            await until(lambda: has_failed(jane, dispatch.job_id))
            await done(node, dispatch)

        for _ in range(JOBS):
            async with (
                FakeNode(gateway.url, name="broken", behave=fails("node", "broken")) as broken,
                FakeNode(gateway.url, name="well", behave=behave),
            ):
                body = {"job_type": "echo", "payload_ref": scene, "frames": "1-12", "queue": True}
                status, placed = await jane.call("POST", "/jobs/dispatch", body)
                assert status in (200, 202), placed
                await jane.job_within(placed["job_id"], "COMPLETED")
                given = [frame for frame in broken.received if isinstance(frame, JobDispatch)]
                # The failed unit, and those that the node got before the failure was booked.
                assert len(given) <= 4, [frame.unit for frame in given]


async def has_failed(person: Creator, job: str) -> bool:
    """Return True if an attempt at one of the job's units failed."""
    _, found = await person.call("GET", f"/jobs/{job}/log")
    return any(one["error_class"] for one in found["attempts"])
