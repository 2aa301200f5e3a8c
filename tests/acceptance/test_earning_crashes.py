"""The gateway dies exactly before and after each step in the life of a share; it happens once."""

import contextlib
import signal
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from rendertrust.testing import FakeNode
from tests.acceptance.test_earnings import SHORT, earns, operator, rendered, sound
from tests.support.api_clients import Creator
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import StartGateway
from tests.support.nightly import by_day
from tests.support.until import until

WHEN = ("before", "after")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway(start_gateway: StartGateway) -> AsyncIterator[Gateway]:
    """One data folder for all these deaths."""
    async with start_gateway(**SHORT) as running:
        yield running


async def paid_out(person: Creator, key: str) -> tuple[int, str]:
    """Asked until it is answered, always with the same key: the status and the payout's id."""

    async def answered() -> tuple[int, str] | None:
        try:
            status, answer = await person.call(
                "POST", "/operators/me/payouts", {"to": "credits"}, **{"Idempotency-Key": key}
            )
        except aiohttp.ClientError:
            return None
        return (status, answer["id"]) if status == 200 else None

    found = await until(answered)
    assert found is not None, "until waits for it"
    return found


@pytest.mark.parametrize("when", by_day(WHEN, ["after"]))
async def test_killed_at_a_payout_it_is_paid_once(
    gateway: Gateway, http: aiohttp.ClientSession, creator: Creator, when: str
) -> None:
    otto = await operator(gateway, http, f"{creator.email}.operator")
    async with FakeNode(gateway.url, user_token=otto.token):
        await rendered(creator)
    await earns(otto, payable="7.0000")
    await gateway.restart(RENDERTRUST_CRASH_AT=f"{when}_commit.PayoutTake:1")
    with pytest.raises(aiohttp.ClientError):
        await otto.call(
            "POST", "/operators/me/payouts", {"to": "credits"}, **{"Idempotency-Key": "k"}
        )
    assert await gateway.ended() == -signal.SIGKILL
    await gateway.start()
    assert await paid_out(otto, "k") == await paid_out(otto, "k")
    _, balance = await otto.call("GET", "/credits/balance")
    assert balance["balance"] == "107.0000"
    assert (await otto.call("GET", "/operators/me/payouts"))[1]["count"] == 1
    await sound(gateway)


@pytest.mark.parametrize("when", by_day(WHEN, ["before"]))
async def test_killed_when_a_share_ripens_it_ripens_once(
    gateway: Gateway, http: aiohttp.ClientSession, creator: Creator, when: str
) -> None:
    await gateway.restart(RENDERTRUST_CRASH_AT=f"{when}_commit.EarningMature:1")
    otto = await operator(gateway, http, f"{creator.email}.operator")
    async with FakeNode(gateway.url, user_token=otto.token):
        await rendered(creator)
    assert await gateway.ended() == -signal.SIGKILL
    await gateway.start()
    await earns(otto, payable="7.0000")
    await sound(gateway)


@pytest.mark.parametrize("when", by_day(WHEN, ["after"]))
async def test_killed_when_a_share_is_claimed_it_is_claimed_once(
    gateway: Gateway, http: aiohttp.ClientSession, creator: Creator, when: str
) -> None:
    await gateway.restart(RENDERTRUST_CRASH_AT=f"{when}_commit.EarningClaim:1")
    otto = await operator(gateway, http, f"{creator.email}.operator")
    async with FakeNode(gateway.url) as stray:
        await rendered(creator)
    # The claim follows on the proof at once: the node may not even have its answer.
    with contextlib.suppress(aiohttp.ClientError, ConnectionError):
        async with FakeNode(gateway.url, user_token=otto.token, key=stray.key):
            await gateway.ended()
    assert await gateway.ended() == -signal.SIGKILL
    await gateway.start()
    async with FakeNode(gateway.url, user_token=otto.token, key=stray.key):  # it asks at once
        await earns(otto, payable="7.0000")
    await sound(gateway)
