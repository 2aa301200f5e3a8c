"""Events in the client: each event arrives once and in order, whatever happens to connections."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
import pytest
from aiohttp import web

from rendertrust.api.events import AttemptLog
from rendertrust.cli import exit_codes
from rendertrust.cli.job_log import heading
from rendertrust.client import (
    AsyncClient,
    BadAnswer,
    Client,
    NotFound,
    event_follower,
)
from rendertrust.client.errors import NoAnswer
from tests.integration.client.conftest import FAST, GOOD, Program, client_of
from tests.integration.client.double import NODE, NOW, GatewayDouble, hang_up, problem

JOB = str(uuid4())
ROUTE = f"GET /api/v1/jobs/{JOB}/events"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def event(number: int, type_: str = "unit.running", **more: Any) -> dict[str, Any]:
    found = {"number": number, "type": type_, "at": NOW, "job_id": JOB, "unit": 0, "attempt": 1}
    return {**found, "node_id": NODE, "money": None, "amount": None, "new": 1, **more}


def frame(told: dict[str, Any]) -> bytes:
    number, data = told["number"], orjson.dumps(told).decode()
    return f"id: {number}\nevent: {told['type']}\ndata: {data}\n\n".encode()


END = b'event: end\ndata: {"job_id": "x", "status": "COMPLETED"}\n\n'
PROGRESS = (
    b"event: unit.progress\ndata: "
    + orjson.dumps({"job_id": JOB, "unit": 0, "attempt": 1, "progress": 0.5})
    + b"\n\n"
)


def streams(asked: list[str], *parts: bytes) -> Answer:
    """Return a scripted answer: a stream of these parts that ends without an end event."""

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.headers["Accept"] == "text/event-stream"
        asked.append(request.headers["Last-Event-ID"])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for part in parts:
            await response.write(part)
        return response

    return answer


async def test_each_event_comes_once_over_several_connections(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    asked = list[str]()
    gateway.script(
        ROUTE,
        streams(asked, b": ping\n\n", frame(event(1)), frame(event(2))[:20]),
        hang_up,
        lambda _: problem(503, "starting", retry_after=0),
        streams(asked, frame(event(1)), frame(event(2)), PROGRESS, frame(event(3))),
        streams(asked, frame(event(4, "job.completed")), END),
    )
    found = [told.number async for told in client.events(JOB)]
    assert found == [1, 2, 3, 4]
    assert asked == ["0", "1", "3"]


async def test_one_may_begin_later_and_be_told_how_far_units_are(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    asked = list[str]()
    gateway.script(ROUTE, streams(asked, PROGRESS, frame(event(8)), END))
    found = [told async for told in client.events(JOB, after=7, progress=True)]
    assert [(told.number, told.progress) for told in found] == [(None, 0.5), (8, None)]
    assert asked == ["7"]


async def test_where_all_was_told_before_there_is_nothing(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    gateway.script(ROUTE, lambda _: web.Response(status=204))
    assert [told async for told in client.events(JOB, after=9)] == []


async def test_a_login_that_ran_out_meanwhile_is_renewed(
    gateway: GatewayDouble, client: AsyncClient
) -> None:
    asked = list[str]()
    gateway.script(
        ROUTE,
        streams(asked, frame(event(1))),
        lambda _: problem(401, "Invalid or expired token"),
        streams(asked, frame(event(2)), END),
    )
    assert [told.number async for told in client.events(JOB)] == [1, 2]
    assert gateway.seen["POST /api/v1/auth/refresh"] == 1


async def test_what_hinders_for_too_long_and_what_is_no_stream_is_raised(
    gateway: GatewayDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_follower, "OUTAGE_SECONDS_MAX", 0.0)
    gateway.script(ROUTE, *[hang_up] * 9)
    async with client_of(gateway) as client:
        with pytest.raises(NoAnswer):
            _ = [told async for told in client.events(JOB)]
    gateway.scripted.clear()
    gateway.script(ROUTE, lambda _: problem(404, "Job not found"))
    async with client_of(gateway) as client:
        with pytest.raises(NotFound):
            _ = [told async for told in client.events(JOB)]
    gateway.script(ROUTE, streams([], b"id: 1\nevent: job.queued\ndata: nonsense\n\n"))
    async with client_of(gateway) as client:
        with pytest.raises(BadAnswer):
            _ = [told async for told in client.events(JOB)]


async def test_without_asyncio_it_is_the_same(gateway: GatewayDouble) -> None:
    gateway.script(ROUTE, streams([], frame(event(1)), frame(event(2)), END))

    def work() -> list[int | None]:
        with Client(gateway.url, tokens=GOOD, retries=FAST) as client:
            return [told.number for told in client.events(JOB)]

    assert await asyncio.to_thread(work) == [1, 2]


async def test_the_program_prints_what_happened_and_follows(
    gateway: GatewayDouble, jane: Program
) -> None:
    charged = event(2, "unit.completed", money="charged", amount="5.0000")
    page = {"events": [event(1), charged], "next": None, "ended": False}
    gateway.script(ROUTE, lambda _: web.json_response(page))
    done = await jane.run("jobs", "events", JOB)
    assert done.code == 0, done
    assert "charged 5" in done.out
    failed = event(3, "unit.failed", error_class="scene", error="no \x1b[31mcamera")
    gateway.script(ROUTE, streams([], frame(event(1)), frame(failed), END))
    done = await jane.run("--json", "jobs", "events", JOB, "--follow")
    assert done.code == 0, done
    assert [line["number"] for line in done.lines] == [1, 3]
    gateway.script(ROUTE, streams([], frame(failed), END))
    done = await jane.run("jobs", "events", JOB, "--follow")
    assert "\x1b" not in done.out
    assert "scene: no" in done.out


async def test_the_program_prints_what_nodes_said_of_a_frame(
    gateway: GatewayDouble, jane: Program
) -> None:
    job = gateway.add_job("FAILED", units=3)
    gateway.add_units(job, *["FAILED"] * 3)
    said = {
        "unit": 2,
        "frames": "3",
        "attempt": 1,
        "node_id": "8c6f1d2e-7b3a-4f95-b1c0-2e9d4a6b8f10",
        "ended_at": "2026-03-13T12:04:12Z",
        "error_class": "scene",
        "error": "no camera",
        "lines": ["Read blend", "\x1b[31mno camera"],
    }
    asked: list[str | None] = []

    def answer(request: web.Request) -> web.Response:
        asked.append(request.query.get("unit"))
        return web.json_response({"attempts": [said]})

    for _ in range(2):
        gateway.script(f"GET /api/v1/jobs/{job}/log", answer)
    done = await jane.run("jobs", "log", job, "--frame", "3", "--follow")
    assert done.code == 0, done
    heading = "unit 2 (frame 3), attempt 1, node 8c6f1d2e: failed (scene): no camera"
    first, *lines = done.out.splitlines()
    assert first == heading
    assert [line.strip()[:10] for line in lines] == [
        "Read blend",
        "\N{REPLACEMENT CHARACTER}[31mno ca",
    ]
    done = await jane.run("--json", "jobs", "log", job)
    assert done.lines[0]["lines"] == said["lines"]
    assert asked == ["2", None]
    done = await jane.run("jobs", "log", job, "--unit", "9")
    assert (done.code, "has no unit 9" in done.err) == (exit_codes.NOT_FOUND, True), done


def test_what_came_well_is_said_to_have() -> None:
    at = datetime(2026, 3, 13, tzinfo=UTC)
    said = AttemptLog(2, "3", 1, None, at, None, None, ("Saved",), completed=True)
    assert heading(said) == "unit 2 (frame 3), attempt 1: completed"
