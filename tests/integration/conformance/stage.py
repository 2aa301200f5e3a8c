"""A store, real or twin, with a Ledger over it, and helpers with which tests fill both."""

import itertools
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import attrs

from actors.ledger.actor import LedgerActor
from actors.ledger.effects import Effect, JobInsert, Transfer, UnitAssign
from actors.ledger.messages import Commit, Outcome, Posted
from actors.ports import Store
from rendertrust import money
from rendertrust.job_spec import JobSpec
from sql.account_names import ADJUSTMENTS, user_account
from sql.audit_log import Act
from sql.books import JobRow, Keys, UnitRow
from sql.job_plan import NewUnit
from sql.payout_rules import PayoutRule
from sql.units import OpenUnit
from tests.support.plans import planned

_serial = itertools.count(1)


def fresh_id() -> UUID:
    """Return ids in ascending order, so that a failure shows which is which."""
    return UUID(int=next(_serial))


@attrs.define
class HandClock:
    """Clock that moves only when a test moves it."""

    time: datetime = datetime(2026, 3, 13, 12, tzinfo=UTC)
    seconds: float = 0.0

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
        self.seconds += seconds


class Serial:
    """Random port that yields predictable values in order."""

    def uuid(self) -> UUID:
        return fresh_id()

    def token(self, size: int) -> bytes:
        return next(_serial).to_bytes(size, "big")

    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2


@attrs.define
class Stage:
    """A store with a Ledger, and functions that write what the web layer writes.

    ``add_user``, ``add_node``, ``own`` and ``found`` write rows; ``acts`` reads what admins did.
    """

    store: Store
    add_user: Callable[[UUID], Awaitable[None]]
    add_node: Callable[[UUID, datetime | None], Awaitable[None]]
    acts: Callable[[], Awaitable[Sequence[Act]]]
    own: Callable[[UUID, UUID], Awaitable[None]]  # node, owner
    found: Callable[[UUID, UUID], Awaitable[None]]  # an organisation: owner, member
    invite: Callable[[UUID, UUID], Awaitable[None]]  # an organisation: owner, invited user
    halt: Callable[[bool], None]  # forbids only this gateway to write
    set_payout_rule: Callable[[UUID, PayoutRule], Awaitable[object]]
    clock: HandClock = attrs.field(factory=HandClock)

    def ledger(self) -> LedgerActor:
        return LedgerActor(self.store, self.clock, Serial())

    async def commit(self, *commits: Commit) -> list[Outcome]:
        """Commit all ``commits`` in one batch, and return the outcomes."""
        return list(await self.ledger().commit(commits))

    async def do(self, *effects: Effect, transfers: tuple[Transfer, ...] = ()) -> Outcome:
        """Commit effects and transfers alone in a batch, and return the outcome."""
        (outcome,) = await self.commit(Commit(transfers, effects))
        return outcome

    async def user(self, units: int = 0) -> UUID:
        """Add a user with a balance of ``units``."""
        user = fresh_id()
        await self.add_user(user)
        if units:
            (outcome,) = await self.commit(Commit((grant(user, units),)))
            assert isinstance(outcome, Posted), outcome
        return user

    async def node(self, seen_at: datetime | None = None) -> UUID:
        node = fresh_id()
        await self.add_node(node, seen_at)
        return node

    async def open_units(self, window: int) -> Sequence[OpenUnit]:
        """Return the open units of all jobs."""
        jobs = await self.store.open_jobs(None, 1_000_000)
        return await self.store.open_units([job.id for job in jobs], window)

    async def money(self, name: str) -> tuple[int, int]:
        """Return the balance of an account and the held part of it."""
        async with self.store.transaction() as books:
            account = (await books.lock(Keys(accounts={name}))).accounts[name]
        return account.balance, account.held

    async def of_user(self, user: UUID) -> tuple[int, int]:
        return await self.money(user_account(user))

    async def unit(self, job: UUID, number: int = 0) -> UnitRow:
        async with self.store.transaction() as books:
            return (await books.lock(Keys(units={(job, number)}))).units[job, number]

    async def job(self, job: UUID) -> JobRow:
        async with self.store.transaction() as books:
            return (await books.lock(Keys(jobs={job}))).jobs[job]

    async def status(self, job: UUID) -> str:
        return (await self.job(job)).status

    async def dispatched(self, price: int = 100, units: int = 1) -> tuple[UUID, UUID, UUID]:
        """Add a user with twice the price, a node, and a job whose first unit is on that node."""
        user, node = await self.user(2 * price * units), await self.node()
        job = fresh_id()
        order = dispatch(user, job, price, units, node)
        (outcome,) = await self.commit(order)
        assert isinstance(outcome, Posted), outcome
        return user, node, job


def grant(user: UUID, units: int, reference: str = "grant") -> Transfer:
    account = user_account(user)
    return Transfer(ADJUSTMENTS, account, account, units, "ADJUSTMENT", reference, "A gift")


def act(reason: str, **details: str) -> Act:
    """Return an audit record of an admin, at the start time of the hand clock."""
    target = f"user:{fresh_id()}"
    return Act(HandClock().time, fresh_id(), "ann", "credits.grant", target, reason, "r1", details)


SCENE = "s3://bucket/scene.blend"


def insert(user: UUID, job: UUID, price: int = 100, units: int = 1) -> JobInsert:
    cut = [NewUnit(price, place) for place in range(units)]
    return JobInsert(job, user, planned("render", SCENE, {"frame": 1}, units=cut))


def with_plan(order: JobInsert, **changes: Any) -> JobInsert:
    """Return the job with changes to its plan, or to the spec within it."""
    of_spec = {field.name for field in attrs.fields(JobSpec)}
    spec = {name: value for name, value in changes.items() if name in of_spec and name != "needs"}
    rest = {name: value for name, value in changes.items() if name not in spec}
    plan = attrs.evolve(order.plan, spec=attrs.evolve(order.plan.spec, **spec), **rest)
    return attrs.evolve(order, plan=plan)


def dispatch(
    user: UUID, job: UUID, price: int = 100, units: int = 1, node: UUID | None = None
) -> Commit:
    """Return the commit of a job with its holds; if a node is given, unit 0 is on it."""
    assigned = () if node is None else (UnitAssign(job, 0, 1, node),)
    return Commit((), (insert(user, job, price, units), *assigned))


def pieces_of(job: UUID, user: UUID, pieces: Sequence[NewUnit], cap: int | None = None) -> Commit:
    """Return the commit of a job with these units and the holds for them."""
    most = None if cap is None else money.render(cap)
    order = with_plan(insert(user, job), units=tuple(pieces), max_credits=most)
    return Commit((), (order,))


def tiled(user: UUID, job: UUID, prices: Sequence[int] = (50, 50), frames: int = 2) -> Commit:
    """Return the commit of a job of tiled frames at these prices, with a unit per frame that merges
    its tiles.
    """
    width, pieces = len(prices) + 1, list[NewUnit]()
    for frame in range(frames):
        place, whole = frame * width, frame * width + len(prices)
        pieces += [
            NewUnit(price, place + tile, str(frame + 1), tile, whole)
            for tile, price in enumerate(prices)
        ]
        pieces.append(NewUnit(0, whole, str(frame + 1), missing=len(prices)))
    commit = pieces_of(job, user, pieces)
    (order,) = commit.effects
    assert isinstance(order, JobInsert)
    size = {"width": 64, "height": 32}
    order = with_plan(order, params=size, tiles=f"{len(prices)}x1")
    return attrs.evolve(commit, effects=(order,))
