"""Sessions that the tree opens: each session knows what earlier sessions learned about the node."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

from actors.kernel import Ref
from actors.ledger.effects import JobInsert, Transfer
from actors.ledger.messages import Commit, Ledger, Posted
from actors.node_session.messages import Disconnected, NodeSession, PongSeen, Received
from actors.node_session.settings import NodeSessionSettings
from actors.scheduler.messages import Dispatch, Scheduler
from rendertrust.protocol import Ack, FromNode, Hello, JobDispatch, JobResult, JobStatus, encode
from sql.account_names import ADJUSTMENTS, user_account
from sql.job_plan import Pricing
from sql.nodes import NodeIdentity
from supervisors.actor_settings import ActorSettings
from supervisors.child import Child
from supervisors.registry import Registry
from supervisors.tree import Tree
from tests.simulation.gateway import IdleActor
from tests.support.plans import planned
from tests.twins.clock import TwinClock
from tests.twins.ports import twin_ports
from tests.twins.socket import TwinSocket
from tests.twins.store import StoreTwin
from tests.unit.dispatch.stage import NODE, OWNER, USER
from tests.unit.simulated_time import simulated

# price in the ledger's units, and the seconds of work that it pays for
PRICE, QUOTED = 100_000, 100
PRICED = Pricing(work=1, price=10_000, pays_for=10)
STEP = 20  # seconds between two reports of the node


class GatewayWithNode:
    """A gateway over in-memory ports, with one node that connects repeatedly."""

    def __init__(self) -> None:
        self.registry = Registry()
        clock, store = TwinClock(), StoreTwin()
        store.make_account(user_account(USER))
        store.add_node(NODE, ("render",), owner=OWNER)
        ports = twin_ports(clock=clock, store=store)
        settings = ActorSettings(NodeSessionSettings(bucket="rendertrust"))
        web = Child("web", IdleActor)
        self.tree = Tree(ports, self.registry, settings, [web])
        self.socket = TwinSocket()
        self.session: Ref[NodeSession] | None = None

    async def start(self) -> None:
        await self.tree.root.start()
        account = user_account(USER)
        gift = Transfer(ADJUSTMENTS, account, account, 100 * PRICE, "ADJUSTMENT", "start")
        funded = await self.registry.ref(Ledger).ask(Commit(transfers=(gift,)), within=5.0)
        assert isinstance(funded, Posted)

    async def connect(self) -> None:
        """End the current session, if any, and open another session."""
        if self.session is not None:
            self.session.tell(Disconnected())
        self.socket = TwinSocket()
        identity = NodeIdentity(NODE, OWNER, ("render",), verified=True)
        self.session = await self.tree.open_session(identity, self.socket)
        self.say(Hello(version="1", slots=1))

    def say(self, frame: FromNode) -> None:
        assert self.session is not None
        assert self.session.tell(Received(encode(frame)))

    async def expect(self, kind: type[Any]) -> Any:
        """Return the next relay frame of a kind; skip other relay frames."""
        while not isinstance(frame := await self.socket.expect(object), kind):  # type: ignore[type-var]
            pass
        return frame

    async def render(self, seconds: int) -> None:
        """Submit a job and let the node complete it after this many seconds."""
        job = uuid4()
        order = Dispatch(JobInsert(job, USER, planned("render", pricing=PRICED, price=PRICE)))
        placed = await self.registry.ref(Scheduler).ask(order, within=2.0)
        assert isinstance(placed, Posted)
        frame = await self.expect(JobDispatch)
        assert UUID(frame.job_id) == job
        of: dict[str, Any] = {"job_id": str(job), "unit": 0, "attempt": frame.attempt}
        for at in range(0, seconds + 1, STEP):
            self.say(JobStatus(progress=0.02 + 0.9 * at / seconds, **of))
            assert self.session is not None
            self.session.tell(PongSeen())
            await asyncio.sleep(STEP)
        self.say(JobResult(status="completed", result_ref="s3://elsewhere/result", **of))
        ended = await self.socket.expect(Ack)
        assert UUID(ended.job_id) == job


@simulated
async def test_how_slow_a_node_is_is_known_when_it_connects_again() -> None:
    # Three jobs show that the node takes 2.6 times as long as usual, so the node gets more time.
    grid = GatewayWithNode()
    await grid.start()
    for _ in range(3):
        await grid.connect()
        await grid.render(60 + 260)
    await grid.connect()
    await grid.render(60 + 6 * QUOTED)
    await grid.tree.root.stop()
