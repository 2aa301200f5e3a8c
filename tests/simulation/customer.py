"""Customers in the simulation: they submit, repeat what was not answered, and cancel."""

import asyncio
from typing import Any
from uuid import UUID

from actors.kernel import AskFailed
from actors.ledger.messages import (
    ADJUSTMENTS,
    Commit,
    JobCancel,
    Posted,
    Replayed,
    Transfer,
    user_account,
)
from actors.scheduler.messages import Dispatch, UnitsChanged
from tests.simulation.gateway import SimulatedGateway
from tests.twins.random import TwinRandom

ASK_SECONDS = 2.0
CREDITS = 10_000_000


class Customer:
    """``acknowledged`` maps the keys of submissions to the jobs that were promised for them."""

    def __init__(self, user: UUID, gateway: SimulatedGateway, chance: TwinRandom) -> None:
        self.user = user
        self.acknowledged: dict[str, UUID] = {}
        self.submitted: set[str] = set()
        self.newest = ""
        self.is_done = False
        self._gateway = gateway
        self._chance = chance

    async def live(self) -> None:
        """Submit jobs now and then until told that it is enough."""
        await self._fund()
        while not self.is_done:
            await asyncio.sleep(self._chance.uniform(1.0, 60.0))
            job = await self._submit(self._new_key(), tries=30)
            if job is not None and self._chance.uniform(0, 1) < 0.1:
                await asyncio.sleep(self._chance.uniform(0.0, 20.0))
                await self._cancel(job)

    async def _fund(self) -> None:
        account = user_account(self.user)
        gift = Transfer(ADJUSTMENTS, account, account, CREDITS, "ADJUSTMENT", "start")
        while True:
            if isinstance(await self._commit(Commit(postings=(gift,))), Posted | Replayed):
                return
            await asyncio.sleep(1.0)

    async def _commit(self, commit: Commit) -> Any:
        try:
            return await self._gateway.ledger.ask(commit, within=ASK_SECONDS)
        except (AskFailed, LookupError):
            return None

    async def submit_some(self, count: int) -> None:
        """When nothing goes wrong any more, every submission is taken at the first try."""
        for _ in range(count):
            await self._submit(self._new_key(), tries=1)

    def _new_key(self) -> str:
        key = f"key-{len(self.submitted)}"
        self.submitted.add(key)
        self.newest = key
        return key

    async def _submit(self, key: str, *, tries: int) -> UUID | None:
        """Try until it is answered, each time as a new request with the same key."""
        price = 100_000 if self._chance.uniform(0, 1) < 0.7 else 0
        queue = self._chance.uniform(0, 1) < 0.5
        for _ in range(tries):
            job = self._chance.uuid()
            job_type = "render" if price else "echo"
            order = Dispatch(
                job, self.user, job_type, "s3://x/y", {}, price, queue, (key, b"k" * 32)
            )
            found = await self._ask(order)
            if found is not None:
                self.acknowledged[key] = found
                return found
            await asyncio.sleep(self._chance.uniform(0.5, 20.0))
        return None

    async def _ask(self, order: Dispatch) -> UUID | None:
        """The job that was promised; None when it was not, or nobody knows."""
        try:
            outcome = await self._gateway.scheduler.ask(order, within=ASK_SECONDS)
        except (AskFailed, LookupError):
            return None
        if isinstance(outcome, Posted):
            return order.job
        if isinstance(outcome, Replayed) and outcome.answer is not None:
            return UUID(outcome.answer["body"]["job_id"])
        return None

    async def _cancel(self, job: UUID) -> None:
        outcome = await self._commit(Commit(effects=(JobCancel(job, self.user),)))
        if isinstance(outcome, Posted) and self._chance.uniform(0, 1) < 0.7:
            self._gateway.scheduler.tell(UnitsChanged(outcome.units))
