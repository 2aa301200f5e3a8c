"""A customer that sends requests at a steady rate during faults, and then checks the books."""

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

RATE = 30.0  # requests per second
# Unanswered requests at a time: more than a gateway has database connections. The limit slows the
# customer down on a slow machine; otherwise requests would wait so long that they are refused.
OUTSTANDING_MAX = 20
BUSY_SECONDS = 240.0  # only a hang takes longer
# in credits: initial balance, price of a job, amount of a deduction
STARTER, PRICE, AMOUNT = 10_000.0, 1.0, 0.5
ACCEPTED = {200, 202}
MARK = b"scene-of-"  # part of every job's request, found in the traffic to the database
NUMBERS = count(1)


@attrs.define
class Orders:
    """A customer that sends jobs with an idempotency key and deductions with a reference, in turn.

    Each request must take effect once. ``told`` has the accepted answers by key; ``refused`` counts
    answers of 503; ``slowest`` is in seconds.
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
        """Return a customer that sends the same requests of the same account to another gateway."""
        return Orders(dataclasses.replace(self.person, url=url), self.name)

    @contextlib.asynccontextmanager
    async def coming(self) -> AsyncGenerator[None]:
        """Send requests until the block ends, and wait for all answers."""
        async with asyncio.TaskGroup() as group:
            pace = group.create_task(self._pace(group))
            try:
                yield
            finally:
                pace.cancel()

    async def accepted(self, more: int) -> None:
        """Wait until so many more requests are accepted."""
        wanted = len(self.told) + more
        await until(lambda: len(self.told) >= wanted, within=BUSY_SECONDS)

    async def turned_away(self, more: int) -> None:
        """Wait until so many more requests are refused."""
        wanted = self.refused + more
        await until(lambda: self.refused >= wanted, within=BUSY_SECONDS)

    async def again(self) -> None:
        """Repeat each request that is not accepted yet, until it is accepted."""
        await asyncio.gather(*(self._insist(key) for key in self.asked if key not in self.told))

    async def check(self) -> None:
        """Check that each request took effect once, and that all accepted jobs exist."""
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
        """Return the body of a GET request; repeat the request while the answer is 503."""

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


async def register_customer(http: aiohttp.ClientSession, url: str) -> Orders:
    """Register a customer."""
    orders = Orders(Creator(http, url, ""))

    async def registered() -> bool:
        orders.person.email = f"{orders.name}-{next(NUMBERS)}@example.org"
        return await orders.person.can_register()

    await until(registered)
    return orders
