"""A creator and a node that use aiohttp as the API reference says, without the package's client."""

import asyncio
import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from yarl import URL

from tests.support.until import until

Json = dict[str, Any]

PASSWORD = "securepassword123"
BUSY_SECONDS = 60.0
AGAIN_SECONDS = 0.2


@dataclass
class Creator:
    """A client of one user; ``call``, ``once`` and ``dispatch`` return (status, body).

    ``call`` repeats a request for up to a minute while the gateway answers 503; ``once`` sends it a
    single time. The other methods fail on an unexpected status.
    """

    http: aiohttp.ClientSession
    url: str
    email: str
    token: str = field(default="", repr=False)

    async def call(
        self, method: str, path: str, body: Json | None = None, **headers: str
    ) -> tuple[int, Any]:
        loop = asyncio.get_running_loop()
        ends = loop.time() + BUSY_SECONDS
        while True:
            status, answer = await self.once(method, path, body, **headers)
            if status != 503 or loop.time() > ends:
                return status, answer
            await asyncio.sleep(AGAIN_SECONDS)

    async def once(
        self, method: str, path: str, body: Json | None = None, **headers: str
    ) -> tuple[int, Any]:
        headers["Authorization"] = f"Bearer {self.token}"
        target = f"{self.url}/api/v1{path}"
        async with self.http.request(method, target, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def register(self) -> None:
        """Register the user; log in if an earlier attempt has succeeded despite a 503."""
        await until(self._is_known)

    async def _is_known(self) -> bool:
        status, answer = await self._registered()
        if status == 409:
            body = {"email": self.email, "password": PASSWORD}
            status, answer = await self.once("POST", "/auth/login", body)
            self.token = answer.get("access_token", "")
        assert status in (200, 201, 503), answer
        return status != 503

    async def can_register(self) -> bool:
        """Try once to register the user; return False if the gateway answers 503."""
        status, answer = await self._registered()
        assert status in (201, 503), answer
        return status == 201

    async def _registered(self) -> tuple[int, Any]:
        body = {"email": self.email, "name": "Jane Smith", "password": PASSWORD}
        status, answer = await self.once("POST", "/auth/register", body)
        if status == 201:
            self.token = answer["tokens"]["access_token"]
        return status, answer

    async def dispatch(self, job_type: str = "echo", **more: Any) -> tuple[int, Any]:
        """Submit one job with an idempotency key; repeat the request while the answer is 503."""
        body = {"job_type": job_type, "payload_ref": "s3://elsewhere/input/scene.blend"} | more
        key = {"Idempotency-Key": str(uuid4())}
        return await self.call("POST", "/jobs/dispatch", body, **key)

    async def upload(self, content: bytes, filename: str = "scene.blend") -> str:
        """Upload the content and return its ``payload_ref``."""
        sha256 = hashlib.sha256(content).hexdigest()
        body = {"sha256": sha256, "size": len(content), "filename": filename}
        status, upload = await self.call("POST", "/uploads", body)
        assert status == 201, upload
        put = upload["put"]
        async with self.http.put(
            URL(put["url"], encoded=True), data=content, headers=put["headers"]
        ) as answer:
            assert answer.status == 200, await answer.text()
        status, upload = await self.call("POST", f"/uploads/{upload['id']}/complete")
        assert status == 200, upload
        return str(upload["payload_ref"])

    async def result(self, job: str) -> bytes:
        """Download and return the job's result."""
        status, answer = await self.call("GET", f"/jobs/{job}/result")
        assert status == 200, answer
        async with self.http.get(URL(answer["download_url"], encoded=True)) as download:
            assert download.status == 200, await download.text()
            return await download.read()

    async def job_within(self, job: str, status: str, within: float = 60.0) -> Json:
        """Wait until the job has the status and return it; connection errors are retried."""

        async def reached() -> bool:
            try:
                found.update(await self.job(job))
            except aiohttp.ClientError:
                return False
            return bool(found["status"] == status)

        found: Json = {}
        await until(reached, within=within)
        return found

    async def job(self, job: str) -> Json:
        status, answer = await self.call("GET", f"/jobs/{job}")
        assert status == 200, answer
        return dict(answer)


@dataclass
class PlainNode:
    """A node that implements the API reference and nothing else."""

    http: aiohttp.ClientSession
    url: str
    capabilities: tuple[str, ...] = ("echo", "render")
    id: str = ""
    token: str = field(default="", repr=False)
    socket: aiohttp.ClientWebSocketResponse | None = None

    async def register(self) -> None:
        key = Ed25519PrivateKey.generate().public_key()
        pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        body = {
            "name": "plain",
            "public_key": pem,
            "capabilities": list(self.capabilities),
            "metadata": {"gpu": "RTX 4090"},
        }
        found = await self._done("/nodes/register", body, 201)
        self.id, self.token = found["node_id"], found["token"]

    async def heartbeat(self) -> None:
        await self._done(
            "/nodes/heartbeat", {"current_load": 0.45, "metadata": {"gpu_temp": 72}}, 200
        )

    async def _done(self, path: str, body: Json, wanted: int) -> Json:
        """Post the body and return the answer; repeat the request while the gateway answers 503."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        found: Json = {}

        async def answered() -> bool:
            nonlocal found
            target = f"{self.url}/api/v1{path}"
            async with self.http.post(target, json=body, headers=headers) as answer:
                found = await answer.json()
                assert answer.status in (wanted, 503), found
                return answer.status != 503

        await until(answered)
        return found

    async def connect(self) -> None:
        target = f"{self.url}/api/v1/relay/ws/{self.id}"
        self.socket = await self.http.ws_connect(target, params={"token": self.token})

    async def leave(self) -> None:
        """Close the socket, if there is one; closing the HTTP session does not close it."""
        if self.socket is not None:
            await self.socket.close()

    async def receive(self, kind: str, within: float = 60.0) -> Json:
        """Return the next relay frame of that type; skip relay frames of other types."""
        assert self.socket is not None
        while True:
            message = await self.socket.receive(timeout=within)
            assert message.type is aiohttp.WSMsgType.TEXT, message
            frame: Json = json.loads(message.data)
            if frame["type"] == kind:
                return frame

    async def say(self, kind: str, **fields: Any) -> None:
        assert self.socket is not None
        await self.socket.send_json({"type": kind, **fields})


@dataclass
class FaithfulNode(PlainNode):
    """A node that finishes each job at once and resends results until they are acknowledged.

    ``sockets`` counts its connections, ``closes`` holds their close codes, and ``sent`` counts how
    often each job was dispatched to the node. The node runs until ``serve`` is cancelled.
    """

    results: dict[str, Json] = field(default_factory=dict[str, Json])
    sockets: int = 0
    closes: list[int | None] = field(default_factory=list[int | None])
    sent: Counter[str] = field(default_factory=Counter[str])

    async def serve(self) -> None:
        while True:
            await until(self.is_connected)
            self.sockets += 1
            assert self.socket is not None
            async with self.socket:
                with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                    for result in self.results.values():
                        await self.say("job_result", **result)
                    await self._answer_all()
                self.closes.append(self.socket.close_code)

    async def is_connected(self) -> bool:
        """Try once to connect; return whether the gateway accepted the connection."""
        try:
            await self.connect()
        except aiohttp.ClientError:
            return False
        return True

    async def _answer_all(self) -> None:
        assert self.socket is not None
        async for message in self.socket:
            frame: Json = json.loads(message.data)
            if frame["type"] == "ack":
                self.results.pop(frame["job_id"], None)
            elif frame["type"] == "job_dispatch":
                await self._work(frame["job_id"])

    async def _work(self, job: str) -> None:
        self.sent[job] += 1
        await self.say("job_status", job_id=job, status="running", progress=0.5)
        place = f"s3://elsewhere/results/{job}.png"
        result = {"job_id": job, "status": "completed", "result_ref": place}
        self.results[job] = result
        await self.say("job_result", **result)


@contextlib.asynccontextmanager
async def faithful_node(
    http: aiohttp.ClientSession, url: str, *capabilities: str
) -> AsyncGenerator[FaithfulNode]:
    """Yield a node that is registered, and serves jobs until the block ends."""
    node = FaithfulNode(http, url, capabilities or ("render",))
    await node.register()
    await node.heartbeat()
    serving = asyncio.ensure_future(node.serve())
    try:
        yield node
    finally:
        serving.cancel()
        await asyncio.wait((serving,))
        await node.leave()
