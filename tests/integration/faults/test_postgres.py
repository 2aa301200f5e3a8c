"""Two gateways, one with a faulty connection to PostgreSQL: nothing is lost or doubled."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from sql.database import IDLE_SECONDS
from supervisors.engines.postgres import PostgresEndpoint
from tests.faults.gateway import FaultyGateway
from tests.faults.orders import ACCEPTED, MARK, RATE, Orders, is_job, register_customer
from tests.faults.postgres import ENDED, WRITE, swallow_writes
from tests.faults.proxy import Proxy
from tests.faults.trap import Trap
from tests.support.databases import findings
from tests.support.examples import chosen, series
from tests.support.until import until

pytestmark = pytest.mark.heavy
ANSWER_SECONDS = 30.0  # the gateway's two seconds, and time for a busy machine
TIMES = chosen(day=5, night=20)
CONNECTIONS_MAX = 30  # attempts per second to reach an absent server

KINDS: list[Callable[[Proxy], Trap]] = [
    swallow_writes,
    lambda proxy: proxy.cut(WRITE),
    lambda proxy: proxy.cut(MARK),
    lambda proxy: proxy.cut(ENDED, back=True),
    lambda proxy: proxy.strand(ENDED, back=True),
]
Trouble = Callable[[Proxy, Orders], Awaitable[None]]


async def late(proxy: Proxy, orders: Orders) -> None:
    proxy.delay = 0.1
    await orders.accepted(5)


async def late_now_and_then(proxy: Proxy, orders: Orders) -> None:
    proxy.jitter = chosen(day=0.03, night=0.1)
    await orders.accepted(5)


def repeated(name: str, kind: Callable[[Proxy], Trap]) -> Trouble:
    """Return a fault that occurs ``TIMES`` times, with an accepted order after each."""

    async def trouble(proxy: Proxy, orders: Orders) -> None:
        for _ in range(TIMES):
            trap = kind(proxy)
            await until(lambda trap=trap: trap.sprung)  # type: ignore[misc]
            await orders.accepted(1)

    trouble.__name__ = name
    return trouble


async def writes_swallowed_again_and_again(proxy: Proxy, orders: Orders) -> None:
    trap = swallow_writes(proxy, times=20)
    await until(lambda: trap.sprung == 20)


async def dead_unnoticed_before_writes(proxy: Proxy, orders: Orders) -> None:
    trap = proxy.strand(WRITE, times=3)
    await until(lambda: trap.sprung == 3)


async def dead_unnoticed_in_batches(proxy: Proxy, orders: Orders) -> None:
    trap = proxy.strand(MARK, times=3)
    await until(lambda: trap.sprung == 3)


async def connections_broken_off(proxy: Proxy, orders: Orders) -> None:
    for _ in range(10):
        await orders.accepted(1)
        proxy.break_off()


def storm(seed: int) -> Trouble:
    """Return a fault that combines ten random faults, chosen by the seed."""

    async def all_sorts(proxy: Proxy, orders: Orders) -> None:
        chance = random.Random(seed)
        proxy.jitter = 0.01
        for _ in range(10):
            trap = chance.choice(KINDS)(proxy)
            await until(lambda trap=trap: trap.sprung)  # type: ignore[misc]

    all_sorts.__name__ = f"storm_{seed}"
    return all_sorts


answers_swallowed = repeated("answers_to_writes_swallowed", swallow_writes)
cut_before = repeated("cut_before_writes", lambda proxy: proxy.cut(WRITE))
TROUBLES: list[Trouble] = [
    late,
    late_now_and_then,
    answers_swallowed,
    cut_before,
    writes_swallowed_again_and_again,
    dead_unnoticed_before_writes,
    dead_unnoticed_in_batches,
    repeated("cut_in_batches", lambda proxy: proxy.cut(MARK)),
    repeated("cut_in_answers_to_writes", lambda proxy: proxy.cut(ENDED, back=True)),
    connections_broken_off,
    *map(storm, (1, 2)),
]
BY_DAY = [late_now_and_then, answers_swallowed, cut_before, dead_unnoticed_before_writes]


@pytest.mark.parametrize("trouble", series(TROUBLES, BY_DAY), ids=lambda trouble: trouble.__name__)
async def test_what_was_accepted_is_done_once(
    gateway: FaultyGateway,
    neighbour: FaultyGateway,
    http: aiohttp.ClientSession,
    books: PostgresEndpoint,
    trouble: Trouble,
) -> None:
    here, there = (
        await register_customer(http, gateway.url),
        await register_customer(http, neighbour.url),
    )
    async with here.coming(), there.coming():
        await here.accepted(2)
        await there.accepted(2)
        await trouble(gateway.postgres, here)
        await there.accepted(5)
        gateway.postgres.mend()
        await here.accepted(5)
    await in_order(here, books)
    await in_order(there, books)


async def in_order(orders: Orders, books: PostgresEndpoint) -> None:
    assert set(orders.statuses) <= {*ACCEPTED, 503}
    assert orders.slowest < ANSWER_SECONDS
    await orders.again()
    await orders.check()
    assert await findings(books.owner_dsn) == []


@pytest.mark.parametrize("how", series(["silent", "away", "resetting"], ["silent", "away"]))
async def test_while_it_is_not_there_it_is_told_in_time_and_not_besieged(
    gateway: FaultyGateway,
    neighbour: FaultyGateway,
    http: aiohttp.ClientSession,
    books: PostgresEndpoint,
    how: str,
) -> None:
    proxy, loop = gateway.postgres, asyncio.get_running_loop()
    here, there = (
        await register_customer(http, gateway.url),
        await register_customer(http, neighbour.url),
    )
    async with here.coming(), there.coming():
        await here.accepted(2)
        await away(proxy, how)
        await here.turned_away(10)
        await gateway.becomes(http, "database", "unavailable")
        await gateway.becomes(http, "status", "degraded")
        began, made = loop.time(), proxy.made
        await here.turned_away(int(RATE * IDLE_SECONDS))
        tries = (proxy.made - made) / (loop.time() - began)
        await neighbour.becomes(http, "status", "ready")
        await there.accepted(5)
        await back(proxy, how)
        await here.accepted(5)
        await gateway.becomes(http, "status", "ready")
    await in_order(here, books)
    await in_order(there, books)
    assert tries < CONNECTIONS_MAX


async def away(proxy: Proxy, how: str) -> None:
    if how == "silent":
        proxy.hush()
    elif how == "away":
        await proxy.down()
    else:
        proxy.resets = True
        proxy.break_off()


async def back(proxy: Proxy, how: str) -> None:
    proxy.mend()
    await proxy.up()


async def test_one_persons_orders_at_two_gateways_are_all_done_once(
    gateway: FaultyGateway,
    neighbour: FaultyGateway,
    http: aiohttp.ClientSession,
    books: PostgresEndpoint,
) -> None:
    """Both gateways get the same orders under the same keys, while one gateway loses answers."""
    here = await register_customer(http, gateway.url)
    there = here.also_at(neighbour.url)
    async with here.coming(), there.coming():
        for _ in range(TIMES):
            trap = swallow_writes(gateway.postgres)
            await until(lambda trap=trap: trap.sprung)  # type: ignore[misc]
        gateway.postgres.mend()
    there.asked = here.asked = sorted({*here.asked, *there.asked})
    await in_order(here, books)
    await there.again()
    assert {key: told_of(there, key) for key in there.asked if is_job(key)} == {
        key: told_of(here, key) for key in here.asked if is_job(key)
    }


def told_of(orders: Orders, key: str) -> str:
    return str(orders.told[key]["job_id"])
