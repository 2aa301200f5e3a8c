"""A fake node for testing a gateway, or software built on one, without a machine that renders.

The fake node registers, proves its key, opens the relay and speaks the real protocol
(docs/PROTOCOL.md) over a real socket. You supply the function that handles a dispatch.

    async with FakeNode(url, behave=works(lambda task: b"a picture")) as node:
        ...submit a job...
        dispatch = await node.next(JobDispatch, within=5)
        ack = await node.next(Ack, within=5)
"""

import asyncio
import contextlib
import hashlib
import inspect
import io
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import aiohttp
import attrs
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from yarl import URL

from rendertrust import __version__, manifest, node_key
from rendertrust.http_session import http_session
from rendertrust.node import registration
from rendertrust.node.attester import Attester, utc
from rendertrust.node.plugin import Completed
from rendertrust.node.spool import CopiedFile
from rendertrust.protocol import (
    FromGateway,
    FromNode,
    Hello,
    Input,
    JobDispatch,
    JobResult,
    JobStatus,
    Malformed,
    Running,
    Unknown,
    Urls,
    UrlsRequest,
    decode_from_gateway,
    encode,
)

RECEIVED_MAX: Final = 10_000
ANSWER_SECONDS: Final = 30.0
Kind = TypeVar("Kind", bound=FromGateway)
Behaviour = Callable[["FakeNode", JobDispatch], Awaitable[None]]


class FakeNode:
    """A node that is connected inside ``async with``.

    Raises ConnectionError if the gateway rejects the node. ``received``: every relay frame
    from the gateway; ``close_code``: the code with which the gateway closed the socket. An
    exception in a behaviour is raised at the end of the ``async with`` block, unless the block
    itself failed.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "fake-node",
        capabilities: Sequence[str] = ("echo", "render"),
        slots: int = 1,
        user_token: str | None = None,
        key: Ed25519PrivateKey | None = None,
        behave: Behaviour | None = None,
        greet: bool = True,
        signs: bool = True,
        device_class: str | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.name = name
        self.capabilities = tuple(capabilities)
        self.slots = slots
        self.key = key or node_key.generate_key()
        self.received: list[FromGateway] = []
        self.running: list[Running] = []
        self.close_code: int | None = None
        self.node_id = ""
        self.token = ""
        self._user_token = user_token
        self._behave = behave or completes()
        self._greet = greet
        self._signs = signs
        self.device_class = device_class
        self._taken = 0
        self._is_served = False
        self._arrived = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._faults: list[BaseException] = []
        self._session: aiohttp.ClientSession
        self._socket: aiohttp.ClientWebSocketResponse

    async def __aenter__(self) -> Self:
        self._session = http_session()
        try:
            await self._register()
            await self.connect()
        except BaseException:
            await self._session.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.disconnect()
        await self._session.close()
        if fault is None and self._faults:
            raise self._faults[0]

    async def _register(self) -> None:
        answer = await registration.register(
            self._session,
            self.url,
            self.key,
            name=self.name,
            capabilities=self.capabilities,
            metadata={},
            user_token=self._user_token,
        )
        if isinstance(answer, registration.NodeRejected):
            raise ConnectionError(f"{answer.code}: {answer.reason}")
        self.node_id, self.token = answer.node_id, answer.token

    async def connect(self) -> None:
        """Open the relay (again), send hello, and wait for the first ping or the end of the socket.

        The gateway pings as soon as the node's session exists. From this moment, dispatches reach
        the node.
        """
        self.close_code, self._is_served = None, False
        self._socket = await self._session.ws_connect(
            f"{self.url}/api/v1/relay/ws/{self.node_id}".replace("http", "ws", 1),
            headers={"Authorization": f"Bearer {self.token}"},
            compress=0,
            autoping=False,
        )
        self._start(self._read())
        if self._greet:
            await self.send(
                Hello(
                    version=__version__,
                    slots=self.slots,
                    device_class=self.device_class,
                    capabilities=self.capabilities,
                    running=tuple(self.running),
                )
            )
        with contextlib.suppress(TimeoutError):  # tests may use a connection that loses pings
            async with asyncio.timeout(ANSWER_SECONDS), self._arrived:
                await self._arrived.wait_for(lambda: self._is_served or self.close_code is not None)

    async def disconnect(self) -> None:
        """Cancel running behaviours and close the socket."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._socket.close()

    async def send(self, frame: FromNode) -> None:
        """Send one relay frame."""
        if isinstance(frame, Hello):
            self.device_class = frame.device_class
        await self._socket.send_str(encode(frame))

    async def send_text(self, text: str) -> None:
        """Send any text, even one that is not a relay frame."""
        await self._socket.send_str(text)

    async def next(self, kind: type[Kind], *, within: float) -> Kind:
        """Return the next relay frame of ``kind`` that was not returned before.

        Skips relay frames of other kinds that came before. Raises TimeoutError.
        """
        async with asyncio.timeout(within), self._arrived:
            while True:
                for position in range(self._taken, len(self.received)):
                    frame = self.received[position]
                    if isinstance(frame, kind):
                        self._taken = position + 1
                        return frame
                await self._arrived.wait()

    async def closed(self, *, within: float) -> int:
        """Return the close code once the gateway closes the socket. Raises TimeoutError."""
        async with asyncio.timeout(within), self._arrived:
            while self.close_code is None:
                await self._arrived.wait()
            return self.close_code

    async def upload(self, dispatch: JobDispatch, content: bytes) -> int | None:
        """PUT ``content`` to the dispatch's output and return the HTTP status.

        Return None if the dispatch has no output.
        """
        if dispatch.output is None:
            return None
        async with self._session.put(
            URL(dispatch.output.url, encoded=True),
            data=io.BytesIO(content),
            headers=dict(dispatch.output.headers),
            skip_auto_headers=("Content-Type",),
        ) as response:
            return response.status

    def signed(self, dispatch: JobDispatch, told: JobResult) -> JobResult:
        """Add the signed ``work`` of a receipt to a result, unless ``signs`` is False."""
        if not self._signs or told.sha256 is None or told.size is None:
            return told
        build = (self.device_class or "").rpartition("/")[2] or None
        program = {"name": self.name, "version": __version__, "build": build}
        done = Completed(renderer=program if dispatch.job_type == "render" else None)
        attester = Attester(node=lambda: self.node_id, key=self.key)
        taken = CopiedFile(path=Path(), sha256=told.sha256, size=told.size)
        beside = told.evidence
        proof = CopiedFile(path=Path(), sha256=beside.sha256, size=beside.size) if beside else None
        made = attester.attest(dispatch, utc(), done, taken, proof)
        return told if made is None else attrs.evolve(told, work=made[0], signature=made[1])

    async def fetch(self, dispatch: JobDispatch) -> dict[str, bytes]:
        """Return the inputs of a dispatch by path.

        Raises ConnectionError if an input's hash differs.
        """
        found = {given.path: await self._content(given) for given in dispatch.inputs}
        if dispatch.manifest is None:
            return found
        listed = manifest.read(await self._content(dispatch.manifest), "key")
        for entry in listed.files:
            found[entry.path] = await self._content(await self._asked(dispatch, entry.sha256))
        return found

    async def _content(self, given: Input) -> bytes:
        async with self._session.get(URL(given.url, encoded=True)) as answer:
            content = await answer.read()
            if hashlib.sha256(content).hexdigest() != given.sha256:
                raise ConnectionError(f"{given.path}: {answer.status}, other content")
            return content

    async def _asked(self, dispatch: JobDispatch, sha256: str) -> Input:
        """Ask the gateway for the URL of a manifest's file."""
        ref = (dispatch.job_id, dispatch.unit, dispatch.attempt)
        await self.send(UrlsRequest(job_id=ref[0], unit=ref[1], attempt=ref[2], files=(sha256,)))
        async with asyncio.timeout(ANSWER_SECONDS), self._arrived:
            while True:
                answers = [frame for frame in self.received if isinstance(frame, Urls)]
                for given in (given for frame in answers for given in frame.inputs):
                    if given.sha256 == sha256:
                        return given
                await self._arrived.wait()

    def _start(self, work: "Awaitable[None]") -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            self._faults.append(fault)

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.PING:
                await self._answer(message.data)
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            frame = decode_from_gateway(message.data)
            assert not isinstance(frame, Malformed), f"the gateway sent {frame}"
            if not isinstance(frame, Unknown):
                await self._take(frame)
        async with self._arrived:
            self.close_code = self._socket.close_code or 1006
            self._arrived.notify_all()

    async def _answer(self, ping: bytes) -> None:
        with contextlib.suppress(ConnectionError):  # the socket is closing
            await self._socket.pong(ping)
        async with self._arrived:
            self._is_served = True
            self._arrived.notify_all()

    async def _take(self, frame: FromGateway) -> None:
        async with self._arrived:
            assert len(self.received) < RECEIVED_MAX, "the gateway floods its node"
            self.received.append(frame)
            self._arrived.notify_all()
        if isinstance(frame, JobDispatch):
            self._start(self._behave(self, frame))


@attrs.frozen
class FakeTask:
    """The argument of your function: the dispatch, and its inputs by path."""

    dispatch: JobDispatch
    inputs: Mapping[str, bytes] = attrs.field(repr=False)

    @property
    def params(self) -> Mapping[str, Any]:
        """Return the creator's parameters."""
        return self.dispatch.params


@attrs.frozen
class Fails:
    """Result of your function for a unit that fails."""

    error: str = "it failed"
    failure: str = "scene"  # one of rendertrust.protocol.FAILURE_CLASSES


Work = Callable[[FakeTask], "bytes | Fails | Awaitable[bytes | Fails]"]


def works(work: Work, *, progress: Sequence[float] = (0.5,)) -> Behaviour:
    """Fetch the inputs, call ``work``, and deliver the bytes or the Fails that ``work`` returns.

    The unit is RUNNING while ``work`` runs, and ``progress`` is reported afterwards. If
    ``progress`` is empty, the node reports only the result.
    """

    async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
        if progress:  # a real node reports 0 when it begins
            await node.send(_status(dispatch, 0.0))
        task = FakeTask(dispatch, await node.fetch(dispatch))
        try:
            made = work(task)
            done = await made if inspect.isawaitable(made) else made
        except Exception as fault:  # report the failure, so that the caller does not wait
            await fails("node", f"{type(fault).__name__} in the test's function")(node, dispatch)
            raise
        if isinstance(done, Fails):
            await fails(done.failure, done.error)(node, dispatch)
        else:
            await completes(done, progress=progress)(node, dispatch)

    return behave


def completes(content: bytes = b"fake result", *, progress: Sequence[float] = (0.5,)) -> Behaviour:
    """Report ``progress``, upload ``content`` if the dispatch has an output, and report success."""

    async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
        for share in progress:
            await node.send(_status(dispatch, share))
        await node.upload(dispatch, content)
        told = JobResult(
            job_id=dispatch.job_id,
            unit=dispatch.unit,
            attempt=dispatch.attempt,
            status="completed",
            result_ref=dispatch.output.key if dispatch.output else f"none:{dispatch.job_id}",
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
        )
        await node.send(node.signed(dispatch, told))

    return behave


def fails(failure: str = "node", error: str = "it failed") -> Behaviour:
    """Fail every dispatch with the failure class ``failure``."""

    async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
        await node.send(
            JobResult(
                job_id=dispatch.job_id,
                unit=dispatch.unit,
                attempt=dispatch.attempt,
                status="failed",
                failure=failure,
                error=error,
            )
        )

    return behave


def hangs(progress: float | None = None) -> Behaviour:
    """Report ``progress`` once, if given, and never report a result."""

    async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
        if progress is not None:
            await node.send(_status(dispatch, progress))

    return behave


def _status(dispatch: JobDispatch, progress: float) -> JobStatus:
    return JobStatus(
        job_id=dispatch.job_id,
        unit=dispatch.unit,
        attempt=dispatch.attempt,
        progress=progress,
    )
