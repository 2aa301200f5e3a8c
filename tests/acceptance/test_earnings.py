"""What an operator earns, at a real gateway: pending, payable, paid out, disputed, claimed."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import pytest_asyncio

from rendertrust.testing import FakeNode
from tests.support.api_clients import Creator, Json
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import StartGateway
from tests.support.until import until

ADMIN, PASSWORD = "ada@example.org", "an admin's password"
WINDOW_SECONDS = 3.0
SHORT = {
    "RENDERTRUST_EARNINGS_DISPUTE_HOURS": str(WINDOW_SECONDS / 3600),
    "RENDERTRUST_EARNINGS_SWEEP_SECONDS": "0.2",
}


@pytest_asyncio.fixture(loop_scope="session")
async def gateway(start_gateway: StartGateway) -> AsyncIterator[Gateway]:
    """Where a share is payable after three seconds."""
    async with start_gateway(**SHORT) as running:
        yield running


async def operator(
    gateway: Gateway, http: aiohttp.ClientSession, email: str = "otto@example.org"
) -> Creator:
    person = Creator(http, gateway.url, email)
    await person.register()
    return person


async def admin(gateway: Gateway, http: aiohttp.ClientSession) -> Creator:
    who = ("--email", ADMIN, "--name", "Ada", "--password-stdin")
    code, said = await gateway.run("admin", "create", *who, told=f"{PASSWORD}\n")
    assert code == 0, said
    person = Creator(http, gateway.url, ADMIN)
    body = {"email": ADMIN, "password": PASSWORD}
    status, tokens = await person.call("POST", "/auth/login", body)
    assert status == 200, tokens
    person.token = tokens["access_token"]
    return person


async def rendered(creator: Creator) -> str:
    """A job that a node has done and was paid for."""
    status, placed = await creator.dispatch("render", queue=True)
    assert status in (200, 202), placed
    await creator.job_within(placed["job_id"], "COMPLETED")
    return str(placed["job_id"])


async def totals(person: Creator) -> dict[str, str]:
    """What is not nothing."""
    status, found = await person.call("GET", "/operators/me/earnings")
    assert status == 200, found
    return {name: amount for name, amount in found["totals"].items() if Decimal(amount)}


async def earns(person: Creator, **wanted: str) -> None:
    async def so() -> bool:
        return await totals(person) == wanted

    await until(so)


async def balance(person: Creator) -> str:
    return str((await person.call("GET", "/credits/balance"))[1]["balance"])


async def sound(gateway: Gateway) -> None:
    code, said = await gateway.fsck()
    assert code == 0, said


async def test_a_share_is_pending_then_payable_then_credits(
    gateway: Gateway, http: aiohttp.ClientSession, creator: Creator
) -> None:
    otto = await operator(gateway, http)
    async with FakeNode(gateway.url, user_token=otto.token):
        job = await rendered(creator)
    status, found = await otto.call("GET", "/operators/me/earnings")
    [share] = found["earnings"]
    assert (status, share["job_id"], share["amount"]) == (200, job, "7.0000")
    assert await balance(creator) == "90.0000"
    await earns(otto, payable="7.0000")
    status, problem = await creator.call("POST", f"/jobs/{job}/units/0/dispute", {"reason": "no"})
    assert status == 409, problem  # the window is over
    status, payout = await otto.call("POST", "/operators/me/payouts", {"to": "credits"})
    assert (status, payout["amount"], payout["state"]) == (200, "7.0000", "paid")
    assert await balance(otto) == "107.0000"
    assert await totals(otto) == {"paid": "7.0000"}
    status, statement = await otto.call(
        "GET", f"/operators/me/statement?month={payout['requested_at'][:7]}"
    )
    assert (statement["earned"], statement["paid"], statement["closing"]) == (
        *("7.0000", "-7.0000"),
        "0.0000",
    )
    await sound(gateway)


async def test_shares_become_payable_though_the_gateway_was_killed(
    gateway: Gateway, http: aiohttp.ClientSession, creator: Creator
) -> None:
    otto = await operator(gateway, http)
    async with FakeNode(gateway.url, user_token=otto.token):
        for _ in range(3):
            await rendered(creator)
    await gateway.kill()
    await gateway.start()
    await earns(otto, payable="21.0000")
    await sound(gateway)


async def test_an_upheld_dispute_gives_everything_back(
    gateway: Gateway, http: aiohttp.ClientSession, creator: Creator
) -> None:
    otto, ada = await operator(gateway, http), await admin(gateway, http)
    async with FakeNode(gateway.url, user_token=otto.token):
        job = await rendered(creator)
        status, dispute = await disputed(creator, job)
        assert status == 201, dispute
        other = await rendered(creator)
    await earns(otto, pending="7.0000", payable="7.0000")  # the other one; this waits
    body = {"reason": "it is black indeed"}
    status, decided = await ada.call("POST", f"/admin/disputes/{dispute['id']}/uphold", body)
    assert (status, decided["state"]) == (200, "upheld")
    assert await balance(creator) == "90.0000"
    assert await totals(otto) == {"payable": "7.0000", "reversed": "7.0000"}
    _, audit = await ada.call("GET", f"/admin/audit?target=dispute:{dispute['id']}")
    assert [record["act"] for record in audit["records"]] == ["dispute.uphold"]
    assert (await disputed(creator, other))[0] == 409
    await sound(gateway)


async def disputed(creator: Creator, job: str) -> tuple[int, Any]:
    return await creator.call("POST", f"/jobs/{job}/units/0/dispute", {"reason": "it is black"})


async def test_what_a_node_earned_before_it_had_an_owner_is_claimed_once(
    gateway: Gateway, http: aiohttp.ClientSession, creator: Creator
) -> None:
    otto = await operator(gateway, http)
    async with FakeNode(gateway.url) as stray:
        for _ in range(2):
            await rendered(creator)
    assert await totals(otto) == {}
    async with FakeNode(gateway.url, user_token=otto.token, key=stray.key) as node:
        assert node.node_id == stray.node_id
        await earns(otto, payable="14.0000")
        await rendered(creator)
    await earns(otto, payable="21.0000")
    eve = Creator(http, gateway.url, "eve@example.org")
    await eve.register()
    async with FakeNode(gateway.url, user_token=eve.token, key=stray.key):
        assert await totals(eve) == {}
    status, payout = await otto.call("POST", "/operators/me/payouts", {"to": "credits"})
    assert (status, payout["units"]) == (200, 3)
    await sound(gateway)


async def test_money_goes_through_a_batch(
    gateway: Gateway, http: aiohttp.ClientSession, creator: Creator
) -> None:
    otto, ada = await operator(gateway, http), await admin(gateway, http)
    async with FakeNode(gateway.url, user_token=otto.token):
        await rendered(creator)
    await earns(otto, payable="7.0000")
    asked: Json = {"to": "money"}
    status, payout = await otto.call("POST", "/operators/me/payouts", asked)
    assert status == 202, payout
    body: Json = {"payouts": [payout["id"]], "reason": "checked"}
    status, batch = await ada.call("POST", "/admin/payouts/approve", body)
    assert status == 200, batch
    body = {"reference": "wire 1", "reason": "sent"}
    status, paid = await ada.call("POST", f"/admin/batches/{batch['batch_id']}/paid", body)
    assert (status, paid["left"]) == (200, 0)
    assert await totals(otto) == {"paid": "7.0000"}
    await sound(gateway)
