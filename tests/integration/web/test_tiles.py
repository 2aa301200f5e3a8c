"""Tiled frames that cannot be completed: delivered tiles are charged and can be fetched."""

import io
import zipfile
from collections.abc import AsyncGenerator, Callable
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from actors.ledger.messages import Posted
from rendertrust.protocol import JobDispatch
from rendertrust.testing import Behaviour, FakeNode, fails, hangs
from sql.audit_log import Act
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.test_preflights import held, sent, somebody, telling
from tests.support.api_clients import Creator
from tests.support.http_gateway import settings_for_tests
from tests.support.until import until
from tests.support.whole_gateway import Whole, whole
from web.money.credit_adjustments import REFUND, refund_of
from web.money.ledger_client import commit

Json = dict[str, Any]
EXR = b"\x76\x2f\x31\x01 a tile"
PNG = b"\x89PNG\r\n\x1a\n a frame"
TILED: Json = {
    "name": "tiled",
    "frames": "1-2",
    "tiles": "2x1",
    "params": {"width": 64, "height": 32},
}
Which = Callable[[JobDispatch], bool]


@pytest.fixture
async def gateway(database: PostgresEndpoint) -> AsyncGenerator[Whole]:
    settings = settings_for_tests(credits={"starter": "1000"}, limits={"dispatch": 10_000})
    async with whole(database, settings, require_object=True) as running:
        yield running


@pytest.fixture
async def jane(gateway: Whole, http: aiohttp.ClientSession) -> Creator:
    return await somebody(gateway, http, "jane")


def tile_of_two(dispatch: JobDispatch) -> bool:
    """Return True for the right tile of the second frame."""
    return dispatch.params.get("tile") == [32, 0, 32, 32] and dispatch.params["frame"] == 2


def merge_of_two(dispatch: JobDispatch) -> bool:
    """Return True for the unit that merges the second frame."""
    return "tiles" in dispatch.params and dispatch.params["frame"] == 2


def rendering(gateway: Whole, spoiled: Which, instead: Behaviour) -> Behaviour:
    """Return a node's behaviour that renders and merges tiles, except for one spoiled unit."""
    tile, frame = telling(gateway, EXR), telling(gateway, PNG)

    async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
        usual = tile if "tile" in dispatch.params else frame
        await (instead if spoiled(dispatch) else usual)(node, dispatch)

    return behave


async def ordered(gateway: Whole, person: Creator, **more: str) -> str:
    body = {"job_type": "render", "payload_ref": await sent(gateway, person), "queue": True}
    status, placed = await person.call("POST", "/jobs/dispatch", {**body, **TILED, **more})
    assert status in (200, 202), placed
    return str(placed["job_id"])


async def until_done(person: Creator, job: str, count: int) -> None:
    async def progressed() -> bool:
        return bool((await person.job(job))["done"] >= count)

    await until(progressed)


async def zipped(person: Creator, job: str) -> dict[str, bytes]:
    status, found = await person.call("GET", f"/jobs/{job}/archive")
    assert status == 200, found
    async with person.http.get(found["download_url"]) as answer:
        assert answer.status == 200
        with zipfile.ZipFile(io.BytesIO(await answer.read())) as archive:
            return {name: archive.read(name) for name in archive.namelist()}


async def refund(gateway: Whole, job: str, number: int, units: int) -> None:
    """Refund a part of a unit's charge, in 1/10,000 credits."""
    unit = await gateway.gateway.tables.credits.charged_unit(UUID(job), number)
    assert unit is not None
    act = Act(gateway.gateway.ports.clock.now(), None, "console", REFUND, "", "as a courtesy")
    assert isinstance(await commit(gateway.gateway, refund_of(unit, units, "", act)), Posted)


async def test_tiles_of_a_frame_that_failed_are_fetched_and_the_frame_made_after_all(
    gateway: Whole, jane: Creator
) -> None:
    job = await ordered(gateway, jane)
    node = rendering(gateway, merge_of_two, fails("scene", "the passes do not fit"))
    async with FakeNode(gateway.url, behave=node):
        found = await jane.job_within(job, "FAILED")
    assert found["charged"] == "20.0000"
    assert found["loose_tiles"] == {"tiles": 2, "checking": 0, "charged": "10.0000"}
    await refund(gateway, job, 3, 20_000)
    found = await jane.job(job)
    assert (found["charged"], found["loose_tiles"]["charged"]) == ("18.0000", "8.0000")
    assert await zipped(jane, job) == {
        "tiled-0001.png": PNG,
        "tiles/tiled-0002-0.exr": EXR,
        "tiles/tiled-0002-1.exr": EXR,
    }
    status, unit = await jane.call("POST", f"/jobs/{job}/units/5/retry")
    assert (status, unit["price"]) == (200, "0.0000")
    assert (await jane.job(job))["loose_tiles"] is None
    async with FakeNode(gateway.url, behave=telling(gateway, PNG)):
        found = await jane.job_within(job, "COMPLETED")
    assert (found["charged"], await held(jane)) == ("18.0000", "0.0000")
    assert await zipped(jane, job) == {"tiled-0001.png": PNG, "tiled-0002.png": PNG}
    assert await gateway.store.audit() == []


async def test_no_tile_begins_whose_frame_cannot_come_to_be_until_it_is_tried_again(
    gateway: Whole, jane: Creator
) -> None:
    job = await ordered(gateway, jane, tiles="2x2")
    spoiled, given = fails("scene", "no camera"), list[tuple[int, bool]]()

    def first_of_one(dispatch: JobDispatch) -> bool:
        given.append((dispatch.params["frame"], "tile" in dispatch.params))
        return bool(dispatch.params["frame"] == 1)

    async with FakeNode(gateway.url, behave=rendering(gateway, first_of_one, spoiled)):
        found = await jane.job_within(job, "FAILED")
    assert found["charged"] == "10.0000", "only the other frame is charged"
    assert given.count((1, True)) <= 2, "the node had at most two of the frame's tiles"
    assert await held(jane) == "0.0000"
    status, page = await jane.call("GET", f"/jobs/{job}/units")
    waited = [u for u in page["units"] if u["error_message"] == "another tile of its frame failed"]
    assert {(unit["state"], unit["error_code"]) for unit in waited} == {("FAILED", "part_failed")}
    status, _ = await jane.call("POST", f"/jobs/{job}/units/4/retry")
    assert (status, await held(jane)) == (200, "10.0000")
    async with FakeNode(gateway.url, behave=rendering(gateway, lambda _: False, spoiled)):
        found = await jane.job_within(job, "COMPLETED")
    assert (found["charged"], await held(jane)) == ("20.0000", "0.0000")
    assert await gateway.store.audit() == []


async def test_a_stop_says_which_tiles_were_paid_for_nothing(gateway: Whole, jane: Creator) -> None:
    job = await ordered(gateway, jane)
    status, refused = await jane.call("GET", f"/jobs/{job}/archive")
    assert (status, refused["detail"]) == (404, "No unit of the job is complete")
    node = rendering(gateway, tile_of_two, hangs(0.5))
    async with FakeNode(gateway.url, slots=2, behave=node):
        await until_done(jane, job, 4)
        status, stopped = await jane.call("POST", f"/jobs/{job}/stop")
    assert (status, stopped["status"], stopped["charged"]) == (200, "CANCELLED", "15.0000")
    assert stopped["loose_tiles"] == {"tiles": 1, "checking": 0, "charged": "5.0000"}
    assert await zipped(jane, job) == {"tiled-0001.png": PNG, "tiles/tiled-0002-0.exr": EXR}
    assert await gateway.store.audit() == []


async def test_a_quote_of_tiles_says_that_each_is_charged(gateway: Whole, jane: Creator) -> None:
    said = []
    for more in (TILED, {"frames": "1-2"}):
        status, quote = await jane.call("POST", "/jobs/quote", {"job_type": "render", **more})
        assert status == 200, quote
        said.append("Each tile is charged once verified" in quote["priced_how"])
    assert said == [True, False]
