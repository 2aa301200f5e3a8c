"""What a plain client and a plain node meet beside the reference, which `conformance` looks at."""

import aiohttp

from tests.support.api_clients import Creator, PlainNode
from tests.support.gateway_process import Gateway


async def test_a_render_job_costs_ten_credits(
    gateway: Gateway, http: aiohttp.ClientSession, creator: Creator
) -> None:
    node = PlainNode(http, gateway.url, ("render",))
    await node.register()
    await node.heartbeat()
    status, placed = await creator.dispatch("render")
    assert (status, placed["status"]) == (200, "DISPATCHED")
    assert await balance(creator) == ("100.0000", "10.0000")
    await node.connect()
    await node.receive("job_dispatch")
    done = {"job_id": placed["job_id"], "result_ref": "s3://results/frame.png"}
    await node.say("job_result", status="completed", **done)
    await creator.job_within(placed["job_id"], "COMPLETED")
    await node.leave()
    assert await balance(creator) == ("90.0000", "0.0000")


async def test_a_cancelled_job_costs_nothing(
    gateway: Gateway, http: aiohttp.ClientSession, creator: Creator
) -> None:
    node = PlainNode(http, gateway.url, ("render",))
    await node.register()
    await node.heartbeat()
    _, placed = await creator.dispatch("render")
    status, _ = await creator.call("POST", f"/jobs/{placed['job_id']}/cancel")
    assert status == 200
    assert await balance(creator) == ("100.0000", "0.0000")


async def balance(creator: Creator) -> tuple[str, str]:
    """Booked, and held of it."""
    status, found = await creator.call("GET", "/credits/balance")
    assert status == 200
    return found["balance"], found["held"]


async def test_a_second_connection_replaces_the_first_which_is_closed_with_4003(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    node = PlainNode(http, gateway.url, ("echo",))
    await node.register()
    await node.connect()
    first = node.socket
    assert first is not None
    headers = {"Authorization": f"Bearer {node.token}"}
    target = f"{gateway.url}/api/v1/relay/ws/{node.id}"
    async with http.ws_connect(target, headers=headers) as second:
        message = await first.receive(timeout=60)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 4003)
        await second.ping()
        assert not second.closed
