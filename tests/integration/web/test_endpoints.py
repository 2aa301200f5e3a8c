"""Webhook endpoints, which users register and which receive events of their owners' jobs."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import attrs
import pytest

from actors.courier.actor import CourierActor
from actors.courier.messages import Courier, Deliver, Forget
from actors.courier.policy import PAUSES
from actors.kernel import Ref
from actors.ledger.effects import UnitAssign, UnitComplete
from actors.ports.webhooks import Letter, NotSent
from rendertrust import webhooks
from rendertrust.job_status import NOT_STARTED, UNIT_STATUSES
from sql.webhooks import OF_ENDPOINT_MOST, Deliveries, DeliveryOutcome, EndpointHealth
from supervisors.child import Child
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.system_clock import SystemClock, SystemRandom
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.integration.web.accounts import Person, register, with_role
from tests.integration.web.earners import do, verified_node
from tests.integration.web.test_events import job_of
from tests.support.databases import execute
from tests.support.http_gateway import Face, face_with, with_ledger
from tests.support.until import until
from tests.twins.post import TwinPost

Json = dict[str, Any]
AT = "/api/v1/webhooks/endpoints"
URL = "https://farm.example.com/hooks"
SOON = 60.0


face = face_with(with_ledger, webhooks={"private": False})


@asynccontextmanager
async def delivering(face: Face, post: TwinPost) -> AsyncGenerator[Ref[Courier]]:
    """Run a Courier until the block ends."""
    deliveries = Deliveries(face.gateway.database)
    ref = Ref[Courier]("courier")

    def make() -> CourierActor:
        return CourierActor(post, deliveries, SystemClock(), SystemRandom())

    tree = Supervisor("Tree", Strategy.ONE_FOR_ONE, Intensity(), [Child("courier", make, ref=ref)])
    await tree.start()
    try:
        yield ref
    finally:
        await tree.stop()


async def endpoint(person: Person, types: list[str] | None = None, url: str = URL) -> Json:
    body: Json = {"url": url} | ({} if types is None else {"types": types})
    status, made = await person.ask("POST", AT, body)
    assert status == 201, made
    return dict(made)


async def listed(person: Person, of: Json) -> list[Json]:
    status, page = await person.ask("GET", f"{AT}/{of['id']}/deliveries")
    while status == 503:  # ask a busy gateway again
        status, page = await person.ask("GET", f"{AT}/{of['id']}/deliveries")
    assert status == 200, page
    return list(page["deliveries"])


async def wait_for_delivery(person: Person, of: Json, state: str) -> Json:
    """Wait until the endpoint's only delivery is in this state, and return it."""

    async def noted() -> Json | None:
        [one] = await listed(person, of)
        return one if one["state"] == state else None

    one = await until(noted)
    assert one is not None
    return one


async def complete_job(person: Person) -> UUID:
    """Create a job that completes at once, and return its id."""
    face, node, job = person.face, await verified_node(person.face, None), await job_of(person)
    await do(face, UnitAssign(job, 0, 1, node))
    await do(face, UnitComplete(job, 0, 1, node, "x"))
    return job


def read(letter: Letter, secret: str) -> Json:
    return webhooks.read(letter.body, letter.headers, secret)


async def test_an_endpoint_is_told_what_it_asked_for_signed(jane: Person) -> None:
    post = TwinPost()
    post.answer(URL, 200)
    await complete_job(jane)  # before there was any endpoint
    made = await endpoint(jane)
    job = await complete_job(jane)

    async def are_noted() -> bool:
        return [one["state"] for one in await listed(jane, made)] == 3 * ["DELIVERED"]

    async with delivering(jane.face, post):
        await until(are_noted)
    assert len(post.received[URL]) == 3
    events = [read(letter, made["secret"]) for letter in post.received[URL]]
    types = ["job.queued", "job.dispatched", "job.completed"]
    assert [event["type"] for event in events] == types
    first = events[0]["data"]
    assert (first["job_id"], first["number"]) == (str(job), 1)
    assert (first["money"], first["amount"]) == ("held", "5.0000")
    assert first["job_name"] == "scene"
    found = await listed(jane, made)
    assert [one["type"] for one in reversed(found)] == types
    assert {(one["tries"], one["status"]) for one in found} == {(1, 200)}
    ids = {letter.headers["webhook-id"] for letter in post.received[URL]}
    assert ids == {one["id"] for one in found}
    _, page = await jane.ask("GET", f"/api/v1/jobs/{job}/events?limit=1")
    assert page["events"][0] == first  # the same members as in the API
    with pytest.raises(webhooks.InvalidSignature):
        read(post.received[URL][0], webhooks.secret_text(b"another secret of someone"))


async def test_units_are_told_to_who_wants_them_and_nobody_else_s_jobs(jane: Person) -> None:
    bob, post = await register(jane.face, "bob@example.org"), TwinPost()
    post.answer(URL, 200)
    made = await endpoint(jane, ["unit.completed", "job.failed"])
    await complete_job(bob)
    await complete_job(jane)
    async with delivering(jane.face, post):
        await until(lambda: post.received[URL])
    assert [one["type"] for one in await listed(jane, made)] == ["unit.completed"]


async def test_what_does_not_arrive_is_tried_again_under_the_same_id(
    jane: Person, database: PostgresEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The test triggers the second attempt itself, however long it takes to look at the first.
    monkeypatch.setattr("actors.courier.policy.PAUSES", (3_600,) * len(PAUSES))
    post = TwinPost()
    post.answer(URL, 500, 204)
    made = await endpoint(jane, ["job.completed"])
    await complete_job(jane)
    async with delivering(jane.face, post):
        await until(lambda: post.received[URL])

        async def waits() -> bool:
            [one] = await listed(jane, made)
            return bool(one["status"] == 500)

        await until(waits)
        [one] = await listed(jane, made)
        assert (one["state"], one["tries"]) == ("PENDING", 1)
        _, page = await jane.ask("GET", AT)
        assert page["endpoints"][0]["failing_since"] is not None
        await execute(database.owner_dsn, "UPDATE deliveries SET due_at = now()")
        await execute(database.owner_dsn, "UPDATE endpoints SET not_before = now()")
        one = await wait_for_delivery(jane, made, "DELIVERED")
    assert (one["tries"], one["status"]) == (2, 204)
    assert [(each["status"], each["error"]) for each in one["answers"]] == [
        (500, None),
        (204, None),
    ]
    assert one["answers"][0]["at"] < one["answers"][1]["at"]
    assert len({letter.headers["webhook-id"] for letter in post.received[URL]}) == 1
    _, page = await jane.ask("GET", AT)
    assert page["endpoints"][0]["failing_since"] is None


async def test_a_try_and_its_endpoint_are_recorded_together_or_not_at_all(
    jane: Person, database: PostgresEndpoint
) -> None:
    made = await endpoint(jane, ["job.completed"])
    await complete_job(jane)
    now = jane.face.gateway.ports.clock.now()
    deliveries = Deliveries(jane.face.gateway.database)
    [due] = await deliveries.claim(now, now + timedelta(seconds=60), (), 64)
    arrived = DeliveryOutcome(due.id, due.tries, "DELIVERED", status=200, ended_at=now)
    failing = EndpointHealth(due.endpoint, failing_since=now)
    for settled, standing in (
        (arrived, attrs.evolve(failing, reason="a reason without a time")),
        (attrs.evolve(arrived, ended_at=None), failing),
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await deliveries.settle([settled], [standing])
        [one] = await listed(jane, made)
        assert (one["state"], one["status"]) == ("PENDING", None)
        _, page = await jane.ask("GET", AT)
        assert page["endpoints"][0]["failing_since"] is None


async def test_what_a_courier_took_and_did_not_finish_another_sends(
    jane: Person, database: PostgresEndpoint
) -> None:
    """Delivery is at least once: what a killed Courier had claimed is free again after a minute."""
    made, post = await endpoint(jane, ["job.completed"]), TwinPost()
    await complete_job(jane)
    now = jane.face.gateway.ports.clock.now()
    deliveries = Deliveries(jane.face.gateway.database)
    [taken] = await deliveries.claim(now, now + timedelta(seconds=60), (), 64)
    assert await deliveries.claim(now, now + timedelta(seconds=60), (), 64) == []
    post.answer(URL, 200)
    await execute(database.owner_dsn, "UPDATE deliveries SET due_at = now()")  # as after a minute
    async with delivering(jane.face, post):
        one = await wait_for_delivery(jane, made, "DELIVERED")
    assert post.received[URL][0].headers["webhook-id"] == str(taken.id)
    assert one["tries"] == 2


async def test_after_the_last_try_it_is_given_up_and_can_be_replayed(
    jane: Person, database: PostgresEndpoint
) -> None:
    made, post = await endpoint(jane, ["job.completed"]), TwinPost()
    await complete_job(jane)
    await execute(database.owner_dsn, f"UPDATE deliveries SET tries = {len(PAUSES)}")
    async with delivering(jane.face, post):
        one = await wait_for_delivery(jane, made, "FAILED")
        assert one["error"] == "there is no connection to its address"
        post.answer(URL, 200)
        await execute(database.owner_dsn, "UPDATE endpoints SET not_before = now()")
        status, again = await jane.ask("POST", f"/api/v1/webhooks/deliveries/{one['id']}/replay")
        assert (status, again["state"], again["tries"]) == (200, "PENDING", 0)
        await until(lambda: post.received[URL])
    assert post.received[URL][0].headers["webhook-id"] == one["id"]


async def test_what_was_given_up_is_a_dead_letter_and_an_admin_has_it_sent_again(
    jane: Person, database: PostgresEndpoint
) -> None:
    letters, reason = "/api/v1/admin/dead-letters/webhooks", "the address is mended"
    boss = await with_role(jane.face, database.owner_dsn, "admin")
    post = TwinPost()
    await endpoint(jane, ["job.completed"])
    await complete_job(jane)
    await complete_job(jane)
    await execute(database.owner_dsn, f"UPDATE deliveries SET tries = {len(PAUSES)}")
    async with delivering(jane.face, post):

        async def given_up() -> Any:
            _, page = await boss.ask("GET", letters)
            return page["letters"] if page["total"] == 2 else None

        one, other = await until(given_up, within=SOON)
        assert (one["about"], one["where"]) == ("job.completed", "farm.example.com")
        assert (one["reason"], one["whose"]) == (
            "there is no connection to its address",
            "jane@example.org",
        )
        aside = {"ids": [other["id"]], "reason": reason}
        assert (await boss.ask("POST", f"{letters}/discard", aside))[1]["done"] == [other["id"]]
        wish = {"ids": [one["id"], other["id"], "no"], "reason": reason}
        now = "UPDATE endpoints SET not_before = now()"
        off = f"{now}, disabled_at = now(), disabled_reason = 'gone'"
        await execute(database.owner_dsn, off)
        _, refused = await boss.ask("POST", f"{letters}/retry", wish)
        assert (refused["done"], len(refused["refused"])) == ([], 3)
        assert "is disabled" in refused["refused"][0]["why"]
        await execute(database.owner_dsn, f"{now}, disabled_at = NULL, disabled_reason = NULL")
        post.answer(URL, 200)
        assert (await boss.ask("POST", f"{letters}/retry", wish))[1]["done"] == [one["id"]]
        await until(lambda: post.received[URL])
    assert [got.headers["webhook-id"] for got in post.received[URL]] == [one["id"]]
    assert (await boss.ask("GET", letters))[1]["total"] == 0
    _, records = await boss.ask("GET", "/api/v1/admin/audit")
    acts = [each["act"] for each in records["records"]]
    assert acts[:2] == ["webhooks.retry", "webhooks.discard"]


@pytest.mark.parametrize(("became", "words"), [(410, "gone"), (503, "nothing arrived since")])
async def test_an_endpoint_that_is_gone_or_fails_for_long_is_told_no_more(
    jane: Person, database: PostgresEndpoint, became: int, words: str
) -> None:
    made, post = await endpoint(jane, ["job.*"]), TwinPost()
    post.answer(URL, became)
    if became != 410:
        old = "UPDATE endpoints SET failing_since = now() - interval '4 days'"
        await execute(database.owner_dsn, old)
    await complete_job(jane)
    async with delivering(jane.face, post):

        async def disabled() -> Json | None:
            _, page = await jane.ask("GET", AT)
            [found] = page["endpoints"]
            return None if found["enabled"] else dict(found)

        found = await until(disabled)
        assert found is not None
        assert words in found["disabled_reason"]
        before = len(await listed(jane, made))
        await complete_job(jane)
        assert len(await listed(jane, made)) == before
        post.answer(URL, 200)
        post.received.clear()
        status, found = await jane.ask("PATCH", f"{AT}/{made['id']}", {"enabled": True})
        assert (status, found["enabled"], found["failing_since"]) == (200, True, None)
        await complete_job(jane)
        await until(lambda: post.received[URL])


async def test_an_endpoint_that_is_enabled_again_gets_waiting_deliveries_at_once(
    jane: Person, database: PostgresEndpoint
) -> None:
    made, post = await endpoint(jane, ["job.*"]), TwinPost()
    post.answer(URL, 200)
    await job_of(jane, price=0)
    await jane.ask("PATCH", f"{AT}/{made['id']}", {"enabled": False})
    await execute(database.owner_dsn, "UPDATE deliveries SET due_at = now() + interval '1 hour'")
    async with delivering(jane.face, post) as courier:
        await jane.ask("PATCH", f"{AT}/{made['id']}", {"enabled": True})
        await courier.ask(Deliver(), within=SOON)
        await until(lambda: post.received[URL], within=SOON)


async def test_one_that_fails_does_not_hold_up_another(jane: Person) -> None:
    other, post = "https://other.example.com", TwinPost()
    post.receivers[URL] = lambda _: NotSent("no answer within 10 s")
    post.answer(other, 200)
    await endpoint(jane, ["job.*"])
    for _ in range(40):
        await job_of(jane, price=0)
    await endpoint(jane, ["job.*"], other)
    await job_of(jane, price=0)
    async with delivering(jane.face, post) as courier:
        await courier.ask(Deliver(), within=SOON)
        await until(lambda: post.received[other])


async def test_one_that_is_slow_holds_up_nobody_and_is_sent_no_more_at_once(jane: Person) -> None:
    other, post = "https://other.example.com", TwinPost()
    post.answer(URL, 200)
    post.answer(other, 200)
    post.slow[URL] = asyncio.Event()
    slow, quick = await endpoint(jane, ["job.*"]), await endpoint(jane, ["job.*"], other)
    for _ in range(20):
        await job_of(jane, price=0)
    async with delivering(jane.face, post):

        async def all_delivered() -> bool:
            return {one["state"] for one in await listed(jane, quick)} == {"DELIVERED"}

        await until(all_delivered)
        assert len(post.received[other]) == 20
        assert sum(one["tries"] for one in await listed(jane, slow)) == OF_ENDPOINT_MOST
        post.slow[URL].set()
        await until(lambda: len(post.received[URL]) == 20)
    assert {one["tries"] for one in await listed(jane, slow)} == {1}


async def test_a_new_secret_signs_beside_the_one_before(jane: Person) -> None:
    post = TwinPost()
    post.answer(URL, 200)
    made = await endpoint(jane)
    status, rotated = await jane.ask("POST", f"{AT}/{made['id']}/rotate")
    assert status == 200
    assert rotated["secret"] != made["secret"]
    await job_of(jane)
    async with delivering(jane.face, post):
        await until(lambda: post.received[URL])
    for secret in (made["secret"], rotated["secret"]):
        assert read(post.received[URL][0], secret)["type"] == "job.queued"


async def test_the_page_after_a_delivery_that_is_gone_is_empty(
    jane: Person, database: PostgresEndpoint
) -> None:
    """Older deliveries are gone, too. Else a client that pages would begin again and never end."""
    made = await endpoint(jane)
    for _ in range(2):
        await job_of(jane)
    await until(lambda: listed(jane, made))
    path = f"{AT}/{made['id']}/deliveries?limit=1"
    _, first = await jane.ask("GET", path)
    _, second = await jane.ask("GET", f"{path}&after={first['next']}")
    assert second["deliveries"][0]["id"] != first["deliveries"][0]["id"]
    gone = first["next"]
    await execute(database.owner_dsn, f"DELETE FROM deliveries WHERE id = '{gone}'")
    status, page = await jane.ask("GET", f"{path}&after={gone}")
    assert (status, page) == (200, {"deliveries": [], "next": None})


async def test_endpoints_are_their_owner_s_alone(jane: Person) -> None:
    bob, made = await register(jane.face, "bob@example.org"), await endpoint(jane)
    await job_of(jane)
    [one] = await listed(jane, made)
    for method, path, body in (
        ("PATCH", f"{AT}/{made['id']}", {"enabled": False}),
        ("POST", f"{AT}/{made['id']}/rotate", None),
        ("GET", f"{AT}/{made['id']}/deliveries", None),
        ("POST", f"/api/v1/webhooks/deliveries/{one['id']}/replay", None),
        ("DELETE", f"{AT}/{made['id']}", None),
        ("DELETE", f"{AT}/{uuid4()}", None),
    ):
        assert (await bob.ask(method, path, body))[0] == 404, (method, path)
    assert (await bob.ask("GET", AT))[1] == {"endpoints": []}
    _, page = await jane.ask("GET", AT)
    assert "secret" not in page["endpoints"][0]
    assert (await jane.ask("DELETE", f"{AT}/{made['id']}"))[0] == 200
    assert (await jane.ask("GET", AT))[1] == {"endpoints": []}


async def test_each_state_of_a_unit_can_be_subscribed_to(jane: Person) -> None:
    types = [f"unit.{state.lower()}" for state in UNIT_STATUSES if state not in NOT_STARTED]
    assert (await endpoint(jane, types))["types"] == types


async def test_nonsense_is_refused_and_there_are_so_many_at_most(jane: Person) -> None:
    for body in (
        {"url": "http://example.com"},
        {"url": "https://user:word@example.com/"},
        {"url": "https://127.0.0.1/"},
        {"url": "https://[::1]/"},
        {"url": URL, "types": []},
        {"url": URL, "types": ["job.exploded"]},
    ):
        assert (await jane.ask("POST", AT, body))[0] == 422, body
    for _ in range(20):
        await endpoint(jane)
    assert (await jane.ask("POST", AT, {"url": URL}))[0] == 409


async def test_who_is_deactivated_is_told_no_more(jane: Person, database: PostgresEndpoint) -> None:
    made, post = await endpoint(jane, ["job.*"]), TwinPost()
    post.answer(URL, 200)
    await job_of(jane)
    await execute(database.owner_dsn, "UPDATE users SET is_active = false")
    async with delivering(jane.face, post) as courier:
        assert await courier.ask(Deliver(), within=SOON) == 0
        await execute(database.owner_dsn, "UPDATE users SET is_active = true")
        await until(lambda: post.received[URL])
    assert read(post.received[URL][0], made["secret"])["type"] == "job.queued"


async def test_old_deliveries_are_forgotten(jane: Person, database: PostgresEndpoint) -> None:
    made, post = await endpoint(jane, ["job.completed"]), TwinPost()
    post.answer(URL, 200)
    await complete_job(jane)
    async with delivering(jane.face, post) as courier:

        async def arrived() -> bool:
            [one] = await listed(jane, made)
            return bool(one["state"] == "DELIVERED")

        await until(arrived)
        await execute(
            database.owner_dsn, "UPDATE deliveries SET created_at = now() - interval '31 days'"
        )
        await courier.ask(Forget(), within=SOON)
    assert await listed(jane, made) == []
