"""Deductions in random orders, many at once, over the real Ledger and PostgreSQL."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from rendertrust import money
from sql.database import Database
from supervisors.engines.postgres import PostgresEndpoint
from tests.support.engines import LoopThread
from tests.support.examples import examples
from tests.support.http_gateway import Face, serving, settings_for_tests, with_ledger

STARTER = 1_000_000
NUMBERS = count(1)
# Units, and the number of a reference: some are asked for twice, with one amount or with two.
ORDERS = st.lists(st.tuples(st.integers(1, 300_000), st.integers(0, 7)), min_size=1, max_size=24)


@pytest.fixture
def face(database: PostgresEndpoint, engine_loop: LoopThread) -> Iterator[Face]:
    """A site on the loop of the engines: properties are looked for without a loop."""
    pool, stack = Database(lambda: database.app_dsn), AsyncExitStack()
    site = serving(pool, settings_for_tests(), with_ledger(pool))
    yield engine_loop.run(stack.enter_async_context(site))
    engine_loop.run(stack.aclose())
    engine_loop.run(pool.close())


@given(orders=ORDERS)
@examples(0.4, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_deductions_at_once_never_go_below_zero_and_add_up(
    face: Face, engine_loop: LoopThread, orders: list[tuple[int, int]]
) -> None:
    engine_loop.run(at_once(face, orders))


async def at_once(face: Face, orders: list[tuple[int, int]]) -> None:
    user = await face.user(f"user{next(NUMBERS)}@example.org")
    answers = await asyncio.gather(*(deduct(face, user, *order) for order in orders))
    booked: dict[str, int] = {}
    for (units, _), (status, said) in zip(orders, answers, strict=True):
        assert status in (200, 402, 409), said
        if status == 200:
            assert said["amount"] == money.render(units)
            booked[said["id"]] = units
        elif status == 402:
            assert said["requested"] == money.render(units)
    await check(face, user, booked)


async def check(face: Face, user: dict[str, str], booked: dict[str, int]) -> None:
    """What was answered is what is there: no more, no less, and never below zero."""
    left = STARTER - sum(booked.values())
    assert left >= 0
    balance = await get(face, user, "balance")
    assert balance["balance"] == balance["available"] == money.render(left)
    history = await get(face, user, "history?limit=100")
    entries = list(reversed(history["entries"]))
    assert {entry["id"] for entry in entries[1:]} == booked.keys()
    assert len({entry["reference_id"] for entry in entries}) == len(entries) == history["count"]
    running = STARTER
    for entry in entries[1:]:
        running -= booked[entry["id"]]
        assert entry["balance_after"] == money.render(running)


async def deduct(
    face: Face, user: dict[str, str], units: int, reference: int
) -> tuple[int, dict[str, Any]]:
    body = {"amount": money.render(units), "reference_id": f"r{reference}"}
    async with face.client.post("/api/v1/credits/deduct", json=body, headers=user) as answer:
        return answer.status, await answer.json()


async def get(face: Face, user: dict[str, str], path: str) -> dict[str, Any]:
    async with face.client.get(f"/api/v1/credits/{path}", headers=user) as answer:
        assert answer.status == 200
        found: dict[str, Any] = await answer.json()
        return found
