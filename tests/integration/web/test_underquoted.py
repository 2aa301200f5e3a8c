"""Frames that take over three times their quote, through a whole gateway: they fail and get a new
quote.
"""

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from config.settings import Leases
from rendertrust.protocol import JobCancel
from rendertrust.testing import FakeNode, hangs
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.test_preflights import REPORT, held, sent, somebody, wait_for_look
from tests.integration.web.test_pricing import (
    Json,
    dispatched,
    key,
    ours,
    own,
    quoted,
    settings,
)
from tests.support.until import until
from tests.support.whole_gateway import Whole, whole

__all__ = ["key", "own"]  # fixtures
ONE: Json = {"frames": "1", "params": {"width": 4, "height": 4, "samples": 1}}


@pytest.fixture
async def gateway(database: PostgresEndpoint, own: str) -> AsyncGenerator[Whole]:
    quick: dict[str, Any] = {
        "quote_start_seconds": 0.0,
        "leases": Leases(renew_seconds=0.5),
        "first_lease_seconds": 0.5,
    }
    async with whole(database, settings(own), require_object=True, **quick) as running:
        yield running


async def test_frames_by_size_are_held_to_their_price_where_a_gateway_measures(
    database: PostgresEndpoint, own: str, http: aiohttp.ClientSession
) -> None:
    """While no verifier is connected, a heavy scene is no cheaper than what its frames take."""
    quick: dict[str, Any] = {
        "quote_start_seconds": 0.0,
        "leases": Leases(renew_seconds=0.5),
        "first_lease_seconds": 0.5,
    }
    cheap = settings(own, frame_base_percent=1)  # 0.6 s of work for frames of a few pixels
    async with whole(database, cheap, require_object=True, **quick) as gateway:
        jane = await somebody(gateway, http, "jane")
        scene = await sent(gateway, jane)
        before = await quoted(jane, scene, **ONE)
        assert (before["priced_by"], before["price"]) == ("size", "0.1001")
        _, placed = await dispatched(jane, scene, **ONE, quoted=before["price"])
        async with AsyncExitStack() as stack:
            for name in ("ann", "bob", "cleo"):
                owner = await somebody(gateway, http, name)
                fake = FakeNode(gateway.url, user_token=owner.token, behave=hangs(0.5), name=name)
                await stack.enter_async_context(fake)

            async def failed() -> bool:
                job = (await jane.call("GET", f"/jobs/{placed['job_id']}"))[1]
                return bool(job["status"] == "FAILED")

            await until(failed)
        (unit,) = (await jane.call("GET", f"/jobs/{placed['job_id']}/units"))[1]["units"]
        assert (unit["error_code"], await held(jane)) == ("underquoted", "0.0000")
        after = await quoted(jane, scene, **ONE)
        assert after["priced_by"] == "size"
        assert Decimal(after["price"]) > 5 * Decimal(before["price"])
        assert "how long such frames took" in after["basis"]


async def test_over_three_times_its_quote_on_nodes_of_three_owners(
    gateway: Whole, http: aiohttp.ClientSession, key: Ed25519PrivateKey
) -> None:
    jane = await somebody(gateway, http, "jane")
    scene = await sent(gateway, jane)
    async with ours(gateway, key, REPORT):
        await wait_for_look(jane, scene)
    before = await quoted(jane, scene, **ONE)
    assert before["priced_by"] == "work"
    status, placed = await dispatched(jane, scene, **ONE, quoted=before["price"])
    assert status in (200, 202), placed
    async with AsyncExitStack() as stack:
        nodes = []
        for name in ("ann", "bob", "cleo"):
            owner = await somebody(gateway, http, name)
            fake = FakeNode(gateway.url, user_token=owner.token, behave=hangs(0.5), name=name)
            nodes.append(await stack.enter_async_context(fake))

        async def failed() -> Json:
            job = (await jane.call("GET", f"/jobs/{placed['job_id']}"))[1]
            return job if job["status"] == "FAILED" else {}

        job = await until(failed)
        for node in nodes:
            assert "over 3 times" in str((await node.next(JobCancel, within=60)).reason)
    assert (job["charged"], await held(jane)) == ("0.0000", "0.0000")
    (unit,) = (await jane.call("GET", f"/jobs/{job['id']}/units"))[1]["units"]
    assert (unit["error_class"], unit["attempt"]) == ("scene", 3)
    assert unit["error_code"] == "underquoted"
    after = await quoted(jane, scene, **ONE)
    rounded_up = Decimal("0.0001")
    assert Decimal(after["price"]) >= 6 * (Decimal(before["price"]) - rounded_up), (
        "3 times the quote, at half the work"
    )
    _, _, said = unit["error_message"].partition("the new quote is about ")
    assert float(said.split()[0]) == pytest.approx(float(after["price"]), rel=0.01)
    for again in (f"/jobs/{job['id']}/units/0/retry", f"/jobs/{job['id']}/retry"):
        status, refused = await jane.call("POST", again)
        assert (status, refused["code"]) == (409, "underquoted"), refused
        assert (refused["frames"], refused["price"]) == ("1", before["price"])
        assert float(refused["new_price"]) == pytest.approx(float(after["price"]), rel=0.01)
        assert "Submit frame 1 again, as a separate job" in refused["detail"]
    assert await held(jane) == "0.0000"
    status, refused = await dispatched(jane, scene, **ONE, quoted=before["price"])
    assert status == 409, refused
    assert f"{after['price']} now, but {before['price']} was quoted" in refused["detail"]
    assert (await dispatched(jane, scene, **ONE, quoted=after["price"]))[0] in (200, 202)
    records = await gateway.store.records([UUID(node.node_id) for node in nodes])
    assert [record for record in records if "m" in record.since] == []
    assert await gateway.store.audit() == []
