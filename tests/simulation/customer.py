"""Customers of the simulation: they submit jobs, retry unanswered requests and change jobs."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import attrs

from actors.kernel import AskFailed
from actors.ledger.effects import (
    JobCancel,
    JobChange,
    JobInsert,
    JobPause,
    JobResume,
    JobStop,
    OfJob,
    Transfer,
    UnitRetry,
)
from actors.ledger.messages import Commit, Posted, Replayed
from actors.scheduler.messages import Dispatch, UnitsChanged
from rendertrust import money
from sql.account_names import ADJUSTMENTS, user_account
from sql.job_plan import NewUnit
from tests.simulation.gateway import SimulatedGateway
from tests.simulation.node import pick_gateway
from tests.support.plans import planned
from tests.twins.random import TwinRandom

ASK_SECONDS = 2.0
CREDITS = 100_000_000


class Customer:
    """A customer; ``acknowledged`` maps idempotency keys to the jobs that the gateway promised."""

    def __init__(
        self, user: UUID, gateways: Sequence[SimulatedGateway], chance: TwinRandom
    ) -> None:
        self.user = user
        self.acknowledged: dict[str, UUID] = {}
        self.submitted: set[str] = set()
        self.newest = ""
        self.is_done = False
        self._gateways = gateways
        self._chance = chance

    def _gateway(self) -> SimulatedGateway:
        return pick_gateway(self._gateways, self._chance)

    async def live(self) -> None:
        """Submit jobs at random intervals until ``is_done`` is set."""
        await self._fund()
        while not self.is_done:
            await asyncio.sleep(self._chance.uniform(1.0, 60.0))
            job = await self._submit(self._new_key(), tries=30)
            if job is not None and self._chance.uniform(0, 1) < 0.25:
                await asyncio.sleep(self._chance.uniform(0.0, 20.0))
                await self._meddle(job)

    async def _fund(self) -> None:
        account = user_account(self.user)
        gift = Transfer(ADJUSTMENTS, account, account, CREDITS, "ADJUSTMENT", "start")
        while True:
            if isinstance(await self._commit(Commit(transfers=(gift,))), Posted | Replayed):
                return
            await asyncio.sleep(1.0)

    async def _commit(self, commit: Commit) -> Any:
        try:
            return await self._gateway().ledger.ask(commit, within=ASK_SECONDS)
        except (AskFailed, LookupError):
            return None

    async def submit_some(self, count: int) -> None:
        """Submit ``count`` jobs with a single try each; no faults may be active."""
        for _ in range(count):
            await self._submit(self._new_key(), tries=1)

    def _new_key(self) -> str:
        key = f"key-{len(self.submitted)}"
        self.submitted.add(key)
        self.newest = key
        return key

    async def _submit(self, key: str, *, tries: int) -> UUID | None:
        """Submit a job until it is answered; each try has another job id and the same key."""
        wanted = self._wanted()
        for _ in range(tries):
            insert = attrs.evolve(wanted, job=self._chance.uuid())
            order = Dispatch(insert, idempotency=(key, b"k" * 32))
            found = await self._ask(order)
            if found is not None:
                self.acknowledged[key] = found
                return found
            await asyncio.sleep(self._chance.uniform(0.5, 20.0))
        return None

    def _wanted(self) -> JobInsert:
        """Return a random job: one unit, several frames, or frames in tiles."""
        price = 100_000 if self._chance.uniform(0, 1) < 0.7 else 0
        queue = self._chance.uniform(0, 1) < 0.5
        job_type = "render" if price else "echo"
        spec: dict[str, Any] = {"job_type": job_type, "queue": queue}
        dice, frames = self._chance.uniform(0, 1), 2 + int(self._chance.uniform(0, 8))
        if dice < 0.7:
            return JobInsert(self.user, self.user, planned(**spec, price=price))
        spec["priority"] = ("low", "normal", "high")[int(self._chance.uniform(0, 3))]
        if dice < 0.9:
            pieces = tuple(NewUnit(price, n, str(n + 1)) for n in range(frames))
            if price and dice < 0.75 and not self.is_done:
                spec["max_credits"] = money.render(3 * price)
            return JobInsert(self.user, self.user, planned(**spec, units=pieces))
        spec |= {"params": {"width": 64, "height": 32}, "tiles": "2x1"}
        return JobInsert(self.user, self.user, planned(**spec, units=_tiled(price)))

    async def _ask(self, order: Dispatch) -> UUID | None:
        """Ask for a job and return the id that the gateway promised; None without a promise."""
        try:
            outcome = await self._gateway().scheduler.ask(order, within=ASK_SECONDS)
        except (AskFailed, LookupError):
            return None
        if isinstance(outcome, Posted):
            return order.insert.job
        if isinstance(outcome, Replayed) and outcome.answer is not None:
            return UUID(outcome.answer["body"]["job_id"])
        return None

    async def _meddle(self, job: UUID) -> None:
        """Cancel, pause or stop the job, or retry a unit of it; resume it after a pause."""
        acts: list[OfJob] = [
            JobCancel(job, self.user),
            JobPause(job, self.user),
            JobStop(job, self.user),
            UnitRetry(job, 0, self.user),
        ]
        act = acts[int(self._chance.uniform(0, len(acts)))]
        await self._do(act)
        if isinstance(act, JobPause):
            await asyncio.sleep(self._chance.uniform(1.0, 120.0))
            await self._do(JobResume(job, self.user))

    async def release(self) -> None:
        """Raise the credit limits of this customer's jobs and resume the jobs, so that no job
        waits.
        """
        for job in self.acknowledged.values():
            await self._do(JobChange(job, self.user, cap=CREDITS))
            await self._do(JobResume(job, self.user))

    async def _do(self, act: OfJob) -> None:
        outcome = await self._commit(Commit(effects=(act,)))
        if isinstance(outcome, Posted) and self._chance.uniform(0, 1) < 0.7:
            self._gateway().scheduler.tell(UnitsChanged(outcome.units))


def _tiled(price: int) -> tuple[NewUnit, ...]:
    """Return the units of two frames with two tiles each."""
    pieces: list[NewUnit] = []
    for frame in range(2):
        place = 3 * frame
        pieces += [NewUnit(price // 2, place + n, str(frame + 1), n, place + 2) for n in range(2)]
        pieces.append(NewUnit(0, place + 2, str(frame + 1), missing=2))
    return tuple(pieces)
