"""The hold of a delivered unit stays until its verdict, whatever the creator does meanwhile.

Tests on the in-memory store and on PostgreSQL mix the creator's requests with what nodes and
gateways do, in any order.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.ledger.effects import (
    Effect,
    JobCancel,
    JobChange,
    JobPause,
    JobResume,
    JobStop,
    UnitAssign,
    UnitComplete,
    UnitCopy,
    UnitDeliver,
    UnitFail,
    UnitRequeue,
    UnitRetry,
    UnitStart,
    UnitVerdict,
)
from actors.ledger.messages import Posted
from actors.ledger.unit_changes import next_attempt
from rendertrust.job_status import ENDED
from rendertrust.receipt import IssuedReceipt
from sql.account_names import operator_account, work_reference
from sql.books import HoldRow, Keys, UnitRow
from sql.job_plan import NewUnit
from tests.integration.conformance.conftest import twin_stage
from tests.integration.conformance.stage import Stage, fresh_id, pieces_of, tiled
from tests.support.examples import examples

RICH: Final = 10_000
PRICES: Final = (100, 100, 300)
SHAPES: Final = ("frames", "tiles")
NODES: Final = 2
GIVEN_UP = 11  # the number of the step that fails a unit for lack of time
FORWARD, VERDICTS = 12, 17  # first number of the steps that advance a unit, and of verdicts
BEGUN: Final[Mapping[str, Sequence[int]]] = {
    "waits": (),
    "assigned": (0,),
    "delivered": (0, 0),
    "copied": (0, 1),
    "delivered, and copied": (0, 1, 0),
    "copy delivered": (0, 1, 1),
    "delivered twice": (0, 1, 0, 1),
}  # which node acts in each step that leads to the state


@attrs.frozen
class Step:
    """An event for a unit or its job; ``what`` and ``node`` select it."""

    unit: int
    what: int
    node: int


STEPS: Final = st.builds(Step, st.integers(0, 2), st.integers(0, 19), st.integers(0, NODES - 1))


@attrs.define
class Farm:
    """A job of three units, and the nodes of one operator."""

    stage: Stage
    user: UUID
    operator: str
    nodes: list[UUID]
    job: UUID
    open: set[tuple[int, int]] = attrs.field(factory=set[tuple[int, int]])  # delivered, no verdict
    paid: Counter[str] = attrs.field(factory=Counter[str])

    async def units(self) -> list[UnitRow]:
        numbers = {(self.job, number) for number in range(3)}
        async with self.stage.store.transaction() as books:
            rows = await books.lock(Keys(units=numbers))
        return [rows.units[self.job, number] for number in range(3)]

    async def hold(self, number: int) -> HoldRow | None:
        reference = work_reference(self.job, number)
        async with self.stage.store.transaction() as books:
            rows = await books.lock(Keys(holds={reference}))
        return rows.holds.get(reference)

    # ── steps ────────────────────────────────────────────────────────────────────────────────────

    def wishes(self, unit: UnitRow) -> list[Effect]:
        """Return all requests that a creator, or an admin for them, can make."""
        job, user = self.job, self.user
        return [
            JobStop(job, user),
            JobCancel(job, user),
            JobPause(job, user),
            JobResume(job, user),
            JobChange(job, user, cap=0),
            JobChange(job, user, uncapped=True),
            UnitRetry(job, unit.number, user),
        ]

    def next(self, unit: UnitRow, node: int) -> Effect:
        """Return what advances the unit: an assignment, a copy, or a delivery of either attempt."""
        of = (self.job, unit.number)
        if unit.state not in ("DISPATCHED", "RUNNING", "VERIFYING"):
            return UnitAssign(*of, next_attempt(unit), self.nodes[node])
        if node and unit.copy_node_id is not None:
            return self.delivery(unit, unit.copy_attempt, unit.copy_node_id)
        assert unit.node_id is not None, "a unit in these states has a node"
        if node:
            other = self.nodes[1 - self.nodes.index(unit.node_id)]
            return UnitCopy(*of, next_attempt(unit), other, unit.attempt)
        return self.delivery(unit, unit.attempt, unit.node_id)

    def delivery(self, unit: UnitRow, attempt: int, node: UUID) -> UnitDeliver:
        result = UnitComplete(
            *(self.job, unit.number, attempt, node, "s3://bucket/frame.png", b"s" * 32, 9),
            verified=True,
            operator=self.operator,
        )
        return UnitDeliver(result, "cpu")

    def mishaps(self, unit: UnitRow, node: int) -> list[Effect]:
        """Return what nodes and gateways report when an attempt fails."""
        of, by = (self.job, unit.number), unit.node_id or self.nodes[node]
        attempt = unit.attempt
        if node and unit.copy_node_id is not None:
            attempt, by = unit.copy_attempt, unit.copy_node_id
        return [
            UnitStart(*of, attempt, by),
            UnitRequeue(*of, attempt, "its lease ran out"),
            UnitFail(*of, attempt, by, "node", "died", self.stage.clock.now()),
            UnitFail(*of, attempt, by, "scene", "no camera"),
            UnitFail(*of, attempt, None, "gateway", "it waited for too long"),
        ]

    async def do(self, step: Step) -> None:
        """Take one step, and check that each delivery without a verdict still has its hold."""
        unit = (await self.units())[step.unit]
        choices = [*self.wishes(unit), *self.mishaps(unit, step.node)]
        if step.what < len(choices):
            await self.stage.do(choices[step.what])
        elif step.what < VERDICTS:
            effect = self.next(unit, step.node)
            outcome = await self.stage.do(effect)
            if isinstance(effect, UnitDeliver) and isinstance(outcome, Posted):
                self.open.add((effect.unit, effect.attempt))
        else:
            await self.judge(unit, step)
        await self.check()

    async def judge(self, unit: UnitRow, step: Step) -> None:
        """Give a verdict on a delivery that waits for one."""
        if waiting := self.waiting(unit):
            attempt = waiting[step.node % len(waiting)]
            now = self.stage.clock.now()
            await self.verdict(unit, attempt, valid=step.what > VERDICTS, retry_at=now)

    async def verdict(
        self, unit: UnitRow, attempt: int, *, valid: bool, retry_at: Any = None
    ) -> None:
        """Commit a verdict: only a verdict charges the unit or releases the creator's credits."""
        of = (self.job, unit.number, attempt)
        receipt = IssuedReceipt('{"a":1}', b"r" * 64, unit.price)
        effect = UnitVerdict(*of, "exact", operator=self.operator, receipt=receipt)
        if not valid:
            effect = UnitVerdict(*of, "invalid", operator=self.operator, retry_at=retry_at)
        assert isinstance(await self.stage.do(effect), Posted)
        self.open.discard((unit.number, attempt))
        if valid:
            # the other attempt is obsolete
            self.open = {of for of in self.open if of[0] != unit.number}
            self.paid["charged"] += unit.price
            self.paid["earned"] += unit.price * 70 // 100

    # ── invariants ───────────────────────────────────────────────────────────────────────────────

    def waiting(self, unit: UnitRow) -> list[int]:
        """Return the attempts that were delivered and have no verdict."""
        first = [unit.attempt] if unit.state == "VERIFYING" else []
        return [*first, *([unit.copy_attempt] if unit.copy_delivered_at is not None else [])]

    async def check(self) -> None:
        units = await self.units()
        waiting = {(unit.number, attempt) for unit in units for attempt in self.waiting(unit)}
        assert waiting == self.open
        for unit in units:
            hold = await self.hold(unit.number)
            if self.waiting(unit) and unit.price:
                assert hold is not None
                assert (hold.state, hold.amount) == ("OPEN", unit.price), unit
        held = sum(unit.price for unit in units if unit.state not in ENDED)
        assert await self.stage.of_user(self.user) == (RICH - self.paid["charged"], held)
        assert (await self.stage.money(self.operator))[0] == self.paid["earned"]
        assert await self.stage.store.audit() == []


async def farm(stage: Stage, shape: str) -> Farm:
    user, owner, job = await stage.user(RICH), await stage.user(), fresh_id()
    nodes = [await stage.node() for _ in range(NODES)]
    for node in nodes:
        await stage.own(node, owner)
    order = tiled(user, job, (100, 200), 1)
    if shape == "frames":
        order = pieces_of(job, user, [NewUnit(p, n, str(n)) for n, p in enumerate(PRICES)])
    (outcome,) = await stage.commit(order)
    assert isinstance(outcome, Posted), outcome
    return Farm(stage, user, operator_account(owner), nodes, job)


async def play(
    stage: Stage, shape: str, begun: Sequence[str], steps: Sequence[Step], valid: Sequence[bool]
) -> None:
    """Bring each unit to its state in ``begun``, take the steps, and give the missing verdicts."""
    here = await farm(stage, shape)
    for number, how in enumerate(begun):
        for node in BEGUN[how]:
            await here.do(Step(number, FORWARD, node))
    for step in steps:
        await here.do(step)
    while waiting := [unit for unit in await here.units() if here.waiting(unit)]:
        unit = waiting[0]
        await here.verdict(unit, here.waiting(unit)[0], valid=valid[unit.number])
        await here.check()


CASES: Final = {
    "shape": st.sampled_from(SHAPES),
    "begun": st.tuples(*[st.sampled_from([*BEGUN])] * 3),
    "steps": st.lists(STEPS, min_size=1, max_size=12),
    "valid": st.tuples(*[st.booleans()] * 3),
}


@pytest.mark.heavy  # its result does not depend on the version of Python
@examples(3)
@given(**CASES)
@example("frames", ("waits", "delivered", "waits"), [Step(1, GIVEN_UP, 0)], (False,) * 3)
def test_no_wish_releases_what_is_held_for_a_delivery(
    shape: str, begun: tuple[str, ...], steps: list[Step], valid: tuple[bool, ...]
) -> None:
    asyncio.run(play(twin_stage(), shape, begun, steps, valid))


WISHES: Final = ("stop", "cancel", "pause", "resume", "cap", "no cap", "retry")


@pytest.mark.parametrize("wish", range(len(WISHES)), ids=WISHES)
@pytest.mark.parametrize("valid", [True, False], ids=["valid", "invalid"])
async def test_each_wish_leaves_a_delivery_to_its_verdict(
    stage: Stage, wish: int, valid: bool
) -> None:
    here = await farm(stage, "frames")
    for _ in ("assigned", "delivered"):
        await here.do(Step(2, FORWARD, 0))
    assert here.open == {(2, 1)}
    unit = (await here.units())[2]
    await stage.do(here.wishes(unit)[wish])
    await here.check()
    await here.verdict(unit, 1, valid=valid)
    await here.check()
    assert (await here.units())[2].state in ({"COMPLETED"} if valid else {"FAILED", "CANCELLED"})
