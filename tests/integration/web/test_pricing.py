"""Prices of frames by the work that the gateway's own node measured, through a whole gateway."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from actors.scheduler.settings import SchedulerSettings
from rendertrust import money, node_key
from rendertrust.preflight.frame_work import ReferenceFrame
from rendertrust.protocol import JobDispatch
from rendertrust.testing import FakeNode
from sql.audit_log import Act
from sql.nodes import NewNode
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.test_preflights import (
    BOTH,
    REPORT,
    held,
    look,
    report_for,
    sent,
    somebody,
    telling,
    wait_for_look,
)
from tests.support.api_clients import Creator
from tests.support.databases import connected, fetchval
from tests.support.http_gateway import settings_for_tests
from tests.support.until import until
from tests.support.whole_gateway import Whole, whole

Json = dict[str, Any]
FRAMES = "1-10"
SIZE = {"width": 200, "height": 100, "samples": 100}
# units of money for a frame of this size: 5 % of 10 credits, and the rest in proportion
SMALL = ReferenceFrame(1920, 1080, 128, 60, 5).price(100_000, **SIZE)
in_credits = money.render
READS_BALANCE = """
SELECT EXISTS (SELECT FROM pg_stat_activity
               WHERE wait_event_type = 'Lock' AND query LIKE '%LEFT JOIN accounts a ON a.name%')
"""


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return node_key.generate_key()


async def own_node(database: PostgresEndpoint, key: Ed25519PrivateKey) -> str:
    """Register a node before it is marked as the gateway's own, and return its id."""
    async with (
        whole(database, settings_for_tests()) as before,
        FakeNode(before.url, capabilities=BOTH, key=key) as node,
    ):
        return node.node_id


def settings(own: str, **pricing: Any) -> Any:
    return settings_for_tests(
        credits={"starter": "1000"},
        verification={"own_nodes": own},
        pricing={"frame_seconds": 60, **pricing},
        limits={"dispatch": 10_000},
    )


@pytest.fixture
async def own(database: PostgresEndpoint, key: Ed25519PrivateKey) -> str:
    return await own_node(database, key)


@pytest.fixture
async def gateway(database: PostgresEndpoint, own: str) -> AsyncGenerator[Whole]:
    scheduler = SchedulerSettings(ours=frozenset({UUID(own)}))
    async with whole(database, settings(own), require_object=True, scheduler=scheduler) as running:
        yield running


@pytest.fixture
async def jane(gateway: Whole, http: aiohttp.ClientSession) -> Creator:
    return await somebody(gateway, http, "jane")


def heavier(times: float) -> Json:
    """Return the report of a scene whose pixels take ``times`` times as long."""
    frames = [{**REPORT["probe"]["frames"][0], "pixel": 1e-4 * times, "most": 1e-3 * times}]
    return {**REPORT, "probe": {**REPORT["probe"], "frames": frames}}


def ours(gateway: Whole, key: Ed25519PrivateKey, report: Json, **more: Any) -> FakeNode:
    return FakeNode(
        gateway.url, capabilities=BOTH, key=key, behave=telling(gateway, report), **more
    )


async def quoted(person: Creator, scene: str, **more: Any) -> Json:
    body = {"job_type": "render", "payload_ref": scene, "frames": FRAMES, **more}
    status, quote = await person.call("POST", "/jobs/quote", body)
    assert status == 200, quote
    return dict(quote)


async def dispatched(person: Creator, scene: str, **more: Any) -> tuple[int, Json]:
    body = {"job_type": "render", "payload_ref": scene, "frames": FRAMES, "queue": True, **more}
    return await person.call("POST", "/jobs/dispatch", body)


async def price_of_job(person: Creator, placed: Json) -> str:
    _, job = await person.call("GET", f"/jobs/{placed['job_id']}")
    return str(job["price"])


async def test_a_heavy_scene_costs_more_than_a_light_one_before_anything_is_held(
    gateway: Whole, jane: Creator, key: Ed25519PrivateKey
) -> None:
    light, heavy = await sent(gateway, jane, b"BLENDER light"), await sent(gateway, jane)
    for scene, report in ((light, REPORT), (heavy, heavier(30))):
        async with ours(gateway, key, report):
            assert (await wait_for_look(jane, scene))["status"] == "DONE"
    # one second per frame, and 20,000 pixels at 1e-4 s or at 3e-3 s; 60 s cost 10 credits
    of_light, of_heavy = await quoted(jane, light), await quoted(jane, heavy)
    assert (of_light["priced_by"], of_light["reference_seconds"]) == ("work", 30.0)
    assert (of_light["frame_price"], of_light["price"]) == ("0.5000", "5.0000")
    assert (of_heavy["frame_price"], of_heavy["price"]) == ("10.1667", "101.6670")
    assert "60 s" in of_heavy["priced_how"]
    assert await held(jane) == "0.0000"
    more = {"params": {"width": 100, "height": 100, "samples": 50}}
    assert (await quoted(jane, light, **more))["frame_price"] == "0.2500"


async def test_a_quote_and_its_preflight_are_of_one_moment(
    gateway: Whole, jane: Creator, key: Ed25519PrivateKey, database: PostgresEndpoint
) -> None:
    """The node's measurement arrives between the price and the rest of the answer."""
    measured = await sent(gateway, jane, b"BLENDER measured")
    async with ours(gateway, key, REPORT):
        assert (await wait_for_look(jane, measured))["status"] == "DONE"
    scene, looked = await sent(gateway, jane), asyncio.Event()

    async def look_for_long(_: FakeNode, __: JobDispatch) -> None:
        looked.set()

    node = FakeNode(gateway.url, capabilities=BOTH, key=key, behave=look_for_long)
    async with node, connected(database.owner_dsn) as owner:
        assert (await look(jane, scene))[0] == 202
        await looked.wait()
        async with owner.transaction():
            await owner.execute("LOCK TABLE accounts")
            quote = asyncio.create_task(quoted(jane, scene))

            async def is_priced() -> bool:
                return bool(await fetchval(database.owner_dsn, READS_BALANCE))

            await until(is_priced)
            await owner.execute(
                "UPDATE preflights p SET facts = k.facts FROM preflights k"
                " WHERE p.facts IS NULL AND k.facts IS NOT NULL"
            )
        found = await quote
        assert (found["priced_by"], found["preflight"]["status"]) == ("size", "PENDING")
        found = await quoted(jane, scene)
        assert (found["priced_by"], found["preflight"]["status"]) == ("work", "DONE")


async def test_what_is_charged_is_what_was_quoted(
    gateway: Whole, jane: Creator, key: Ed25519PrivateKey
) -> None:
    scene = await sent(gateway, jane)
    async with ours(gateway, key, heavier(7)):
        await wait_for_look(jane, scene)
    quote = await quoted(jane, scene, chunk=4)
    status, placed = await dispatched(jane, scene, chunk=4, quoted=quote["price"])
    assert status in (200, 202), placed
    assert await held(jane) == quote["held"]
    async with FakeNode(gateway.url, behave=telling(gateway, b"a picture")):

        async def done() -> Json:
            job = (await jane.call("GET", f"/jobs/{placed['job_id']}"))[1]
            return job if job["status"] == "COMPLETED" else {}

        job = await until(done)
    assert (job["charged"], job["price"]) == (quote["price"], quote["price"])
    assert job["reference_seconds"] == quote["reference_seconds"]
    _, page = await jane.call("GET", f"/jobs/{job['id']}/units")
    frame = int(quote["frame_price"].replace(".", ""))
    charged = [int(unit["charged"].replace(".", "")) for unit in page["units"]]
    assert charged == [4 * frame, 4 * frame, 2 * frame]
    assert await held(jane) == "0.0000"


async def test_a_job_that_costs_more_by_now_than_was_quoted_is_refused(
    gateway: Whole, jane: Creator, key: Ed25519PrivateKey
) -> None:
    scene = await sent(gateway, jane)
    async with ours(gateway, key, REPORT):
        await wait_for_look(jane, scene)
        quote = await quoted(jane, scene)
        now, prices = gateway.gateway.ports.clock.now(), gateway.gateway.tables.prices
        await prices.set("render", 200_000, Act(now, None, "ann", "prices.set", "render", "power"))
        status, refused = await dispatched(jane, scene, quoted=quote["price"])
        assert status == 409, refused
        assert "10 now, but 5 was quoted" in refused["detail"]
        assert await held(jane) == "0.0000"
        assert (await dispatched(jane, scene, quoted="10"))[0] in (200, 202)


async def test_a_stranger_measures_no_price_and_the_own_node_goes_first(
    gateway: Whole, jane: Creator, key: Ed25519PrivateKey
) -> None:
    scene, other = await sent(gateway, jane), await sent(gateway, jane, b"BLENDER other")
    stranger = FakeNode(gateway.url, capabilities=BOTH, behave=telling(gateway, heavier(1000)))
    async with stranger:
        await wait_for_look(jane, scene)
        quote = await quoted(jane, scene)
        assert (quote["priced_by"], quote["price"]) == ("size", "100.0000")
        assert (quote["reference_seconds"], quote["measurable"]) == (None, False)
        assert "None of the gateway's nodes is connected" in quote["priced_how"]
        async with ours(gateway, key, REPORT, slots=1) as mine:
            quote = await quoted(jane, scene)
            assert (quote["priced_by"], quote["measurable"]) == ("size", True)
            assert "not measured by one of the gateway's nodes" in quote["priced_how"]
            assert (await look(jane, scene, again=True))[0] == 202
            await wait_for_look(jane, scene)
            await wait_for_look(jane, other)
            assert (await quoted(jane, scene))["price"] == "5.0000"
            assert sum(isinstance(one, JobDispatch) for one in mine.received) == 2


async def test_what_another_gateways_embedded_verifier_measured_counts_and_it_renders_nothing(
    gateway: Whole, jane: Creator
) -> None:
    key, scene = node_key.generate_key(), await sent(gateway, jane)
    public = key.public_key().public_bytes_raw()
    embedded = NewNode(uuid4(), "embedded verifier", public, ("check", "preflight"), {})
    await gateway.gateway.tables.nodes.embed(embedded)
    async with ours(gateway, key, REPORT) as verifier:
        assert verifier.node_id == str(embedded.id)
        await wait_for_look(jane, scene)
        assert (await quoted(jane, scene))["price"] == "5.0000"
        status, placed = await dispatched(jane, scene)
        assert (status, placed["status"]) == (202, "QUEUED")
    # the gateway stores its embedded verifier again at each start
    await gateway.gateway.tables.nodes.embed(embedded)
    row = await gateway.gateway.tables.nodes.shown(embedded.id)
    assert row is not None
    assert row.verified_at is not None
    assert (row.owner_id, row.name) == (None, embedded.name)


async def test_a_job_of_the_references_fields_alone_costs_the_price_of_the_table(
    gateway: Whole, jane: Creator, key: Ed25519PrivateKey
) -> None:
    scene = await sent(gateway, jane)
    async with ours(gateway, key, heavier(30)):
        unknown = await quoted(jane, scene)
        assert (unknown["priced_by"], unknown["measurable"]) == ("size", True)
        assert "POST /jobs/preflight" in unknown["priced_how"]
        nameless = {"job_type": "render", "frames": FRAMES}
        status, before = await jane.call("POST", "/jobs/quote", nameless)
        assert (status, before["measurable"], before["price"]) == (200, True, "100.0000")
        await wait_for_look(jane, scene)
        alone = {"job_type": "render", "payload_ref": scene}
        status, one = await jane.call("POST", "/jobs/quote", alone)
        assert (status, one["price"], one["priced_by"]) == (200, "10.0000", "table")
        assert "names neither frames nor parameters" in one["priced_how"]
        assert (await quoted(jane, scene, pool="mine"))["price"] == "0.0000"
        status, placed = await jane.call("POST", "/jobs/dispatch", {**alone, "queue": True})
        job = (await jane.call("GET", f"/jobs/{placed['job_id']}"))[1]
        assert (job["price"], job["reference_seconds"]) == ("10.0000", None)


async def test_one_frame_is_priced_by_its_measurement_like_many(
    gateway: Whole, jane: Creator, key: Ed25519PrivateKey
) -> None:
    scene = await sent(gateway, jane)
    alone = {"job_type": "render", "payload_ref": scene, "queue": True}
    one = {**alone, "params": {"frame": 3}}
    async with ours(gateway, key, heavier(20)):
        for body in (one, {**alone, "params": {"samples": 4}}):
            status, refused = await jane.call("POST", "/jobs/dispatch", body)
            assert (status, refused["code"], await held(jane)) == (409, "not_measured", "0.0000")
        _, quote = await jane.call("POST", "/jobs/quote", alone)
        assert (quote["measurable"], quote["price"]) == (True, "10.0000"), "its frame could be"
        assert (await jane.call("POST", "/jobs/dispatch", alone))[0] in (200, 202)
        await wait_for_look(jane, scene)
        assert (await jane.call("POST", "/jobs/quote", alone))[1]["measurable"] is False
        _, placed = await jane.call("POST", "/jobs/dispatch", one)
        assert await price_of_job(jane, placed) == "6.8334"  # 1 s, and 20,000 pixels at 2e-3 s


async def test_a_scene_whose_small_pieces_cannot_be_rendered_is_refused(
    gateway: Whole, jane: Creator, key: Ed25519PrivateKey
) -> None:
    scene = await sent(gateway, jane)
    broken = {**REPORT, "unprobed": "Blender ended by SIGSEGV", "probe_failed": True}
    del broken["probe"]
    async with ours(gateway, key, broken):
        found = await wait_for_look(jane, scene)
        (finding,) = found["findings"]
        assert (finding["code"], finding["level"]) == ("not_measured", "error")
        assert "SIGSEGV" in finding["message"]
        assert found["stops"]
        status, refused = await dispatched(jane, scene)
        assert (status, refused["errors"][0]["code"]) == (422, "not_measured")
        assert await held(jane) == "0.0000"
        quote = await quoted(jane, scene)
        assert (quote["priced_by"], quote["price"]) == ("size", in_credits(10 * SMALL))
        assert "SIGSEGV" in quote["priced_how"]
        assert (await dispatched(jane, scene, as_is=True))[0] in (200, 202)


async def test_a_check_without_time_is_no_fault_of_the_scene_and_can_be_repeated(
    gateway: Whole, jane: Creator, key: Ed25519PrivateKey
) -> None:
    scene = await sent(gateway, jane)
    late = {"opened": False, "saved_by": [0, 0, 0], "timed_out": True}
    words = "Blender did not open the scene and list its files within 120 s"
    async with ours(gateway, key, {**late, "error": words}):
        found = await wait_for_look(jane, scene)
        assert (found["status"], found["findings"], found["stops"]) == ("FAILED", [], False)
        assert found["error"].startswith(f"{words}. The file may be fine: check it again")
        job = (await jane.call("GET", f"/jobs/{found['job_id']}"))[1]
        assert (job["status"], job["error_message"]) == ("COMPLETED", None)
        quote = await quoted(jane, scene)
        assert (quote["priced_by"], quote["measurable"]) == ("size", False)
    slow = {**REPORT, "unprobed": "no time was left", "probe_failed": True, "timed_out": True}
    del slow["probe"]
    async with ours(gateway, key, slow):
        assert (await jane.call("POST", "/jobs/preflight", {"payload_ref": scene, "again": True}))[
            1
        ]["status"] == "PENDING"
        found = await wait_for_look(jane, scene)
        (finding,) = found["findings"]
        assert (finding["code"], finding["level"]) == ("not_measured", "warning")
        assert "ran out of time" in finding["message"]
        assert "Check the scene again" in finding["setting"]
        assert not found["stops"]
        assert (await dispatched(jane, scene))[0] in (200, 202)


async def test_a_frame_of_months_is_refused(
    gateway: Whole, jane: Creator, key: Ed25519PrivateKey
) -> None:
    scene = await sent(gateway, jane)
    async with ours(gateway, key, heavier(1e7)):
        assert (await wait_for_look(jane, scene, frames=FRAMES))["estimate"]["likely"] > 86_400
        status, refused = await dispatched(jane, scene)
        assert (status, refused["errors"][0]["code"]) == (422, "too_slow")
        assert await held(jane) == "0.0000"


async def test_a_gateway_may_take_no_frames_that_were_not_measured(
    database: PostgresEndpoint, own: str, key: Ed25519PrivateKey, http: aiohttp.ClientSession
) -> None:
    scheduler = SchedulerSettings(ours=frozenset({UUID(own)}))
    strict = settings(own, look_first=True)  # refuses them even while no verifier is connected
    async with whole(database, strict, require_object=True, scheduler=scheduler) as gateway:
        jane = await somebody(gateway, http, "jane")
        scene = await sent(gateway, jane)
        status, refused = await dispatched(jane, scene)
        assert (status, await held(jane)) == (409, "0.0000")
        assert "have the scene measured" in refused["detail"]
        alone = {"job_type": "render", "payload_ref": scene, "queue": True}
        assert (await jane.call("POST", "/jobs/dispatch", alone))[0] in (200, 202)
        async with ours(gateway, key, REPORT):
            await wait_for_look(jane, scene)
            assert (await dispatched(jane, scene))[0] in (200, 202)


async def test_without_nodes_of_its_own_frames_are_priced_by_size(
    database: PostgresEndpoint, http: aiohttp.ClientSession
) -> None:
    async with whole(database, settings(""), require_object=True) as gateway:
        jane = await somebody(gateway, http, "jane")
        scene = await sent(gateway, jane)
        behave = telling(gateway, heavier(50))
        async with FakeNode(gateway.url, capabilities=BOTH, behave=behave):
            await wait_for_look(jane, scene)
            # An operator's node says that the frames are small, which lowers no price.
            quote = await quoted(jane, scene)
            assert (quote["priced_by"], quote["price"]) == ("size", "100.0000")
            assert quote["priced_how"] == (
                "This gateway has no nodes that measure scenes."
                " By size: 1920 \u00d7 1080 pixels and 128 samples for each frame."
            )
            small = await quoted(jane, scene, params=SIZE)
            assert small["price"] == in_credits(10 * SMALL)
            _, placed = await dispatched(jane, scene, params=SIZE, quoted=small["price"])
            assert await price_of_job(jane, placed) == small["price"]
            one = {"job_type": "render", "payload_ref": scene, "params": {**SIZE, "frame": 3}}
            assert (await jane.call("POST", "/jobs/quote", one))[1]["price"] == in_credits(SMALL)


async def test_where_all_frames_cost_the_same_they_cost_the_price_of_the_table(
    database: PostgresEndpoint, own: str, http: aiohttp.ClientSession
) -> None:
    async with whole(database, settings(own, frame_seconds=0), require_object=True) as gateway:
        jane = await somebody(gateway, http, "jane")
        scene = await sent(gateway, jane)
        quote = await quoted(jane, scene, params=SIZE)
        assert (quote["priced_by"], quote["price"], quote["measurable"]) == (
            "table",
            "100.0000",
            False,
        )
        assert quote["priced_how"] == "Each frame costs the fixed price in the price table."


async def test_frames_that_a_connected_node_could_measure_are_refused_until_it_has(
    gateway: Whole, jane: Creator, key: Ed25519PrivateKey
) -> None:
    """Small frames of a heavy scene are no way to a lower price."""
    scene = await sent(gateway, jane)
    by_size = await quoted(jane, scene, params=SIZE)
    assert (by_size["priced_by"], by_size["measured"]) == ("size", False)
    async with ours(gateway, key, heavier(20)):
        status, refused = await dispatched(jane, scene, params=SIZE, quoted=by_size["price"])
        assert (status, refused["code"], await held(jane)) == (409, "not_measured", "0.0000")
        assert "POST /jobs/preflight" in refused["detail"]
        await wait_for_look(jane, scene)
        measured = await quoted(jane, scene, params=SIZE)
        assert (measured["priced_by"], measured["measured"]) == ("work", True)
        assert float(measured["price"]) > 10 * float(by_size["price"])
        status, refused = await dispatched(jane, scene, params=SIZE, quoted=by_size["price"])
        assert (status, refused["code"], await held(jane)) == (409, "price_changed", "0.0000")
        _, placed = await dispatched(jane, scene, params=SIZE, quoted=measured["price"])
        assert await price_of_job(jane, placed) == measured["price"]
        one = {"job_type": "render", "payload_ref": scene, "params": {**SIZE, "frame": 3}}
        picture = (await jane.call("POST", "/jobs/quote", one))[1]
        assert (picture["priced_by"], picture["price"]) == ("work", measured["frame_price"])


@pytest.mark.parametrize(
    "frames", ["5-1", "<b>", "1-1000000", "٣"], ids=["back", "text", "many", "digit"]
)
async def test_frames_that_are_none_are_refused_with_the_reason(
    gateway: Whole, jane: Creator, key: Ed25519PrivateKey, frames: str
) -> None:
    scene = await sent(gateway, jane)
    async with ours(gateway, key, REPORT):
        await wait_for_look(jane, scene)
        body = {"job_type": "render", "payload_ref": scene, "frames": frames}
        for path in ("/jobs/quote", "/jobs/dispatch", "/jobs/preflight"):
            asked = {
                name: body[name] for name in body if name != "job_type" or "preflight" not in path
            }
            status, refused = await jane.call("POST", path, asked)
            assert (status, refused["errors"][0]["field"]) == (422, "frames"), (path, refused)


async def test_frames_outside_the_measured_range_are_measured_before_they_are_priced(
    gateway: Whole, jane: Creator, key: Ed25519PrivateKey
) -> None:
    scene = await sent(gateway, jane)

    async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
        await telling(gateway, report_for(dispatch))(node, dispatch)

    async with FakeNode(gateway.url, capabilities=BOTH, key=key, behave=behave):
        await wait_for_look(jane, scene)
        inside = await quoted(jane, scene, frames="3-4")
        assert (inside["priced_by"], inside["frame_price"]) == ("work", "0.5000")
        beyond = await quoted(jane, scene, frames="10-12")
        assert (beyond["priced_by"], beyond["measurable"]) == ("size", True)
        assert "outside those that were measured (1 to 10)" in beyond["priced_how"]
        status, refused = await dispatched(jane, scene, frames="10-12", quoted=beyond["price"])
        assert (status, refused["code"]) == (409, "not_measured")
        assert (await look(jane, scene, frames="3-4"))[0] == 200  # they count already
        assert (await look(jane, scene, frames="10-12"))[0] == 202
        await wait_for_look(jane, scene, frames="10-12")
        measured = await quoted(jane, scene, frames="10-12")
        assert (measured["priced_by"], measured["frame_price"]) == ("work", "3.5000")
        assert "frames 10, 11 and 12." in measured["basis"]
        status, _ = await dispatched(jane, scene, frames="10-12", quoted=measured["price"])
        assert status in (200, 202)
        same = await quoted(jane, scene, frames="3-4")
        assert same["preflight"]["job_id"] == inside["preflight"]["job_id"]
        assert (same["priced_by"], same["price"]) == (inside["priced_by"], inside["price"])
        assert (await look(jane, scene, frames="3-4"))[0] == 200  # without a new preflight
        assert (await look(jane, scene, frames="3-4", again=True))[0] == 202
        again = await wait_for_look(jane, scene, frames="3-4")
        assert again["job_id"] not in (same["preflight"]["job_id"], measured["preflight"]["job_id"])
        one = {"job_type": "render", "payload_ref": scene, "params": {"frame": 11}}
        assert (await jane.call("POST", "/jobs/quote", one))[1]["price"] == "3.5000"


async def test_without_a_verifier_frames_outside_the_range_keep_their_check(
    gateway: Whole, jane: Creator, key: Ed25519PrivateKey
) -> None:
    scene = await sent(gateway, jane)
    async with ours(gateway, key, REPORT):
        known = await wait_for_look(jane, scene)
    status, found = await look(jane, scene, frames="300")
    assert (status, found["job_id"]) == (200, known["job_id"])
    assert "Frames outside 1 to 10 count like these." in found["estimate"]["how"]
    quote = await quoted(jane, scene, frames="300")
    assert (quote["priced_by"], quote["measurable"]) == ("size", False)


async def test_another_size_counts_in_proportion_and_the_price_says_so(
    gateway: Whole, jane: Creator, key: Ed25519PrivateKey
) -> None:
    scene = await sent(gateway, jane)
    async with ours(gateway, key, REPORT):
        await wait_for_look(jane, scene)
    own = await quoted(jane, scene, params={"width": 200, "height": 100})
    assert (own["frame_price"], "proportion" in own["basis"]) == ("0.5000", False)
    half = await quoted(jane, scene, params={"samples": 50})  # 1 s, and half of 2 s; 60 s cost 10
    assert (half["frame_price"], "in proportion" in half["basis"]) == ("0.3334", True)


async def test_a_price_is_shown_in_money_and_stays_what_it_was_at_submission(
    gateway: Whole, jane: Creator
) -> None:
    scene = await sent(gateway, jane)
    quote = await quoted(jane, scene)
    assert quote["credits"] == quote["price"] == "100.0000"
    # 1,000 credits for 70 dollars is the cheapest package
    assert quote["money"] == {"amount": "7.00", "currency": "usd", "text": "≈ 7.00 USD"}
    assert quote["basis"].startswith("By size: 1920 \u00d7 1080 pixels")
    _, placed = await dispatched(jane, scene, quoted=quote["price"])
    now, prices = gateway.gateway.ports.clock.now(), gateway.gateway.tables.prices
    await prices.set("render", 900_000, Act(now, None, "ann", "prices.set", "render", "power"))
    job = (await jane.call("GET", f"/jobs/{placed['job_id']}"))[1]
    assert (job["price"], await held(jane), job["reference_seconds"]) == (
        quote["price"],
        quote["price"],
        None,
    )
