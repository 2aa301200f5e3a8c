"""The whole way of a job through the public API, by a plain client written from the reference.

Every field that the reference shows must be in the answer, of that type, and not null where the
example is not. What is added beside it is not looked at.
"""

import re
from typing import Any

import aiohttp
import pytest

from tests.acceptance.gateway import Gateway
from tests.acceptance.people import Creator, Json, PlainNode
from tests.until import until

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
UUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
CREDITS = re.compile(r"\d+\.\d{4}")
JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
ANY = object()
# A shape: a pattern for a string, a class, a value that must be the same, or members of an object.
Shape = Any


def check(found: Any, shape: Shape, place: str = "") -> None:
    """``found`` has at least what ``shape`` says."""
    if isinstance(shape, dict):
        assert isinstance(found, dict), f"{place}: {found}"
        for name, inner in shape.items():
            assert name in found, f"{place}.{name} is missing: {found}"
            check(found[name], inner, f"{place}.{name}")
    elif isinstance(shape, re.Pattern):
        assert isinstance(found, str), f"{place}: {found!r}"
        assert shape.fullmatch(found), f"{place}: {found!r}"
    elif isinstance(shape, type):
        assert type(found) is shape, f"{place}: {found!r}"
    elif shape is not ANY:
        assert found == shape, f"{place}: {found!r}"


USER = {"id": UUID, "email": "user@example.com", "name": "Jane Smith", "is_active": True}
TOKENS = {"access_token": JWT, "refresh_token": JWT, "token_type": "bearer"}
JOB = {
    "id": UUID,
    "node_id": UUID,
    "job_type": "render",
    "payload_ref": "s3://bucket/input/scene.blend",
    "status": "COMPLETED",
    "result_ref": "s3://results/frame.png",
    "error_message": None,
    "retry_count": 0,
    "queued_at": TIME,
    "dispatched_at": TIME,
    "completed_at": TIME,
    "created_at": TIME,
    "updated_at": TIME,
}
ENTRY = {
    "id": UUID,
    "amount": "10.0000",
    "direction": "DEBIT",
    "source": "USAGE",
    "reference_id": str,
    "balance_after": "90.0000",
    "description": "Job execution: render",
    "created_at": TIME,
}


class Reference:
    """Calls as the reference writes them."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http, self.url, self.token = http, url, ""

    async def get(self, path: str, status: int = 200) -> Json:
        return await self._call("GET", path, None, status)

    async def post(self, path: str, body: Json | None, status: int = 200) -> Json:
        return await self._call("POST", path, body, status)

    async def _call(self, method: str, path: str, body: Json | None, status: int) -> Json:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        async with self.http.request(method, self.url + path, json=body, headers=headers) as answer:
            found: Json = await answer.json()
            assert answer.status == status, found
            if status >= 400:
                check(found, {"detail": str}, path)
            return found


@pytest.fixture
def api(gateway: Gateway, http: aiohttp.ClientSession) -> Reference:
    return Reference(http, gateway.url)


async def test_health_and_system(api: Reference, http: aiohttp.ClientSession) -> None:
    check(await api.get("/health"), {"status": "healthy"})
    check(await api.get("/api/v1/health"), {"status": "healthy"})
    check(await api.get("/version"), {"name": str, "version": str, "environment": str})
    ready = {"status": "ready", "checks": {"database": "connected", "redis": "connected"}}
    check(await api.get("/api/v1/health/ready"), ready)
    async with http.get(f"{api.url}/metrics") as answer:
        assert answer.status == 200
        assert "# HELP" in await answer.text()


async def test_a_job_from_registration_to_result(
    api: Reference, http: aiohttp.ClientSession
) -> None:
    person = {"email": "user@example.com", "name": "Jane Smith", "password": "securepassword123"}
    check(await api.post("/api/v1/auth/register", person, 201), {"user": USER, "tokens": TOKENS})
    await api.post("/api/v1/auth/register", person, 409)
    credentials = {"email": person["email"], "password": person["password"]}
    tokens = await api.post("/api/v1/auth/login", credentials)
    check(tokens, TOKENS)
    await api.post("/api/v1/auth/login", {**credentials, "password": "wrong password"}, 401)
    api.token = tokens["access_token"]

    order = {"job_type": "render", "payload_ref": "s3://bucket/input/scene.blend"}
    refused = await api.post("/api/v1/jobs/dispatch", order, 400)
    assert refused["detail"] == "No healthy nodes with matching capability"

    node = PlainNode(http, api.url, ("render", "inference"))
    await register(node)
    placed = await api.post("/api/v1/jobs/dispatch", order)
    check(placed, {"job_id": UUID, "node_id": node.id, "status": "DISPATCHED"})
    job = placed["job_id"]
    await work(node, job)

    async def completed() -> bool:
        return bool((await api.get(f"/api/v1/jobs/{job}"))["status"] == "COMPLETED")

    await until(completed, within=30)
    await node.leave()
    await check_afterwards(api, job)


async def register(node: PlainNode) -> None:
    """Register and send a heartbeat, with the answers looked at."""
    await node.register()
    assert UUID.fullmatch(node.id)
    assert JWT.fullmatch(node.token)
    headers = {"Authorization": f"Bearer {node.token}"}
    body = {"current_load": 0.45, "metadata": {"gpu_temp": 72}}
    target = f"{node.url}/api/v1/nodes/heartbeat"
    async with node.http.post(target, json=body, headers=headers) as answer:
        seen = await answer.json()
    check(seen, {"node_id": node.id, "status": "HEALTHY", "acknowledged": True})


async def work(node: PlainNode, job: str) -> None:
    """The relay with the reference's four messages in their shortest form."""
    await node.connect()
    frame = await node.receive("job_dispatch")
    check(
        frame,
        {"job_id": job, "job_type": "render", "payload_ref": "s3://bucket/input/scene.blend"},
    )
    await node.say("job_status", job_id=job, status="running", progress=0.45)
    await node.say(
        "job_result", job_id=job, status="completed", result_ref="s3://results/frame.png"
    )


async def check_afterwards(api: Reference, job: str) -> None:
    """The job, the lists, the books and the result, once it is completed."""
    check(await api.get(f"/api/v1/jobs/{job}"), {**JOB, "id": job})
    listed = await api.get("/api/v1/jobs?status=COMPLETED&limit=50&offset=0")
    check(listed, {"jobs": list, "count": 1})
    check(listed["jobs"][0], {**JOB, "id": job})
    assert (await api.get("/api/v1/jobs?status=FAILED"))["count"] == 0

    balance = await api.get("/api/v1/credits/balance")
    check(balance, {"balance": CREDITS, "user_id": UUID})
    assert balance["balance"] == "90.0000"
    history = await api.get("/api/v1/credits/history?limit=50&offset=0")
    check(history, {"entries": list, "count": 2})
    check(history["entries"][0], ENTRY)
    assert job in history["entries"][0]["reference_id"]
    check(history["entries"][1], {"direction": "CREDIT", "source": "ADJUSTMENT"})

    result = await api.get(f"/api/v1/jobs/{job}/result")
    check(result, {"job_id": job, "download_url": str, "expires_in": 3600})
    assert "/results/frame.png?" in result["download_url"]
    assert "X-Amz-Signature=" in result["download_url"]
    await api.post(f"/api/v1/jobs/{job}/cancel", None, 400)


async def test_a_job_that_no_node_has_begun_is_cancelled(
    api: Reference, http: aiohttp.ClientSession, creator: Creator
) -> None:
    api.token = creator.token
    await register(PlainNode(http, api.url, ("render",)))
    order = {"job_type": "render", "payload_ref": "s3://bucket/input/scene.blend"}
    job = (await api.post("/api/v1/jobs/dispatch", order))["job_id"]
    await api.get(f"/api/v1/jobs/{job}/result", 404)
    cancelled = await api.post(f"/api/v1/jobs/{job}/cancel", None)
    check(cancelled, {**JOB, "id": job, "status": "CANCELLED", "result_ref": None})
    await api.post(f"/api/v1/jobs/{job}/cancel", None, 400)
    balance = await api.get("/api/v1/credits/balance")
    assert (balance["balance"], balance["held"]) == ("100.0000", "0.0000")


async def test_what_is_not_ones_own_is_not_there(
    api: Reference, http: aiohttp.ClientSession, creator: Creator
) -> None:
    await register(PlainNode(http, api.url, ("echo",)))
    _, placed = await creator.dispatch("echo")
    stranger = Creator(http, api.url, "stranger@example.org")
    await stranger.register()
    api.token = stranger.token
    for method, path in (("GET", ""), ("GET", "/result"), ("POST", "/cancel")):
        status, answer = await stranger.call(method, f"/jobs/{placed['job_id']}{path}")
        assert (status, answer["detail"]) == (404, "Job not found")
    await api.get("/api/v1/jobs/550e8400-e29b-41d4-a716-446655440000", 404)


@pytest.mark.parametrize("token", ["", "wrong", None])
async def test_a_socket_that_is_not_the_nodes_is_closed_with_4001(
    api: Reference, http: aiohttp.ClientSession, token: str | None
) -> None:
    node = PlainNode(http, api.url, ("echo",))
    await node.register()
    other = PlainNode(http, api.url, ("echo",))
    await other.register()
    target = f"{api.url}/api/v1/relay/ws/{node.id}"
    params = {"token": other.token if token is None else token}
    async with http.ws_connect(target, params=params) as socket:
        message = await socket.receive(timeout=5)
        assert message.type is aiohttp.WSMsgType.CLOSE
        assert message.data == 4001


async def test_a_second_connection_replaces_the_first_which_is_closed_with_4003(
    api: Reference, http: aiohttp.ClientSession
) -> None:
    node = PlainNode(http, api.url, ("echo",))
    await node.register()
    await node.connect()
    first = node.socket
    assert first is not None
    headers = {"Authorization": f"Bearer {node.token}"}
    target = f"{api.url}/api/v1/relay/ws/{node.id}"
    async with http.ws_connect(target, headers=headers) as second:
        message = await first.receive(timeout=5)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 4003)
        await second.ping()
        assert not second.closed
