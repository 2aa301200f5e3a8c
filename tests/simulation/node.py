"""Simulated nodes, which do jobs and can have every fault of a node."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import attrs

from actors.kernel import ActorStopped, Ref
from actors.node_session.messages import Disconnected, NodeSession, PongSeen, Received
from actors.node_session.verifier_checks import PICTURE_PATH
from rendertrust.job_types import CHECK
from rendertrust.protocol import (
    Ack,
    FromGateway,
    FromNode,
    Hello,
    JobCancel,
    JobDispatch,
    JobResult,
    JobStatus,
    Running,
    Welcome,
    encode,
)
from sql.nodes import NodeIdentity
from tests.simulation.gateway import SimulatedGateway
from tests.twins.random import TwinRandom
from tests.twins.socket import TwinSocket

QUEUE_MOST = 1000


@attrs.define
class Faults:
    """Probabilities of faults, from 0 to 1; if all are 0, nothing goes wrong."""

    lost: float = 0.0  # that a relay frame is lost, in either direction
    repeated: float = 0.0  # that a node sends a relay frame twice
    failing: float = 0.0  # that a unit fails
    hanging: float = 0.0  # that a node reports nothing about a unit for minutes
    deaf: float = 0.0  # that a node does not answer a ping
    # A failed unit names one of these causes at random.
    blamed: tuple[str, ...] = ("node", "node", "network", "scene")

    def calm(self) -> None:
        self.lost = self.repeated = self.failing = self.hanging = self.deaf = 0.0


class Connection:
    """A socket with its session; relay frames arrive in order in both directions."""

    def __init__(self, node: "SimulatedNode") -> None:
        self.node = node
        self.incoming: asyncio.Queue[FromGateway | None] = asyncio.Queue(QUEUE_MOST)
        self.outgoing: asyncio.Queue[FromNode] = asyncio.Queue(QUEUE_MOST)
        self.socket = TwinSocket(
            on_frame=self._hear, on_ping=self._ping, on_close=lambda: self.incoming.put_nowait(None)
        )
        self.session: Ref[NodeSession] | None = None

    def say(self, frame: FromNode) -> None:
        node = self.node
        if node.happens(node.faults.lost):
            return
        times = 2 if node.happens(node.faults.repeated) else 1
        for _ in range(times):
            if not self.outgoing.full():
                self.outgoing.put_nowait(frame)

    def _hear(self, frame: FromGateway) -> None:
        if not self.node.happens(self.node.faults.lost) and not self.incoming.full():
            self.incoming.put_nowait(frame)

    def _ping(self) -> None:
        if self.session is not None and not self.node.happens(self.node.faults.deaf):
            self.session.tell(PongSeen())

    async def write(self) -> None:
        """Carry relay frames to the gateway until the session ends."""
        assert self.session is not None
        while True:
            frame = await self.outgoing.get()
            await asyncio.sleep(self.node.chance.uniform(0.001, 0.2))
            try:
                await self.session.offer(Received(encode(frame)))
            except ActorStopped:
                return

    def drop(self) -> None:
        """Cut the connection; the gateway either notices it at once or at the next ping."""
        self.socket.broken = True
        self.incoming.put_nowait(None)
        if self.session is not None and self.node.happens(0.8):
            self.session.tell(Disconnected())


class SimulatedNode:
    """A node that connects to a random gateway; with a ``device_class`` it also checks results.

    A ``plain`` node implements the API reference only: no hello, spool, attempts or uploads.
    ``produced`` holds each (job, unit, attempt) that the node finished; no other result may count.
    ``looked_at`` holds the SHA-256 of each result that the node was asked to check.
    """

    def __init__(
        self,
        identity: NodeIdentity,
        gateways: Sequence[SimulatedGateway],
        chance: TwinRandom,
        faults: Faults,
        *,
        plain: bool,
        slots: int,
        device_class: str | None = None,
    ) -> None:
        self.identity = identity
        self.gateways = gateways
        self.chance = chance
        self.faults = faults
        self.plain = plain
        self.slots = slots
        self.device_class = device_class
        self.is_gone = False
        self.produced: set[tuple[UUID, int, int]] = set()
        self.looked_at: list[str] = []
        self._units: dict[Running, asyncio.Task[None]] = {}
        self._spool: dict[Running, JobResult] = {}
        self._line: Connection | None = None
        self._free = asyncio.Semaphore(slots)

    def happens(self, odds: float) -> bool:
        return odds > 0 and self.chance.uniform(0.0, 1.0) < odds

    # -- connection

    async def live(self) -> None:
        """Connect and serve, again and again, until the node leaves for good."""
        async with asyncio.TaskGroup() as tasks:
            while not self.is_gone:
                await asyncio.sleep(self.chance.uniform(0.1, 5.0))
                await self._connect(tasks)

    async def _connect(self, tasks: asyncio.TaskGroup) -> None:
        line = Connection(self)
        gateway = pick_gateway(self.gateways, self.chance)
        line.session = await gateway.open_session(self.identity, line.socket)
        if line.session is None:
            return
        self._line = line
        writer = tasks.create_task(line.write())
        resender = tasks.create_task(self._resend())
        if not self.plain:
            line.say(self.hello())
        while (frame := await line.incoming.get()) is not None:
            self._take(frame, tasks)
        self._line = None
        for task in (writer, resender):
            task.cancel()

    def hello(self) -> Hello:
        """Return the relay frame with which the node introduces itself."""
        here = (*self._units, *self._spool)
        if self.device_class is None:
            return Hello(version="sim", slots=self.slots, running=here[:256])
        return Hello(
            version="sim",
            slots=self.slots,
            running=here[:256],
            device_class=self.device_class,
            capabilities=(*self.identity.capabilities, CHECK),
        )

    async def _resend(self) -> None:
        """Resend unacknowledged results: relay frames can be lost while the connection stays up."""
        while True:
            for result in list(self._spool.values()):
                self._say(result)
            await asyncio.sleep(30.0)

    def disconnect(self) -> None:
        if self._line is not None:
            self._line.drop()

    def crash(self) -> None:
        """End the process and its units; the spool survives on disk, except on a plain node."""
        for task in self._units.values():
            task.cancel()
        self._units.clear()
        if self.plain:
            self._spool.clear()
        self.disconnect()

    def leave(self) -> None:
        """Crash and never connect again."""
        self.is_gone = True
        self.crash()

    def _say(self, frame: FromNode) -> None:
        if self._line is not None:
            self._line.say(frame)

    # -- relay frames

    def _take(self, frame: FromGateway, tasks: asyncio.TaskGroup) -> None:
        if isinstance(frame, JobDispatch):
            self._accept(frame, tasks)
        elif isinstance(frame, JobCancel):
            self._cancel(_ref(frame))
        elif isinstance(frame, Ack):
            self._spool = {r: s for r, s in self._spool.items() if not _matches(r, frame)}
        elif isinstance(frame, Welcome):
            for dropped in frame.drop:
                self._cancel(dropped)

    def _accept(self, frame: JobDispatch, tasks: asyncio.TaskGroup) -> None:
        ref = _ref(frame)
        if ref in self._units:
            return
        if ref in self._spool:
            self._say(self._spool[ref])
            return
        work = self._check(frame) if frame.job_type == CHECK else self._work(frame)
        self._units[ref] = tasks.create_task(work)

    def _cancel(self, ref: Running) -> None:
        self._spool.pop(ref, None)
        task = self._units.pop(ref, None)
        if task is not None:
            task.cancel()
            if not self.plain:
                said = {"job_id": ref.job_id, "unit": ref.unit, "attempt": ref.attempt}
                self._say(JobResult(status="cancelled", **said))  # type: ignore[arg-type]

    # -- units

    async def _work(self, frame: JobDispatch) -> None:
        ref = _ref(frame)
        async with self._free:
            await self._render(frame)
            result = await self._finish(frame)
        self._spool[ref] = result
        self._units.pop(ref, None)
        self._say(result)
        if self.plain and self.happens(0.5):
            self._spool.pop(ref, None)  # half of the time, a plain node sends a result only once

    async def _check(self, frame: JobDispatch) -> None:
        """Check another node's result, in parallel to the node's own work, and find it valid."""
        ref = _ref(frame)
        self.looked_at += [one.sha256 for one in frame.inputs if one.path == PICTURE_PATH]
        await asyncio.sleep(self.chance.uniform(0.5, 20.0))
        if self.happens(self.faults.hanging):
            await asyncio.sleep(self.chance.uniform(30.0, 400.0))
        about: dict[str, Any] = {"job_id": frame.job_id, "unit": frame.unit}
        about["attempt"] = frame.attempt
        if self.happens(self.faults.failing):
            result = JobResult(status="failed", error="simulated", failure="node", **about)
        else:
            result = JobResult(status="completed", work=_report(frame), **about)
        self._spool[ref] = result
        self._units.pop(ref, None)
        self._say(result)

    async def _render(self, frame: JobDispatch) -> None:
        left = self.chance.uniform(0.5, 60.0)
        silent = 0.0
        if self.happens(self.faults.hanging):
            silent = self.chance.uniform(30.0, 400.0)
        while left > 0:
            if silent <= 0:
                self._say(self._status(frame, left))
            await asyncio.sleep(min(left, 10.0))
            left, silent = left - 10.0, silent - 10.0
        await asyncio.sleep(max(silent, 0.0))

    def _status(self, frame: JobDispatch, left: float) -> JobStatus:
        progress = max(0.0, 1.0 - left / 60.0)
        if self.plain:
            return JobStatus(job_id=frame.job_id, progress=progress)
        return JobStatus(
            job_id=frame.job_id, unit=frame.unit, attempt=frame.attempt, progress=progress
        )

    async def _finish(self, frame: JobDispatch) -> JobResult:
        said: dict[str, Any] = {"job_id": frame.job_id}
        if not self.plain:
            said |= {"unit": frame.unit, "attempt": frame.attempt}
        if self.happens(self.faults.failing):
            blamed = self.faults.blamed
            failure = blamed[int(self.chance.uniform(0, len(blamed)))]
            return JobResult(status="failed", error="simulated", failure=failure, **said)
        assert frame.unit is not None
        assert frame.attempt is not None
        self.produced.add((UUID(frame.job_id), frame.unit, frame.attempt))
        if self.plain:
            return JobResult(status="completed", result_ref="s3://results/out", **said)
        return await self._upload(frame, said)

    async def _upload(self, frame: JobDispatch, said: dict[str, Any]) -> JobResult:
        assert frame.output is not None
        data = f"{frame.job_id}:{frame.unit}:{frame.attempt}".encode()
        while True:
            answer = await self.gateways[0].objects.request(
                "PUT", frame.output.url, frame.output.headers, data
            )
            if answer.status in (200, 412):
                break
            await asyncio.sleep(5.0)
        sha256 = hashlib.sha256(data).hexdigest()
        key = frame.output.key
        return JobResult(status="completed", result_ref=key, sha256=sha256, size=len(data), **said)


def pick_gateway(gateways: Sequence[SimulatedGateway], chance: TwinRandom) -> SimulatedGateway:
    """Return a random gateway, as a load balancer would."""
    if len(gateways) == 1:
        return gateways[0]
    return gateways[int(chance.uniform(0.0, len(gateways)))]


def _report(frame: JobDispatch) -> dict[str, Any]:
    """Return the report that all regions are equal, or that a picture without regions was seen."""
    count = len(frame.params.get("draws", ())) or len(frame.params.get("shown", ()))
    if not count:
        return {"looked": True}
    same = {"equal": True, "off": None}
    return {"crops": [same] * count, "finish": same}


def _ref(frame: JobDispatch | JobCancel) -> Running:
    return Running(job_id=frame.job_id, unit=frame.unit, attempt=frame.attempt)


def _matches(ref: Running, ack: Ack) -> bool:
    return ref.job_id == ack.job_id and ack.attempt in (None, ref.attempt)
