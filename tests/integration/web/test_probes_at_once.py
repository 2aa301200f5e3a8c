"""Expensive anonymous requests are computed once a second and answered from that result."""

import asyncio

import pytest

from tests.support.http_gateway import Face
from web.process import response_cache


@pytest.fixture
def asked(face: Face, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record each probe of the database and each reading of the figures.

    The gateway caches each response for longer than 40 requests take on a slow machine.
    """
    monkeypatch.setattr(response_cache, "SECONDS", 3600.0)
    found: list[str] = []
    probe, show = face.gateway.monitoring.probes["database"], face.gateway.monitoring.figures.show

    async def probed() -> bool:
        found.append("database")
        return await probe()

    async def shown(tree: object) -> None:
        found.append("figures")
        await show(tree)  # type: ignore[arg-type]

    monkeypatch.setitem(face.gateway.monitoring.probes, "database", probed)
    monkeypatch.setattr(face.gateway.monitoring.figures, "show", shown)
    return found


async def test_readiness_is_asked_once_for_all_who_ask_at_once(
    face: Face, asked: list[str]
) -> None:
    async def ready() -> object:
        async with face.client.get("/api/v1/health/ready") as answer:
            assert answer.status == 200
            return await answer.json()

    found = await asyncio.gather(*(ready() for _ in range(40)))
    assert all(each == found[0] for each in found)
    assert len(asked) == 1


async def test_metrics_are_written_once_for_all_who_ask_at_once(
    face: Face, asked: list[str]
) -> None:
    async def text() -> str:
        async with face.client.get("/metrics") as answer:
            assert (answer.status, answer.content_type) == (200, "text/plain")
            return await answer.text()

    found = await asyncio.gather(*(text() for _ in range(40)))
    assert "rendertrust_jobs" in found[0]
    assert all(each == found[0] for each in found)
    assert asked.count("figures") == 1
