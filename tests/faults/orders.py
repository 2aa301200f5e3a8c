"""A customer who orders at a steady pace, whatever becomes of it, and then counts."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncGenerator
from itertools import count
from typing import Any

import aiohttp
import attrs

from tests.support.api_clients import Creator
from tests.support.until import until

RATE = 30.0
# More than a gateway has connections to its database; and no more, so that a slow machine sets the
# pace itself: what waits for longer than a gateway does is refused.
OUTSTANDING_MAX = 20
BUSY_SECONDS = 240.0  # only a hang takes longer
STARTER, PRICE, AMOUNT = 10_000.0, 1.0, 0.5  # credits: at first, of a job, of a deduction
ACCEPTED = {200, 202}
MARK = b"scene-of-"  # stands in what every job's order has written into the database
NUMBERS = count(1)


@attrs.define
class Orders:
    """Jobs under an Idempotency-Key and deductions by reference, in turn: each is done once.

    ``told`` is what was accepted, by key; ``refused`` counts answers of 503; ``slowest``: seconds.
    """

    person: Creator
    name: str = attrs.field(factory=lambda: f"o{next(NUMBERS)}")
    asked: list[str] = attrs.Factory(list)
    told: dict[str, Any] = attrs.Factory(dict)
    statuses: list[int] = attrs.Factory(list)
    refused: int = 0
    slowest: float = 0.0
    room: asyncio.Semaphore = attrs.field(factory=lambda: asyncio.Semaphore(OUTSTANDING_MAX))

    def also_at(self, url: str) -> "Orders":
        """The same person with the same orders, at another gateway."""
        return Orders(dataclasses.replace(self.person, url=url), self.name)

    @contextlib.asynccontextmanager
    async def coming(self) -> AsyncGenerator[None]:
        """They are made until the block ends, and all are answered then."""
        async with asyncio.TaskGroup() as group:
            pace = group.create_task(self._pace(group))
            try:
                yield
            finally:
                pace.cancel()

    async def accepted(self, more: int) -> None:
        """So many more are accepted from now on."""
        wanted = len(self.told) + more
        await until(lambda: len(self.told) >= wanted, within=BUSY_SECONDS)

    async def turned_away(self, more: int) -> None:
        """So many more are refused from now on."""
        wanted = self.refused + more
        await until(lambda: self.refused >= wanted, within=BUSY_SECONDS)

    async def again(self) -> None:
        """What nobody knows of is asked for until it is accepted."""
        await asyncio.gather(*(self._insist(key) for key in self.asked if key not in self.told))

    async def check(self) -> None:
        """Each is done once, and what was told is there."""
        jobs = [key for key in self.asked if is_job(key)]
        spent = len(self.asked) - len(jobs)
        found = await self._read("/credits/balance")
        left = STARTER - AMOUNT * spent
        assert float(found["balance"]) == left, (found, self.statuses)
        assert float(found["available"]) == left - PRICE * len(jobs), found
        listed = await self._read("/jobs?limit=100")
        assert listed["count"] == len(jobs)
        there = {job["id"] for job in listed["jobs"]}
        for key in jobs:
            job = self.told[key]["job_id"]
            assert job in there or await self._read(f"/jobs/{job}")

    async def _read(self, path: str) -> Any:
        """A busy machine may be late."""

        async def found() -> bool:
            status, answer = await self.person.once("GET", path)
            assert status in (200, 503), answer
            read.append(answer)
            return status == 200

        read: list[Any] = []
        await until(found)
        return read[-1]

    async def _pace(self, group: asyncio.TaskGroup) -> None:
        for number in count(1):
            key = f"{self.name}-{'job' if number % 2 else 'spent'}-{number}"
            await self.room.acquire()
            self.asked.append(key)
            group.create_task(self._one(key)).add_done_callback(lambda _: self.room.release())
            await asyncio.sleep(1 / RATE)

    async def _one(self, key: str) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        status, answer = await self._order(key)
        self.slowest = max(self.slowest, loop.time() - began)
        self.statuses.append(status)
        self.refused += status == 503
        if status in ACCEPTED:
            self.told[key] = answer

    async def _order(self, key: str) -> tuple[int, Any]:
        if not is_job(key):
            body = {"amount": f"{AMOUNT}", "reference_id": key}
            return await self.person.once("POST", "/credits/deduct", body)
        payload = f"s3://elsewhere/input/{MARK.decode()}{self.name}.blend"
        job: dict[str, Any] = {"job_type": "cpu_benchmark", "payload_ref": payload, "queue": True}
        return await self.person.once("POST", "/jobs/dispatch", job, **{"Idempotency-Key": key})

    async def _insist(self, key: str) -> None:
        async def done() -> bool:
            async with self.room:
                await self._one(key)
            return key in self.told

        await until(done, within=BUSY_SECONDS)


def is_job(key: str) -> bool:
    return "-job-" in key


async def customer(http: aiohttp.ClientSession, url: str) -> Orders:
    """With an account of his own."""
    orders = Orders(Creator(http, url, ""))

    async def registered() -> bool:
        orders.person.email = f"{orders.name}-{next(NUMBERS)}@example.org"
        return await orders.person.can_register()

    await until(registered)
    return orders
