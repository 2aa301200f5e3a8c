"""Events of a job for its owner: by page, and as a live stream."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import orjson
import pytest

from actors.event_hub.messages import EventHub, HintReceived, UnitProgress
from actors.ledger.effects import JobStop, UnitAssign, UnitComplete, UnitFail, UnitRetry, UnitStart
from actors.sweeper.messages import SweepDue
from rendertrust.protocol import JobDispatch, JobResult, JobStatus
from rendertrust.testing import FakeNode
from sql.database import Database
from supervisors.engines.postgres import PostgresEndpoint
from tests.faults.place import of_postgres, postgres_by
from tests.faults.proxy import Proxy
from tests.integration.conformance.stage import dispatch
from tests.integration.web.accounts import Person, register
from tests.integration.web.earners import do, verified_node
from tests.integration.web.test_sweeper import sweeping
from tests.support.api_clients import Creator
from tests.support.attempts import attempt_of
from tests.support.databases import execute
from tests.support.event_audit import untold
from tests.support.http_gateway import (
    face_over,
    face_with,
    serving,
    settings_for_tests,
    with_ledger,
)
from tests.support.until import until
from tests.support.whole_gateway import whole
from web.money.ledger_client import commit

Json = dict[str, Any]
SSE = {"Accept": "text/event-stream"}
SOON = 60.0


face = face_with(with_ledger)


async def job_of(person: Person, *, price: int = 50_000, units: int = 1) -> UUID:
    """Create a waiting job, and return its id."""
    job = uuid4()
    await commit(person.face.gateway, dispatch(UUID(person.id), job, price, units))
    return job


async def told(person: Person, job: UUID, query: str = "") -> list[tuple[Any, ...]]:
    """Return number, type, unit, money kind and amount of a job's events."""
    status, page = await person.ask("GET", f"/api/v1/jobs/{job}/events{query}")
    assert status == 200, page
    return [(e["number"], e["type"], e["unit"], e["money"], e["amount"]) for e in page["events"]]


async def play_life(person: Person) -> UUID:
    """Create a job of two units: one completes at its second attempt, the other fails."""
    face, node = person.face, await verified_node(person.face, None)
    job = await job_of(person, units=2)
    await do(face, UnitAssign(job, 0, 1, node))
    await do(
        face, UnitFail(job, 0, 1, node, "network", "gone", retry_at=face.gateway.ports.clock.now())
    )
    await do(face, UnitAssign(job, 0, 2, node))
    await do(face, UnitStart(job, 0, 2, node))
    await do(face, UnitComplete(job, 0, 2, node, "x"))
    await do(face, UnitAssign(job, 1, 1, node))
    await do(face, UnitFail(job, 1, 1, node, "scene", "no camera"))
    return job


LIFE = [
    (1, "job.queued", None, "held", "10.0000"),
    (2, "unit.assigned", 0, None, None),
    (3, "job.dispatched", None, None, None),
    (4, "unit.retried", 0, None, None),
    (5, "unit.assigned", 0, None, None),
    (6, "unit.running", 0, None, None),
    (7, "job.running", None, None, None),
    (8, "unit.completed", 0, "charged", "5.0000"),
    (9, "unit.assigned", 1, None, None),
    (10, "unit.failed", 1, "released", "5.0000"),
    (11, "job.failed", None, None, None),
]


async def test_the_whole_life_of_a_job_is_told_in_its_order(jane: Person) -> None:
    job = await play_life(jane)
    assert await told(jane, job) == LIFE
    _, page = await jane.ask("GET", f"/api/v1/jobs/{job}/events?limit=4")
    assert (len(page["events"]), page["next"], page["ended"]) == (4, 4, True)
    retried = page["events"][3]
    assert (retried["attempt"], retried["error_class"], retried["error"]) == (1, "network", "gone")
    assert retried["error_code"] == "reported"
    assert await told(jane, job, "?after=4&limit=100") == LIFE[4:]
    status, page = await jane.ask("GET", f"/api/v1/jobs/{job}/events?after=11")
    assert (status, page) == (200, {"events": [], "next": None, "ended": True})
    status, refused = await jane.ask("GET", f"/api/v1/jobs/{job}/events?after=12")
    assert (status, "start again" in refused["detail"]) == (409, True)
    headers = {**SSE, "Authorization": f"Bearer {jane.access}", "Last-Event-ID": "12"}
    async with jane.face.client.get(f"/api/v1/jobs/{job}/events", headers=headers) as answer:
        assert answer.status == 409


async def test_what_is_tried_again_is_held_anew_and_what_is_stopped_given_back(
    jane: Person,
) -> None:
    job, user = await play_life(jane), UUID(jane.id)
    await do(jane.face, UnitRetry(job, 1, user))
    await do(jane.face, JobStop(job, user))
    assert await told(jane, job, "?after=11") == [
        (12, "unit.retried", 1, "held", "5.0000"),
        (13, "job.running", None, None, None),
        (14, "unit.cancelled", 1, "released", "5.0000"),
        (15, "job.cancelled", None, None, None),
    ]
    async with jane.face.gateway.database.connection() as connection:
        assert await untold(connection) == {}


async def test_each_end_of_a_job_is_told_once_and_says_the_how_manyth_it_is(jane: Person) -> None:
    face, job, user = jane.face, await play_life(jane), UUID(jane.id)
    node = await verified_node(face, None)
    await do(face, UnitRetry(job, 1, user))
    await do(face, UnitAssign(job, 1, 2, node))
    await do(face, UnitFail(job, 1, 2, node, "scene", "no camera"))
    await do(face, UnitRetry(job, 1, user))
    await do(face, UnitAssign(job, 1, 3, node))
    await do(face, UnitStart(job, 1, 3, node))
    await do(face, UnitComplete(job, 1, 3, node, "x"))
    _, page = await jane.ask("GET", f"/api/v1/jobs/{job}/events?limit=100")
    of_job = [(e["type"], e["attempt"]) for e in page["events"] if e["unit"] is None]
    assert of_job == [
        ("job.queued", None),
        ("job.dispatched", None),
        ("job.running", None),
        ("job.failed", 1),
        ("job.running", None),
        ("job.failed", 2),
        ("job.running", None),
        ("job.completed", 3),
    ]


async def test_only_its_owner_is_told(jane: Person) -> None:
    job, bob = await job_of(jane), await register(jane.face, "bob@example.org")
    for path in (f"/api/v1/jobs/{job}/events", f"/api/v1/jobs/{uuid4()}/events"):
        for more in ({}, SSE):
            headers = {**more, "Authorization": f"Bearer {bob.access}"}
            async with jane.face.client.get(path, headers=headers) as answer:
                assert answer.status == 404


async def test_old_events_are_removed_but_the_last(
    jane: Person, database: PostgresEndpoint
) -> None:
    old, young = await play_life(jane), await play_life(jane)
    await execute(
        database.owner_dsn,
        f"UPDATE jobs SET completed_at = now() - interval '31 days' WHERE id = '{old}'",
    )
    async with sweeping(jane.face) as sweeper:
        await sweeper.ask(SweepDue(), within=SOON)
    assert await told(jane, old) == LIFE[-1:]
    assert await told(jane, young) == LIFE
    await do(jane.face, UnitRetry(old, 1, UUID(jane.id)))
    assert (await told(jane, old))[1] == (12, "unit.retried", 1, "held", "5.0000")


# -- streams


class Reader:
    """Reader of the events of one stream."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self.last: str | None = None

    async def next(self) -> tuple[str, Json]:
        """Return the next event's name and data, or ('', {}) at the end; skip comments."""
        name, data = "", {}
        while line := (await self._answer.content.readline()).decode():
            word, _, rest = line.rstrip("\n").partition(": ")
            if word == "event":
                name = rest
            elif word == "data":
                data = orjson.loads(rest)
            elif word == "id":
                self.last = rest
            elif not word and name:
                return name, data
        return "", {}

    async def until(self, wanted: str) -> list[str]:
        """Read up to the event with this name, and return the names read."""
        names = list[str]()
        while not names or names[-1] != wanted:
            name, _ = await self.next()
            assert name, f"ended after {names}"
            names.append(name)
        return names


@asynccontextmanager
async def following(
    http: Any, url: str, token: str, last: str | None = None
) -> AsyncGenerator[Reader]:
    headers = {**SSE, "Authorization": f"Bearer {token}"}
    if last is not None:
        headers["Last-Event-ID"] = last
    async with http.get(url, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield Reader(answer)


async def test_a_stream_tells_what_was_and_what_comes_and_ends_with_the_job(jane: Person) -> None:
    face, node, job = jane.face, await verified_node(jane.face, None), await job_of(jane)
    url = f"/api/v1/jobs/{job}/events"
    async with following(face.client, url, jane.access) as reader:
        assert await reader.until("job.queued") == ["job.queued"]
        # no hint is sent, so the stream finds the event by polling
        await do(face, UnitAssign(job, 0, 1, node))
        assert await reader.until("job.dispatched") == ["unit.assigned", "job.dispatched"]
        assert reader.last == "3"
    await do(face, UnitStart(job, 0, 1, node))
    async with following(face.client, url, jane.access, reader.last) as reader:
        assert await reader.until("job.running") == ["unit.running", "job.running"]
        await do(face, UnitComplete(job, 0, 1, node, "x"))
        assert await reader.until("job.completed") == ["unit.completed", "job.completed"]
        assert await reader.next() == ("end", {"job_id": str(job), "status": "COMPLETED"})
        assert await reader.next() == ("", {})
    headers = {**SSE, "Authorization": f"Bearer {jane.access}", "Last-Event-ID": "7"}
    async with face.client.get(url, headers=headers) as answer:
        assert answer.status == 204  # tells browsers not to reconnect
    for wrong in ("x", "-1", "9" * 20, "1.0"):
        async with face.client.get(url, headers={**headers, "Last-Event-ID": wrong}) as answer:
            assert answer.status == 422, wrong


async def test_a_user_has_so_many_streams_and_those_that_ended_do_not_count(
    database: PostgresEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The gateway notices that a reader has left when it cannot send the next ping.
    monkeypatch.setattr("web.events.event_stream.PING_SECONDS", 0.1)
    async with face_over(database, with_ledger, events={"streams": 1}) as face:
        jane = await register(face)
        url = f"/api/v1/jobs/{await job_of(jane)}/events"
        async with following(face.client, url, jane.access):
            headers = {**SSE, "Authorization": f"Bearer {jane.access}"}
            async with face.client.get(url, headers=headers) as answer:
                assert answer.status == 429

        async def again() -> bool:
            async with face.client.get(url, headers=headers) as answer:
                return bool(answer.status == 200)

        assert await until(again)


async def test_a_stream_ends_when_its_login_does(jane: Person) -> None:
    url = f"/api/v1/jobs/{await job_of(jane)}/events"
    async with following(jane.face.client, url, jane.access) as reader:
        await reader.until("job.queued")
        headers = {"Authorization": f"Bearer {jane.access}"}
        async with jane.face.client.post("/api/v1/auth/logout", headers=headers) as answer:
            assert answer.status < 300
        assert await reader.next() == ("", {})


@pytest.mark.usual_deadlines
async def test_a_stream_ends_while_it_is_unknown_whether_its_login_was_revoked(
    database: PostgresEndpoint,
) -> None:
    """A request would be refused too; the stream sends nothing more, not even progress, which needs
    no query.
    """
    proxy = Proxy(of_postgres(database.app_dsn))
    pool = Database(lambda: postgres_by(proxy, database.app_dsn))
    async with proxy, serving(pool, settings_for_tests(), with_ledger(pool)) as face:
        jane = await register(face)
        job = await job_of(jane)
        async with following(face.client, f"/api/v1/jobs/{job}/events", jane.access) as reader:
            await reader.until("job.queued")
            await proxy.down()
            await until(lambda: not face.gateway.identity.revocations.is_fresh, within=SOON)
            far = ((job, UnitProgress(0, 1, 0.5)),)
            face.gateway.registry.ref(EventHub).tell(HintReceived(progress=far))
            assert await reader.next() == ("", {})
        assert (await jane.ask("GET", f"/api/v1/jobs/{job}/events"))[0] == 503
    await pool.close()


async def step_by_step(node: FakeNode, dispatch: JobDispatch) -> None:
    """Report a progress of one half; the test completes the unit."""
    await node.send(JobStatus(**attempt_of(dispatch), progress=0.5))


async def test_whoever_follows_at_another_gateway_is_told_the_same(
    database: PostgresEndpoint,
) -> None:
    """The gateways have separate buses, so the other gateway finds the events by polling."""
    settings = settings_for_tests(credits={"starter": "100"})
    async with (
        whole(database, settings) as one,
        whole(database, settings) as other,
        aiohttp.ClientSession() as http,
        FakeNode(one.url, behave=step_by_step) as node,
    ):
        jane = Creator(http, one.url, "jane@example.org")
        await jane.register()
        status, placed = await jane.dispatch("render")
        assert status == 200, placed
        path = f"/api/v1/jobs/{placed['job_id']}/events"
        async with (
            following(http, one.url + path, jane.token) as here,
            following(http, other.url + path, jane.token) as there,
        ):
            names = await here.until("unit.progress")
            assert names[0] == "job.dispatched"
            await there.until("job.running")
            task = await node.next(JobDispatch, within=SOON)
            await node.send(
                JobResult(
                    **attempt_of(task),
                    status="completed",
                    result_ref="s3://elsewhere/x",
                )
            )
            for reader in (here, there):
                assert (await reader.until("end"))[-3:] == [
                    "unit.completed",
                    "job.completed",
                    "end",
                ]
            assert here.last == there.last


async def test_the_list_of_units_tells_how_far_a_running_unit_is(
    database: PostgresEndpoint,
) -> None:
    settings = settings_for_tests(credits={"starter": "100"})
    async with (
        whole(database, settings) as gateway,
        aiohttp.ClientSession() as http,
        FakeNode(gateway.url, behave=step_by_step) as node,
    ):
        jane = Creator(http, gateway.url, "jane@example.org")
        await jane.register()
        status, placed = await jane.dispatch("render")
        assert status == 200, placed

        async def progress() -> list[float | None]:
            _, page = await jane.call("GET", f"/jobs/{placed['job_id']}/units")
            return [unit["progress"] for unit in page["units"]]

        async def is_half_done() -> bool:
            return await progress() == [0.5]

        await until(is_half_done)
        task = await node.next(JobDispatch, within=SOON)
        result = JobResult(**attempt_of(task), status="completed", result_ref="s3://elsewhere/x")
        await node.send(result)

        async def is_over() -> bool:
            return await progress() == [None]

        await until(is_over)
