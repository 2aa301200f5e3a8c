"""A real session with an in-memory socket, and probes for the Scheduler, Ledger and Notifier."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import attrs

from actors.kernel import Message, Ref
from actors.ledger.effects import UnitDeliver
from actors.ledger.messages import Commit, Outcome, Posted, RenewLeases
from actors.node_session.actor import NodeSessionActor, SessionPeers
from actors.node_session.messages import Assignments, Received, Send
from actors.node_session.progress_watchdog import OverrunTracker, ProgressTracker
from actors.node_session.sampling import Sampling
from actors.node_session.settings import NodeSessionSettings
from actors.scheduler.messages import Assignment, SessionOpened
from actors.verifier.messages import Verifier
from rendertrust.protocol import (
    FromNode,
    Hello,
    JobDispatch,
    JobResult,
    JobStatus,
    Running,
    Welcome,
    encode,
)
from sql.nodes import NodeIdentity
from sql.units import Kind
from supervisors.child import Child
from supervisors.dynamic_supervisor import DynamicSupervisor
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.support.probe import Probe
from tests.support.until import until
from tests.twins.clock import TwinClock
from tests.twins.objects import TwinObjects
from tests.twins.ports import twin_ports
from tests.twins.random import TwinRandom
from tests.twins.signer import TwinSigner
from tests.twins.socket import TwinSocket
from tests.twins.tokens import TwinTokens
from tests.unit.dispatch.stage import JOB, NODE, OWNER, Cast, assignment, decide, state_of

BUCKET = "rendertrust"


@attrs.frozen
class Play:
    """A running session with its probes; ``opened`` is the session's first message to the
    Scheduler.
    """

    cast: Cast
    ref: Ref[Any]
    socket: TwinSocket
    objects: TwinObjects
    clock: TwinClock
    opened: SessionOpened
    progress: ProgressTracker
    overruns: OverrunTracker

    def hear(self, frame: FromNode) -> None:
        """Receive a relay frame from the node."""
        assert self.ref.tell(Received(encode(frame)))

    def hear_text(self, text: str) -> None:
        assert self.ref.tell(Received(text))

    def assign(self, *units: Assignment) -> None:
        assert self.ref.tell(Assignments(units))

    def send(self, *units: Assignment) -> None:
        for unit in units:
            assert self.ref.tell(Send(unit))

    async def greeted(self, *units: Assignment, slots: int = 1) -> None:
        """Exchange hello and welcome; assign ``units``, which the hello does not name, to
        the node.
        """
        self.hear(Hello(version="1", slots=slots))
        self.assign(*units)
        await self.welcome()

    async def welcome(self) -> Welcome:
        return await self.socket.expect(Welcome)

    async def told(self, kind: type[Any]) -> Any:
        """Return the next message of a kind to the Scheduler; skip messages of other kinds."""
        while True:
            message = await self.cast.scheduler.expect(Message)
            if isinstance(message, kind):
                return message

    async def working(self, unit: Assignment | None = None) -> JobDispatch:
        """Let the node say hello and get the unit; return the relay frame with the unit."""
        await self.greeted(unit or assignment())
        return await self.socket.expect(JobDispatch)

    async def commit(self, *, within: float = 5.0) -> Commit:
        """Return the next commit; skip renewals of leases."""
        await until(lambda: self.cast.ledger.ref.depth, within=within)
        head = self.cast.ledger.ref.mailbox.items[0]
        if isinstance(getattr(head, "message", head), RenewLeases):
            await self.cast.ledger.expect(RenewLeases)
            return await self.commit(within=within)
        return await self.cast.ledger.expect(Commit)

    async def effect(self, outcome: Outcome | None = None, *, within: float = 5.0) -> Any:
        """Answer the next commit with the outcome, and return its only effect."""
        commit = await self.commit(within=within)
        [effect] = commit.effects
        decide(commit, outcome or Posted(units=(state_of("COMPLETED"),)))
        return effect


class AllCompared(Sampling):
    """Has all deliveries compared."""

    async def draw(
        self, delivery: UnitDeliver, price: int, kind: Kind = "frame"
    ) -> tuple[float, float]:
        return 0.0, 1.0


@asynccontextmanager
async def session(
    *,
    verified: bool = True,
    node: NodeIdentity | None = None,
    tokens: TwinTokens | None = None,
    verifier: Probe[Verifier] | None = None,
    progress: ProgressTracker | None = None,
    clock: TwinClock | None = None,
    **settings: Any,
) -> AsyncGenerator[Play]:
    """Run a session that has just opened."""
    cast, clock, socket = Cast(), clock or TwinClock(), TwinSocket()
    objects = TwinObjects(clock.monotonic)
    peers = SessionPeers(
        scheduler=cast.scheduler.ref,
        ledger=cast.ledger.ref,
        notifier=cast.notifier.ref,
        ports=twin_ports(
            clock=clock, store=cast.store, objects=objects, tokens=tokens or TwinTokens()
        ),
        verifier=Ref("verifier") if verifier is None else verifier.ref,
        progress=progress or ProgressTracker(),
        overruns=OverrunTracker(),
        sampling=AllCompared(cast.store.port, TwinSigner(), TwinRandom(), 1.0),
    )
    identity = node or NodeIdentity(NODE, OWNER, ("echo",), verified)
    nodes = DynamicSupervisor("nodes")
    root = Supervisor("root", Strategy.ONE_FOR_ONE, Intensity(), [nodes])
    await root.start()
    try:
        ref = await nodes.start_child(
            Child(
                "session",
                lambda: NodeSessionActor(
                    identity, socket, peers, NodeSessionSettings(bucket=BUCKET, **settings)
                ),
            )
        )
        opened = await cast.scheduler.expect(SessionOpened)
        yield Play(cast, ref, socket, objects, clock, opened, peers.progress, peers.overruns)
    finally:
        await root.stop()


def running(unit: int = 0, attempt: int = 1) -> Running:
    return Running(job_id=str(JOB), unit=unit, attempt=attempt)


def status(**fields: Any) -> JobStatus:
    return JobStatus(job_id=str(JOB), **fields)


def result(**fields: Any) -> JobResult:
    status: str = fields.pop("status", "completed")
    return JobResult(job_id=str(JOB), status=status, **fields)
