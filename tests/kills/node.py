"""A node that does each job at once and keeps the result until it is acknowledged."""

import asyncio
import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import aiohttp
import attrs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from yarl import URL

from rendertrust import node_key
from rendertrust.node import registration
from rendertrust.node.attester import Attester, utc
from rendertrust.node.plugin import Completed
from rendertrust.node.spool import CopiedFile
from rendertrust.protocol import FromNode, decode_from_gateway, encode
from rendertrust.relay_frames import (
    Ack,
    Evidence,
    Hello,
    Input,
    JobCancel,
    JobDispatch,
    JobResult,
    Running,
    Welcome,
)
from tests.kills.journal import Record
from tests.kills.people import ClientState

SLOTS: Final = 256
PAUSE_SECONDS: Final = 0.05
EARNING: Final = "render"  # the job type whose results are uploaded, checked and paid for
CHECK: Final = "check"
CLASS: Final = "cpu/kills"
EXACT: Final = {"crops": [{"equal": True}] * 3, "finish": {"equal": True}}
NOTHING_OF: Final = 8  # one in eight checks fails
IS_THERE: Final = 412  # an earlier try has stored the object


def result_of(job: str) -> bytes:
    """Return the result of a job."""
    return f"the result of {job}".encode()


def evidence_of(job: str) -> bytes:
    """Return the evidence of a job whose result is checked."""
    return f"the evidence of {job}".encode()


@attrs.define
class Worker:
    """A node; ``held`` has its unacknowledged units, with None for units still being worked on.

    ``done`` has acknowledged units, which must not be dispatched to the node again.
    """

    shared: ClientState
    capabilities: tuple[str, ...]
    key: Ed25519PrivateKey = attrs.field(factory=node_key.generate_key)
    id: str = ""
    token: str = attrs.field(default="", repr=False)
    held: dict[Running, JobResult | None] = attrs.field(factory=dict[Running, JobResult | None])
    done: set[Running] = attrs.field(factory=set[Running])
    tasks: set[asyncio.Task[None]] = attrs.field(factory=set[asyncio.Task[None]])
    socket: aiohttp.ClientWebSocketResponse | None = None

    async def register(self, owner: str = "") -> None:
        """Register the node; ``owner`` is the token of the user who earns by it, if any."""
        answer = await registration.register(
            self.shared.line.http,
            self.shared.line.url,
            self.key,
            name="kills",
            capabilities=self.capabilities,
            metadata={},
            user_token=owner or None,
        )
        assert isinstance(answer, registration.NodeRegistered), answer
        self.id, self.token = answer.node_id, answer.token

    async def serve(self) -> None:
        """Connect and work, and reconnect whenever the gateway has gone, until cancelled."""
        url = f"{self.shared.line.url}/api/v1/relay/ws/{self.id}".replace("http", "ws", 1)
        headers = {"Authorization": f"Bearer {self.token}"}
        while True:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with self.shared.line.http.ws_connect(url, headers=headers) as self.socket:
                    await self._session(self.socket)
            self.socket = None
            await asyncio.sleep(PAUSE_SECONDS)

    async def _session(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        running = tuple(self.held)
        hello = Hello(
            version="1",
            slots=SLOTS,
            capabilities=self.capabilities,
            running=running[:SLOTS],
            device_class=CLASS,
        )
        await self.say(hello)
        for result in self.held.values():
            if result is not None:
                await self.say(result)
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                await self._take(message.data)

    async def say(self, frame: FromNode) -> None:
        """Send a relay frame if there is a connection; results are sent again after each hello."""
        if self.socket is not None:
            with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                await self.socket.send_str(encode(frame))

    async def _take(self, text: str) -> None:
        frame = decode_from_gateway(text)
        if isinstance(frame, JobDispatch):
            await self._dispatched(frame)
        elif isinstance(frame, Ack):
            self._acknowledged(frame)
        elif isinstance(frame, Welcome):
            for dropped in frame.drop:
                self.held.pop(dropped, None)
        elif isinstance(frame, JobCancel):
            await self._cancelled(frame)

    async def _dispatched(self, frame: JobDispatch) -> None:
        unit = unit_of(frame)
        if unit in self.done:
            self.shared.wrong.append(f"lost: {unit} was acknowledged, and is asked for again")
        if unit not in self.held:
            self.held[unit] = None
            task = asyncio.create_task(self._work(frame))
            self.tasks.add(task)
            task.add_done_callback(self._ended)
        elif (result := self.held[unit]) is not None:
            await self.say(result)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.shared.wrong.append(f"a node failed: {task.exception()!r}")

    def _acknowledged(self, frame: Ack) -> None:
        unit = unit_of(frame)
        result = self.held.pop(unit, None)
        if result is not None:
            self.done.add(unit)
            self.shared.journal.note(Record("ack", "", {}, attrs.asdict(unit)))

    async def _cancelled(self, frame: JobCancel) -> None:
        unit = unit_of(frame)
        self.held.pop(unit, None)
        await self.say(
            JobResult(job_id=unit.job_id, unit=unit.unit, attempt=unit.attempt, status="cancelled")
        )

    async def _work(self, frame: JobDispatch) -> None:
        """Fetch the inputs, upload the result, and report it."""
        for given in frame.inputs:
            await self._fetch(given)
        unit, place = unit_of(frame), f"s3://elsewhere/{frame.job_id}"
        if frame.job_type == EARNING and frame.output is not None:
            await self._put(frame.output.url, frame.output.headers, result_of(frame.job_id))
            place = frame.output.key
        comes_to_nothing = frame.job_type == CHECK and UUID(unit.job_id).int % NOTHING_OF == 0
        result = JobResult(
            job_id=unit.job_id,
            unit=unit.unit,
            attempt=unit.attempt,
            status="failed" if comes_to_nothing else "completed",
            failure="verifier" if comes_to_nothing else None,
            result_ref=place,
            work=EXACT if frame.job_type == CHECK else None,
            **await self._proved(frame),
        )
        if unit in self.held:
            self.held[unit] = result = self._signed(frame, result)
            await self.say(result)

    def _signed(self, frame: JobDispatch, result: JobResult) -> JobResult:
        """Return the result, signed if it waits for a verdict; unsigned work is refused."""
        beside = result.evidence
        if beside is None or result.sha256 is None or result.size is None:
            return result
        build = CLASS.rpartition("/")[2]
        program = {"name": "kills", "version": "1", "build": build}
        done = Completed(renderer=program if frame.job_type == "render" else None)
        attester = Attester(node=lambda: self.id, key=self.key)
        taken = CopiedFile(path=Path(), sha256=result.sha256, size=result.size)
        proof = CopiedFile(path=Path(), sha256=beside.sha256, size=beside.size)
        made = attester.attest(frame, utc(), done, taken, proof)
        return result if made is None else attrs.evolve(result, work=made[0], signature=made[1])

    async def _proved(self, frame: JobDispatch) -> dict[str, Any]:
        """Upload the evidence and return its members of the result; nothing if no verdict
        follows.
        """
        if frame.evidence is None:
            return {}
        picture, proof = result_of(frame.job_id), evidence_of(frame.job_id)
        await self._put(frame.evidence.url, frame.evidence.headers, proof)
        evidence = Evidence(sha256=hashlib.sha256(proof).hexdigest(), size=len(proof))
        sha256 = hashlib.sha256(picture).hexdigest()
        return {"sha256": sha256, "size": len(picture), "evidence": evidence}

    async def _fetch(self, given: Input) -> None:
        """Fetch an input and compare its hash: its upload was acknowledged."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with self.shared.line.http.get(URL(given.url, encoded=True)) as answer:
                    content = await answer.read()
                if answer.status == 200:
                    break
                if answer.status < 500:
                    self.shared.wrong.append(f"an input was answered with {answer.status}")
                    return
            await asyncio.sleep(PAUSE_SECONDS)
        if hashlib.sha256(content).hexdigest() != given.sha256:
            self.shared.wrong.append(f"an input came as {content[:100]!r}")

    async def _put(self, url: str, headers: Mapping[str, str], content: bytes) -> None:
        while True:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with self.shared.line.http.put(
                    URL(url, encoded=True),
                    data=content,
                    headers=dict(headers),
                    skip_auto_headers=("Content-Type",),
                ) as answer:
                    if answer.status in (200, IS_THERE):
                        return
            await asyncio.sleep(PAUSE_SECONDS)


def unit_of(frame: JobDispatch | JobCancel | Ack) -> Running:
    """Return the attempt that a relay frame is about."""
    return Running(job_id=frame.job_id, unit=frame.unit, attempt=frame.attempt)
