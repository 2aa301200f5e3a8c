"""Iteration over lists: each element comes once, by as many pages as needed."""

import pytest

from rendertrust.client import AsyncClient
from tests.integration.client.double import GatewayDouble


def pages(gateway: GatewayDouble) -> int:
    return gateway.seen["GET /api/v1/jobs"]


@pytest.mark.parametrize("cursors", [True, False], ids=["cursors", "offsets"])
@pytest.mark.parametrize("count", [0, 1, 100, 250])
async def test_each_element_comes_once(
    gateway: GatewayDouble, client: AsyncClient, count: int, cursors: bool
) -> None:
    gateway.cursors = cursors
    jobs = [gateway.add_job() for _ in range(count)]
    assert [job.id async for job in client.each_job()] == jobs[::-1]
    assert pages(gateway) == max(-(-count // 100), 1)


@pytest.mark.parametrize("cursors", [True, False], ids=["cursors", "offsets"])
async def test_what_comes_in_meanwhile_shifts_nothing(
    gateway: GatewayDouble, client: AsyncClient, cursors: bool
) -> None:
    gateway.cursors = cursors
    jobs = [gateway.add_job() for _ in range(150)]
    found = []
    async for job in client.each_job():
        found.append(job.id)
        if len(found) == 50:
            gateway.add_job()
    assert found == jobs[::-1]


async def test_a_page_is_asked_for_when_it_is_needed(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    for _ in range(250):
        gateway.add_job()
    walk = client.each_job()
    await anext(walk)
    assert pages(gateway) == 1


async def test_a_filter_holds_for_each_page(gateway: GatewayDouble, client: AsyncClient) -> None:
    for number in range(220):
        gateway.add_job("FAILED" if number % 2 else "COMPLETED")
    found = [job.status async for job in client.each_job("FAILED")]
    assert found == ["FAILED"] * 110
