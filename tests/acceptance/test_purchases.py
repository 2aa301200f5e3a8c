"""Purchases at a gateway in its own process, with the Stripe stand-in that it starts."""

import asyncio
import signal

import aiohttp
import pytest

from tests.support.api_clients import Creator
from tests.support.examples import series
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import gateway_with
from tests.support.until import until

POINTS = ("before_commit.StripeEvent", "after_commit.StripeEvent")
OPENINGS = (
    "before_commit.PurchaseOpen",
    "after_commit.PurchaseOpen",
    "before_commit.PurchaseSession",
    "after_commit.PurchaseSession",
)


gateway = gateway_with()


async def checkout(creator: Creator, key: str = "k") -> str:
    """Ask for a checkout with one key until it is answered, and return its URL."""

    async def begun() -> str | None:
        try:
            status, answer = await creator.call(
                "POST", "/credits/checkout", {"sku": "cred10"}, **{"Idempotency-Key": key}
            )
        except aiohttp.ClientError:
            return None
        return answer["url"] if status == 200 else None

    return str(await until(begun))


async def pay(http: aiohttp.ClientSession, url: str) -> None:
    """Send the request of the payment page's Pay button."""
    async with http.post(f"{url}/card", allow_redirects=False) as answer:
        assert answer.status == 303, await answer.text()


async def has(creator: Creator, credits_: str) -> None:
    async def there() -> bool:
        try:
            _, found = await creator.call("GET", "/credits/balance")
        except aiohttp.ClientError:
            return False
        return bool(found.get("balance") == credits_)

    await until(there)


async def check_books(gateway: Gateway, creator: Creator) -> None:
    """Check that the user's history has two entries: the purchase and the starter credits."""
    _, history = await creator.call("GET", "/credits/history")
    sources = sorted(entry["source"] for entry in history["entries"])
    assert sources == ["ADJUSTMENT", "STRIPE"]
    code, said = await gateway.fsck()
    assert code == 0, said


@pytest.mark.parametrize("point", series(POINTS, ["after_commit.StripeEvent"]))
async def test_killed_while_a_payment_is_booked(
    gateway: Gateway, creator: Creator, http: aiohttp.ClientSession, point: str
) -> None:
    """The stand-in sends its webhook again, because it got no answer."""
    await gateway.restart(RENDERTRUST_CRASH_AT=f"{point}:2")
    url = await checkout(creator)
    await pay(http, url)
    assert await gateway.ended() == -signal.SIGKILL
    await gateway.start()
    await has(creator, "200.0000")
    await check_books(gateway, creator)


@pytest.mark.parametrize("point", series(OPENINGS, ["after_commit.PurchaseOpen"]))
async def test_killed_while_a_purchase_is_begun(
    gateway: Gateway, creator: Creator, http: aiohttp.ClientSession, point: str
) -> None:
    """One key gives one purchase with one session, whenever the gateway was killed."""
    await gateway.restart(RENDERTRUST_CRASH_AT=f"{point}:1")
    begun = asyncio.ensure_future(checkout(creator))
    assert await gateway.ended() == -signal.SIGKILL
    await gateway.start()
    url = await begun
    assert await checkout(creator) == url
    await pay(http, url)
    await has(creator, "200.0000")
    await check_books(gateway, creator)
