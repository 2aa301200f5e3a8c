"""Checks of nodes, relay and jobs, with a client and a node as the API reference describes them."""

import json
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.acceptance.conformance import reference
from tests.acceptance.conformance.asker import Asker, Json
from tests.acceptance.conformance.people import API, person
from tests.acceptance.conformance.reference import ERROR
from tests.acceptance.conformance.shapes import UUID, Shape, differences

PAYLOAD = "s3://bucket/input/scene.blend"
NOBODY = "550e8400-e29b-41d4-a716-446655440000"
FRAME_SECONDS = 10.0


@dataclass
class Node:
    """A node of the reference, with a job type that no other node has."""

    id: str
    token: str
    job_type: str


async def register_node(asker: Asker) -> Node:
    """Check registration and heartbeats of nodes, and return the node."""
    kind, path = f"conformance-{uuid.uuid4().hex[:8]}", f"{API}/nodes/register"
    key = Ed25519PrivateKey.generate().public_key()
    body = {
        "name": "gpu-node-east-1",
        "public_key": key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
        "capabilities": [kind, "inference"],
        "metadata": {"gpu": "RTX 4090"},
    }
    found = await asker.need("POST", path, 201, reference.NODE, body)
    no_key = {**body, "public_key": "-----BEGIN PUBLIC KEY-----\nMCow..."}
    await asker.ask("POST", path, 422, ERROR, no_key, as_="no key")
    path, beat = f"{API}/nodes/heartbeat", {"current_load": 0.45, "metadata": {"gpu_temp": 72}}
    shape = {**reference.ALIVE, "node_id": found["node_id"]}
    await asker.need("POST", path, 200, shape, beat, token=found["token"])
    await asker.ask("POST", path, 401, ERROR, beat, as_="without a token")
    wrong = {"current_load": 1.5}
    await asker.ask("POST", path, 422, ERROR, wrong, token=found["token"], as_="a load of 1.5")
    return Node(found["node_id"], found["token"], kind)


async def check_audiences(asker: Asker, token: str, node: Node) -> None:
    """Check that tokens of users and nodes are not interchangeable, and that no token is
    refused.
    """
    beat = {"current_load": 0.45}
    path = f"{API}/nodes/heartbeat"
    await asker.ask("POST", path, 401, ERROR, beat, token=token, as_="a user's token")
    for method, path in (
        ("GET", f"{API}/credits/balance"),
        ("GET", f"{API}/credits/history"),
        ("GET", f"{API}/jobs"),
        ("GET", f"{API}/jobs/{NOBODY}"),
        ("GET", f"{API}/jobs/{NOBODY}/result"),
        ("POST", f"{API}/jobs/{NOBODY}/cancel"),
        ("POST", f"{API}/jobs/dispatch"),
    ):
        await asker.ask(method, path, 401, ERROR, as_="without a token")
        await asker.ask(method, path, 401, ERROR, token=node.token, as_="a node's token")


async def check_job(asker: Asker, token: str, node: Node) -> None:
    """Check a job from its dispatch over the relay to its result."""
    path = f"{API}/jobs/dispatch"
    order = {"job_type": f"{node.job_type}-other", "payload_ref": PAYLOAD}
    shape = {"detail": reference.NO_NODE}
    await asker.ask("POST", path, 400, shape, order, token=token, as_="no node can do it")
    await asker.ask("POST", path, 422, ERROR, {}, token=token, as_="an empty body")
    order["job_type"] = node.job_type
    placed: Shape = {"job_id": UUID, "node_id": node.id, "status": "DISPATCHED"}
    job = (await asker.need("POST", path, 200, placed, order, token=token))["job_id"]
    early = f"{API}/jobs/{job}/result"
    await asker.ask("GET", early, 404, ERROR, token=token, as_="before it is completed")
    await _work(asker, node, job)
    await asker.until(f"{API}/jobs/{job}", token, "COMPLETED")
    await _check_completed(asker, token, node, job)


async def _work(asker: Asker, node: Node, job: str) -> None:
    """Exchange the four relay frames of a job, each in its shortest form."""
    async with connect(asker, node.id, node.token) as socket:
        message = await socket.receive(timeout=FRAME_SECONDS)
        found = json.loads(message.data) if message.type is aiohttp.WSMsgType.TEXT else message
        shape = reference.frame(job, node.job_type, PAYLOAD)
        asker.note("relay: job_dispatch", differences(found, shape))
        running = {"type": "job_status", "job_id": job, "status": "running", "progress": 0.45}
        await socket.send_json(running)
        done = {"type": "job_result", "job_id": job, "status": "completed"}
        await socket.send_json({**done, "result_ref": "s3://results/frame.png"})
        # Wait for the acknowledgement, which clients of the reference need not know.
        await socket.receive(timeout=FRAME_SECONDS)


@asynccontextmanager
async def connect(
    asker: Asker, node: str, token: str, *, autoping: bool = True
) -> AsyncGenerator[aiohttp.ClientWebSocketResponse]:
    target = f"{asker.url}{API}/relay/ws/{node}"
    async with asker.http.ws_connect(target, params={"token": token}, autoping=autoping) as socket:
        yield socket


async def _check_completed(asker: Asker, token: str, node: Node, job: str) -> None:
    shape = {
        **reference.JOB,
        "id": job,
        "node_id": node.id,
        "job_type": node.job_type,
        "payload_ref": PAYLOAD,
        "status": "COMPLETED",
        "result_ref": "s3://results/frame.png",
    }
    await asker.ask("GET", f"{API}/jobs/{job}", 200, shape, token=token)
    path = f"{API}/jobs?status=COMPLETED&limit=50&offset=0"
    await asker.ask("GET", path, 200, {"jobs": [shape], "count": 1}, token=token)
    path = f"{API}/jobs?status=FAILED"
    await asker.ask("GET", path, 200, {"jobs": [], "count": 0}, token=token, as_="of none")
    path = f"{API}/jobs?status=LOST"
    await asker.ask("GET", path, 422, ERROR, token=token, as_="an unknown status")
    shape = {**reference.RESULT, "job_id": job}
    await asker.ask("GET", f"{API}/jobs/{job}/result", 200, shape, token=token)
    path = f"{API}/jobs/{job}/cancel"
    await asker.ask("POST", path, 400, ERROR, token=token, as_="when it is completed")
    await _check_entry(asker, token, node)


async def _check_entry(asker: Asker, token: str, node: Node) -> None:
    """Check that the newest ledger entry is the job's."""
    shape = {
        **reference.ENTRY,
        "direction": "DEBIT",
        "source": "USAGE",
        "description": f"Job execution: {node.job_type}",
    }
    path = f"{API}/credits/history?limit=1"
    await asker.ask("GET", path, 200, {"entries": [shape]}, token=token, as_="after the job")


async def check_cancel(asker: Asker, token: str, node: Node) -> None:
    """Check the cancellation of a job that its node has not begun."""
    order = {"job_type": node.job_type, "payload_ref": PAYLOAD}
    placed = await asker.need("POST", f"{API}/jobs/dispatch", 200, {}, order, token=token)
    path = f"{API}/jobs/{placed['job_id']}"
    shape = {
        **reference.JOB,
        "id": placed["job_id"],
        "status": "CANCELLED",
        "result_ref": None,
        "completed_at": (None, reference.JOB["completed_at"]),
    }
    await asker.ask("POST", f"{path}/cancel", 200, shape, token=token)
    await asker.ask("POST", f"{path}/cancel", 400, ERROR, token=token, as_="again")
    await check_strangers(asker, path)


async def check_strangers(asker: Asker, path: str) -> None:
    """Check that to another user the job does not exist."""
    other = await asker.need("POST", f"{API}/auth/register", 201, {}, person())
    token: str = other["tokens"]["access_token"]
    for job in (path, f"{API}/jobs/{NOBODY}", f"{API}/jobs/1"):
        await asker.ask("GET", job, 404, ERROR, token=token)
        await asker.ask("GET", f"{job}/result", 404, ERROR, token=token)
        await asker.ask("POST", f"{job}/cancel", 404, ERROR, token=token)


async def check_close_codes(asker: Asker, user: Json, node: Node) -> None:
    """Check that the gateway accepts a socket with a bad token and closes it with 4001, a code that
    clients can read.
    """
    for as_, token in (
        ("no token", ""),
        ("a wrong token", "wrong"),
        ("a user's token", user["access_token"]),
    ):
        async with connect(asker, node.id, token) as socket:
            message = await socket.receive(timeout=FRAME_SECONDS)
            right = message.type is aiohttp.WSMsgType.CLOSE
            right = right and message.data == reference.AUTHENTICATION_FAILED
            asker.note(f"relay closes with 4001: {as_}", [] if right else [f"{message}"])
