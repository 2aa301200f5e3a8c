"""A scene that needs more memory than a node has is not held against the node."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import pytest

from actors.ledger.effects import JobInsert, Transfer
from actors.ledger.messages import Commit, Posted
from actors.scheduler.messages import Dispatch
from rendertrust.protocol import Hello, JobDispatch, JobResult
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
GIB: Final = 1 << 30


class Machine(SimulatedNode):
    """A node that claims ``says`` GiB of memory and has ``gib``; a unit needs ``needed`` GiB."""

    gib, says, needed = 4, 4, 6
    begun = 0

    def hello(self) -> Hello:
        said = super().hello()
        return Hello(version=said.version, running=said.running, ram=self.says * GIB)

    async def _finish(self, frame: JobDispatch) -> JobResult:
        self.begun += 1
        if self.gib >= self.needed:
            return await super()._finish(frame)
        about: dict[str, Any] = {"job_id": frame.job_id, "unit": frame.unit}
        about["attempt"] = frame.attempt
        return JobResult(status="failed", error="big", failure="node", lacks="memory", **about)


class Boaster(Machine):
    """A node that claims far more memory than any other, and fails each unit for lack of memory."""

    gib, says = 0, 1 << 20


async def submit(gateway: SimulatedGateway) -> None:
    account = user_account(USER)
    gift = Transfer(ADJUSTMENTS, account, account, FRAMES * PRICE, "ADJUSTMENT", "start")
    given = await gateway.ledger.ask(Commit(transfers=(gift,)), within=60)
    pieces = tuple(NewUnit(PRICE, n, str(n + 1)) for n in range(FRAMES))
    order = Dispatch(JobInsert(JOB, USER, planned("render", units=pieces, queue=True)))
    placed = await gateway.scheduler.ask(order, within=60)
    assert isinstance(given, Posted)
    assert isinstance(placed, Posted)


async def run_job(
    kinds: Sequence[type[Machine]], gib: Sequence[int], *, ends: bool = True
) -> tuple[FarStore, list[Machine]]:
    """Run a job on nodes of these kinds, each of another owner; return database and nodes.

    With ``ends`` the job runs until all units have ended, otherwise for half an hour.
    """
    store = FarStore()
    objects = TwinObjects(lambda: asyncio.get_running_loop().time())
    gateway = SimulatedGateway(store, objects, TwinRandom(1))
    nodes: list[Machine] = []
    for number, (kind, size) in enumerate(zip(kinds, gib, strict=True)):
        node, owner = UUID(int=1 + number), UUID(int=9000 + number)
        store.add_node(node, ("render",), owner=owner, verified=True, status="REGISTERED")
        identity = NodeIdentity(node, owner, ("render",), verified=True)
        one = kind(identity, [gateway], TwinRandom(10 + number), Faults(), plain=False, slots=1)
        if kind is Machine:
            one.gib = one.says = size
        nodes.append(one)
    await gateway.start()
    lives = [asyncio.create_task(node.live()) for node in nodes]
    await asyncio.sleep(10)  # all nodes are connected by then
    await submit(gateway)
    if ends:
        await until(lambda: all(u.ended_at for u in store.units.values()), within=7200)
    else:
        await asyncio.sleep(1800)
    for life in lives:
        life.cancel()
    await gateway.stop()
    return store, nodes


@simulated
async def test_what_is_too_big_for_one_node_is_done_by_one_with_more() -> None:
    store, _ = await run_job([Machine] * 4, [4, 2, 4, 8])
    units = list(store.units.values())
    assert Counter(unit.state for unit in units) == {"COMPLETED": FRAMES}
    assert sum(unit.failures + unit.faults for unit in units) == 0, "nothing failed"
    assert max(unit.attempt - unit.unsent for unit in units) <= 4, "no node was asked twice"


@simulated
async def test_what_is_too_big_for_all_waits_with_words_for_its_creator() -> None:
    store, _ = await run_job([Machine] * 3, [4, 2, 1], ends=False)
    units = list(store.units.values())
    assert {unit.state for unit in units} <= {"QUEUED", "DISPATCHED", "RUNNING"}
    assert {unit.error_class for unit in units} == {"scene"}
    said = {unit.error_message or "" for unit in units}
    assert all(words.startswith("too much memory: ") for words in said)
    assert all("smaller textures" in words for words in said)
    assert sum(unit.failures + unit.faults for unit in units) == 0
    assert max(unit.attempt - unit.unsent for unit in units) <= 12, "few, once all nodes declined"


@simulated
@pytest.mark.parametrize("gib", [8, 6])
async def test_no_job_comes_to_nothing_by_one_who_boasts_of_his_memory(gib: int) -> None:
    store, _ = await run_job([Boaster, Machine], [0, gib])
    assert Counter(unit.state for unit in store.units.values()) == {"COMPLETED": FRAMES}
