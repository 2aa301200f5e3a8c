"""A node that fails every unit and blames something else does not make any job fail.

This holds if another node can do the job.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import UUID

import pytest

from actors.ledger.effects import JobInsert, Transfer
from actors.ledger.messages import Commit, Posted
from actors.scheduler.messages import Dispatch
from rendertrust.job_status import UnitStatus
from rendertrust.protocol import JobDispatch, JobResult
from sql.account_names import ADJUSTMENTS, user_account
from sql.job_plan import NewUnit
from sql.nodes import NodeIdentity
from tests.simulation.gateway import SimulatedGateway
from tests.simulation.node import Faults, SimulatedNode
from tests.simulation.store import FarStore
from tests.support.plans import planned
from tests.support.until import until
from tests.twins.objects import TwinObjects
from tests.twins.random import TwinRandom
from tests.unit.simulated_time import simulated

USER, JOB = UUID(int=5000), UUID(int=6000)
FRAMES, PRICE = 6, 1_000
FRAME_SECONDS = 300.0
GIVEN_BACK = {"failure": "network", "given_back": True}


class Excusing(SimulatedNode):
    """A node that begins each unit and fails it at once with its ``excuse``."""

    excuse: ClassVar[dict[str, Any]] = {}

    async def _render(self, frame: JobDispatch) -> None:
        self._say(self._status(frame, 60.0))

    async def _finish(self, frame: JobDispatch) -> JobResult:
        said: dict[str, Any] = {"job_id": frame.job_id, "unit": frame.unit}
        said["attempt"] = frame.attempt
        return JobResult(status="failed", error="not mine", **self.excuse, **said)


class Slow(SimulatedNode):
    """An honest node that needs five minutes per frame and so is nearly always busy."""

    async def _render(self, frame: JobDispatch) -> None:
        for _ in range(10):
            self._say(self._status(frame, 60.0))
            await asyncio.sleep(FRAME_SECONDS / 10)


async def submit(gateway: SimulatedGateway, frames: int) -> None:
    account = user_account(USER)
    gift = Transfer(ADJUSTMENTS, account, account, FRAMES * PRICE, "ADJUSTMENT", "start")
    given = await gateway.ledger.ask(Commit(transfers=(gift,)), within=60)
    pieces = tuple(NewUnit(PRICE, n, str(n + 1)) for n in range(frames))
    order = Dispatch(JobInsert(JOB, USER, planned("render", units=pieces, queue=True)))
    placed = await gateway.scheduler.ask(order, within=60)
    assert isinstance(given, Posted)
    assert isinstance(placed, Posted)


@simulated
@pytest.mark.parametrize("failure", ["gateway", "verifier", "network", "given back"])
async def test_no_job_comes_to_nothing_by_one_node_that_has_an_excuse(
    failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    excuse = {"failure": failure} if failure != "given back" else GIVEN_BACK
    monkeypatch.setattr(Excusing, "excuse", excuse)
    assert await outcome_of([(Excusing, 9000), (Slow, 9001)]) == {"COMPLETED": FRAMES}


LIARS = [9000, 9001, 9002, 9003, 9004]


@simulated
@pytest.mark.parametrize(
    ("owners", "last"),
    [
        (LIARS, USER.int),  # nodes of five accounts, and the creator's own node
        ([9000] * 5, 9010),  # five nodes of one account
    ],
    ids=["accounts", "nodes"],
)
@pytest.mark.parametrize("failure", ["gateway", "verifier", "scene"])
async def test_nor_by_several_of_them(
    owners: list[int], last: int, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Excusing, "excuse", {"failure": failure})
    nodes = [(Excusing, owner) for owner in owners]
    assert await outcome_of([*nodes, (Slow, last)], 1) == {"COMPLETED": 1}


@simulated
async def test_two_friends_words_that_the_scene_is_at_fault_end_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The two friends' nodes are idle whenever a unit waits, because they do no work."""
    monkeypatch.setattr(Excusing, "excuse", {"failure": "scene"})
    kinds = [(Excusing, 9000), (Excusing, 9001), (Slow, 9002)]
    assert await outcome_of(kinds) == {"COMPLETED": FRAMES}


async def outcome_of(
    kinds: Sequence[tuple[type[SimulatedNode], int]], frames: int = FRAMES
) -> Counter[UnitStatus]:
    """Return the number of a job's units by final state, with nodes of these kinds and owners."""
    store = FarStore()
    objects = TwinObjects(lambda: asyncio.get_running_loop().time())
    gateway = SimulatedGateway(store, objects, TwinRandom(1))
    nodes: list[SimulatedNode] = []
    for number, (kind, whose) in enumerate(kinds):
        node, owner = UUID(int=1 + number), UUID(int=whose)
        store.add_node(node, ("render",), owner=owner, verified=True, status="REGISTERED")
        identity = NodeIdentity(node, owner, ("render",), verified=True)
        chance = TwinRandom(10 + number)
        nodes.append(kind(identity, [gateway], chance, Faults(), plain=False, slots=1))
    await gateway.start()
    lives = [asyncio.create_task(node.live()) for node in nodes]
    await asyncio.sleep(10)  # all nodes are connected by then
    await submit(gateway, frames)
    await until(
        lambda: all(u.ended_at for u in store.units.values()), within=2 * FRAMES * FRAME_SECONDS
    )
    found = Counter[UnitStatus](unit.state for unit in store.units.values())
    for life in lives:
        life.cancel()
    await gateway.stop()
    return found
