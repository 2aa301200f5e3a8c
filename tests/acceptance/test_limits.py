"""Tests of rate limits at a real gateway."""

import aiohttp

from tests.support.api_clients import Creator
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import gateway_with
from tests.support.until import until

NARROW = {
    "RENDERTRUST_LIMITS_LOGIN": "5",
    "RENDERTRUST_LIMITS_OBJECT": "3",
    "RENDERTRUST_LIMITS_SOCKET": "3",
    "RENDERTRUST_LIMITS_OPEN_JOBS": "3",
    "RENDERTRUST_LIMITS_OPEN_KINDS": "1",
    "RENDERTRUST_LIMITS_SHARED": "true",
}


gateway = gateway_with(NARROW)


async def test_a_user_has_so_many_jobs_open(gateway: Gateway, creator: Creator) -> None:
    jobs = []
    for _ in range(3):
        status, job = await creator.dispatch(queue=True)
        assert status == 202, job
        jobs.append(job["job_id"])
        if len(jobs) == 1:
            status, refused = await creator.dispatch("inference", queue=True)
            assert status == 429
            assert "1 different kinds" in refused["detail"]
    status, refused = await creator.dispatch(queue=True)
    assert status == 429
    assert "3 open jobs" in refused["detail"]
    status, _ = await creator.call("POST", f"/jobs/{jobs[0]}/cancel")
    assert status == 200
    status, job = await creator.dispatch(queue=True)
    assert status == 202, job


async def test_counts_are_shared_and_outlive_a_restart(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    wrong = {"email": "nobody@example.org", "password": "a long password"}
    url = f"{gateway.url}/api/v1/auth/login"

    async def counted() -> tuple[int, int, int] | None:
        """Return status, remaining requests and seconds until the reset; None if Valkey was too
        slow.
        """
        async with http.post(url, json=wrong) as answer:
            if answer.status == 503:
                return None
            left, reset = (answer.headers[f"RateLimit-{name}"] for name in ("Remaining", "Reset"))
            return answer.status, int(left), int(reset)

    before = await until(counted)
    assert before is not None
    assert 0 < before[1] < 5
    await gateway.restart()
    after = await until(counted)
    assert after is not None
    assert after[1] < before[1]
    assert 1 <= after[2] <= 61

    async def is_over() -> bool:
        status, *_ = await counted() or (0,)
        return status == 429

    await until(is_over)


async def test_the_relay_and_the_objects_are_limited_too(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    relay = "/api/v1/relay/ws/5b0e8400-e29b-41d4-a716-446655440000"
    for path in (relay, "/rendertrust/nothing"):

        async def is_refused(url: str = gateway.url + path) -> bool:
            async with http.get(url) as answer:
                return answer.status == 429

        assert not any([await is_refused() for _ in range(3)]), path
        # Valkey may have been too slow to count one of the three requests with the others.
        await until(is_refused)
