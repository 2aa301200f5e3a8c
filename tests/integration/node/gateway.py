"""A gateway for the node's tests: an external peer that speaks the protocol over real sockets.

The double also plays the object store: ``/store/{name}`` takes one PUT per name and serves the
file.
"""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rendertrust import checkpoint, node_key, nonce_note, note
from rendertrust.checkpoint import Checkpoint
from rendertrust.protocol import (
    Ack,
    FromGateway,
    FromNode,
    Input,
    JobDispatch,
    JobResult,
    Malformed,
    Output,
    Unknown,
    decode_from_node,
    encode,
)
from tests.support.until import until

Kind = TypeVar("Kind", bound=FromNode)
CODE_OWNER = "6a1f0c5e-5b1c-4f0e-9d59-0e6a4b2c8d7f"  # the user of every join code


def ack_of(frame: FromNode) -> FromGateway | None:
    """Return the answer to a result; other frames get none."""
    if isinstance(frame, JobResult):
        return Ack(job_id=frame.job_id, unit=frame.unit, attempt=frame.attempt)
    return None


class Gateway:
    """A gateway double with the relay frames, heartbeats and uploads that it received."""

    def __init__(self) -> None:
        self.server: TestServer
        self.frames: list[FromNode] = []
        self.beats: list[dict[str, Any]] = []
        self.registrations: list[dict[str, Any]] = []
        self.objects: dict[str, bytes] = {}
        self.puts: list[tuple[str, dict[str, str]]] = []
        self.fetches: list[str] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.tokens = {"first-token"}
        self.has_verify = True
        self.owner = ""  # the owner that the proof of a key names
        self.answers = asyncio.Event()  # while the event is clear, heartbeats get no answer
        self.answers.set()
        self.serves = asyncio.Event()  # while the event is clear, the store sends no file
        self.serves.set()
        self.refuses_registration: int | None = None
        self.store_answers: list[int] = []
        self.expired: set[str] = set()  # names whose URL has expired
        # the first key signs checkpoints; the other keys are only listed
        self.log_keys: list[Ed25519PrivateKey] = []
        # the new ``log_keys`` after the gateway refuses a token
        self.changes_at_refusal: list[Ed25519PrivateKey] = []
        self.answers_nonces = True
        self.checkpoint_status = 200
        self.connects = 0
        self.refuses_code = False
        self.downloads: dict[str, Any] | None = None  # what it hands out
        self.files: dict[str, bytes] = {}  # by their names below /download
        self.answer: Callable[[FromNode], FromGateway | None] = lambda _: None
        self._arrived = asyncio.Condition()
        self.asked: list[str] = []
        self._taken = 0

    @property
    def url(self) -> str:
        return str(self.server.make_url("/")).rstrip("/")

    def app(self) -> web.Application:
        app = web.Application(client_max_size=64 << 20, middlewares=[self._note])
        app.router.add_post("/api/v1/nodes/register", self._register)
        app.router.add_post("/api/v1/nodes/join/check", self._check_code)
        app.router.add_post("/api/v1/nodes/join", self._register)
        app.router.add_post("/api/v1/nodes/verify", self._verify)
        app.router.add_post("/api/v1/nodes/heartbeat", self._beat)
        app.router.add_get("/health", self._health)
        app.router.add_get("/api/v1/downloads", self._downloads)
        app.router.add_get("/download/{name}", self._download)
        app.router.add_get("/api/v1/ledger/checkpoint", self._checkpoint)
        app.router.add_get("/api/v1/relay/ws/{node_id}", self._relay)
        app.router.add_put("/store/{name}", self._put)
        app.router.add_get("/store/{name}", self._get)
        return app

    async def _register(self, request: web.Request) -> web.Response:
        if self.refuses_registration is not None:
            return web.json_response({"detail": "no"}, status=self.refuses_registration)
        self.registrations.append(
            {**await request.json(), "authorization": request.headers.get("Authorization")}
        )
        token = "first-token" if not self.has_verify else "for-verify-alone"
        answer = {"node_id": "n1", "challenge": "c" * 64, "token": token, "status": "REGISTERED"}
        owner = {} if "code" not in self.registrations[-1] else {"owner_id": CODE_OWNER}
        return web.json_response({**answer, **owner}, status=201)

    async def _check_code(self, _: web.Request) -> web.Response:
        if self.refuses_code:
            return web.json_response({"detail": "The code was used"}, status=401)
        return web.json_response({"message": "The join code is valid"})

    async def _downloads(self, _: web.Request) -> web.Response:
        return web.json_response(self.downloads, status=404 if self.downloads is None else 200)

    async def _download(self, request: web.Request) -> web.Response:
        body = self.files.get(request.match_info["name"])
        return web.Response(status=404) if body is None else web.Response(body=body)

    async def _verify(self, request: web.Request) -> web.Response:
        if not self.has_verify:
            raise web.HTTPNotFound
        body = await request.json()
        pem = self.registrations[-1]["public_key"]
        proof = (body["node_id"], body["challenge"], body["signature"])
        if not node_key.proof_holds(pem, *proof, node_key.authority_of(self.url)):
            return web.json_response({"detail": "bad signature"}, status=401)
        token = f"token-{len(self.registrations)}"
        self.tokens = {token}
        answer = {"node_id": "n1", "token": token, "status": "HEALTHY"}
        owner = {"owner_id": self.owner} if self.owner else {}
        return web.json_response({**answer, **owner})

    @web.middleware
    async def _note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.asked.append(request.path)
        return await handler(request)

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "healthy"})

    async def _checkpoint(self, request: web.Request) -> web.Response:
        if not self.log_keys:
            raise web.HTTPNotFound
        made = Checkpoint("farm.example/log", 0, bytes(32), datetime(2026, 3, 1, tzinfo=UTC))
        signed = checkpoint.sign(made, *self.log_keys)
        verifier = str(note.verifier_of(made.origin, self.log_keys[0]))
        answer = {"verifier": verifier, "checkpoint": signed}
        nonce = request.query.get("nonce")
        if self.answers_nonces and nonce is not None:
            answer["answer"] = nonce_note.sign(made.origin, nonce, *self.log_keys)
        return web.json_response(answer, status=self.checkpoint_status)

    def _knows(self, request: web.Request) -> bool:
        known = request.headers.get("Authorization", "").removeprefix("Bearer ") in self.tokens
        if not known and self.changes_at_refusal:
            self.log_keys = self.changes_at_refusal
        return known

    async def _beat(self, request: web.Request) -> web.Response:
        if not self._knows(request):
            return web.json_response({"detail": "unauthorized"}, status=401)
        self.beats.append(await request.json())
        await self.answers.wait()
        return web.json_response({"node_id": "n1", "status": "HEALTHY", "acknowledged": True})

    async def _relay(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(autoping=False, compress=False)
        await socket.prepare(request)
        self.connects += 1
        if not self._knows(request):
            await socket.close(code=4001, message=b"authentication failed")
            return socket
        self.sockets.append(socket)
        await socket.ping()  # as the real gateway does; a fake node waits for a ping
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await self._take(socket, message.data)
        return socket

    async def _take(self, socket: web.WebSocketResponse, text: str) -> None:
        frame = decode_from_node(text)
        assert not isinstance(frame, (Malformed, Unknown)), f"the node sent {frame}"
        async with self._arrived:
            self.frames.append(frame)
            self._arrived.notify_all()
        if (answer := self.answer(frame)) is not None:
            await socket.send_str(encode(answer))

    async def _put(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.puts.append((name, dict(request.headers)))
        content = await request.read()
        if name in self.expired:
            return web.Response(status=403)
        if self.store_answers:
            return web.Response(status=self.store_answers.pop(0))
        if name in self.objects:
            return web.Response(status=412)
        self.objects[name] = content
        return web.Response()

    async def _get(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.fetches.append(name)
        await self.serves.wait()
        if name not in self.objects:
            raise web.HTTPNotFound
        return web.Response(body=self.objects[name])

    # ---------------------------------------------------------------- methods for tests

    async def send(self, frame: FromGateway) -> None:
        """Send over the newest connection; wait for a node that has lost its connection."""

        async def sent() -> bool:
            try:
                await self.sockets[-1].send_str(encode(frame))
            except ConnectionResetError:
                return False
            return True

        await until(sent)

    async def next(self, kind: type[Kind], *, within: float = 120) -> Kind:
        """Return the next relay frame of ``kind``, and skip earlier relay frames of other kinds."""
        async with asyncio.timeout(within), self._arrived:
            while True:
                for position in range(self._taken, len(self.frames)):
                    frame = self.frames[position]
                    if isinstance(frame, kind):
                        self._taken = position + 1
                        return frame
                await self._arrived.wait()

    async def result(self, job_id: str, *, within: float = 120) -> JobResult:
        while True:
            result = await self.next(JobResult, within=within)
            if result.job_id == job_id:
                return result

    def input(self, path: str, content: bytes) -> Input:
        """Put ``content`` into the store and return it as an input."""
        sha256 = hashlib.sha256(content).hexdigest()
        self.objects[sha256] = content
        url = f"{self.url}/store/{sha256}"
        return Input(path=path, url=url, sha256=sha256, size=len(content))

    def output(self, name: str) -> Output:
        url = f"{self.url}/store/{name}"
        return Output(url=url, headers={"If-None-Match": "*"}, key=f"results/{name}")

    def dispatch(self, job_type: str, job_id: str = "j1", **more: Any) -> JobDispatch:
        fields: dict[str, Any] = {
            "payload_ref": "s3://inputs/x",
            "unit": 0,
            "attempt": 1,
            "lease_seconds": 60,
        }
        return JobDispatch(job_id=job_id, job_type=job_type, **{**fields, **more})
