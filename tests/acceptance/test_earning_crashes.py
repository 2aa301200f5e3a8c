"""The gateway crashes exactly before and after each step in an earning's life; each step happens
once.
"""

import contextlib
import signal
from decimal import Decimal

import aiohttp
import pytest

from rendertrust.testing import FakeNode
from tests.support.api_clients import Creator
from tests.support.examples import series
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import gateway_with
from tests.support.until import until

WHEN = ("before", "after")
WINDOW_SECONDS = 3.0


gateway = gateway_with(
    {
        "RENDERTRUST_EARNINGS_DISPUTE_HOURS": str(WINDOW_SECONDS / 3600),
        "RENDERTRUST_EARNINGS_SWEEP_SECONDS": "0.2",
    }
)
"""Where a share is payable after three seconds."""


async def operator(gateway: Gateway, http: aiohttp.ClientSession, email: str) -> Creator:
    person = Creator(http, gateway.url, email)
    await person.register()
    return person


async def rendered(creator: Creator) -> None:
    """Let a node complete a paid job."""
    status, placed = await creator.dispatch("render", queue=True)
    assert status in (200, 202), placed
    await creator.job_within(placed["job_id"], "COMPLETED")


async def totals(person: Creator) -> dict[str, str]:
    """Return the totals that are not zero."""
    status, found = await person.call("GET", "/operators/me/earnings")
    assert status == 200, found
    return {name: amount for name, amount in found["totals"].items() if Decimal(amount)}


async def earns(person: Creator, **wanted: str) -> None:
    async def so() -> bool:
        return await totals(person) == wanted

    await until(so)


async def sound(gateway: Gateway) -> None:
    code, said = await gateway.fsck()
    assert code == 0, said


async def request_payout(person: Creator, key: str) -> tuple[int, str]:
    """Ask for a payout with the same key until it is answered; return status and id."""

    async def answered() -> tuple[int, str] | None:
        try:
            status, answer = await person.call(
                "POST", "/operators/me/payouts", {"to": "credits"}, **{"Idempotency-Key": key}
            )
        except aiohttp.ClientError:
            return None
        return (status, answer["id"]) if status == 200 else None

    found = await until(answered)
    assert found is not None, "until() returns only what is found"
    return found


@pytest.mark.parametrize("when", series(WHEN, ["after"]))
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
    assert await request_payout(otto, "k") == await request_payout(otto, "k")
    _, balance = await otto.call("GET", "/credits/balance")
    assert balance["balance"] == "107.0000"
    assert (await otto.call("GET", "/operators/me/payouts"))[1]["count"] == 1
    await sound(gateway)


@pytest.mark.parametrize("when", series(WHEN, ["before"]))
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


@pytest.mark.parametrize("when", series(WHEN, ["after"]))
async def test_killed_when_a_share_is_claimed_it_is_claimed_once(
    gateway: Gateway, http: aiohttp.ClientSession, creator: Creator, when: str
) -> None:
    await gateway.restart(RENDERTRUST_CRASH_AT=f"{when}_commit.EarningClaim:1")
    otto = await operator(gateway, http, f"{creator.email}.operator")
    async with FakeNode(gateway.url) as stray:
        await rendered(creator)
    # The gateway crashes at the claim right after the proof, so the node may get no answer to the
    # proof.
    with contextlib.suppress(aiohttp.ClientError, ConnectionError):
        async with FakeNode(gateway.url, user_token=otto.token, key=stray.key):
            await gateway.ended()
    assert await gateway.ended() == -signal.SIGKILL
    await gateway.start()
    # The node proves its key at once.
    async with FakeNode(gateway.url, user_token=otto.token, key=stray.key):
        await earns(otto, payable="7.0000")
    await sound(gateway)
