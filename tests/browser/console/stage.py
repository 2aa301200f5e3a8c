"""Content of the pages: a gateway in its own process, users of every role, nodes and jobs."""

import asyncio
import math
import struct
import zlib
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import uuid4

import aiohttp
import attrs

from rendertrust.protocol import JobDispatch
from rendertrust.testing import FakeNode, completes, fails
from tests.support.api_clients import Creator
from tests.support.databases import execute
from tests.support.engines import LoopThread
from tests.support.examples import chosen
from tests.support.gateway_process import Gateway
from tests.support.lent_engines import StartGateway
from tests.support.until import until

PASSWORD = "securepassword123"
FORMER_SECRET = "Kp3-what-signed-before-9xQzW7LmT2"  # must appear on no page
ROLES = {"ann": "admin", "rita": "auditor", "otto": "operator", "jane": "user"}
# Names of users and nodes, and errors of nodes, that must have no effect and break no page.
HOSTILE = (
    "<script>window.hacked=1</script>",
    "<img src=x onerror=window.hacked=1>",
    '"><svg onload=window.hacked=1>',
    "' onmouseover='window.hacked=1",
    "</title><script>window.hacked=1</script>",
    "</template><hx-partial hx-target='body'>gone</hx-partial>",
    "{{ 7 * 7 }}{% include '/etc/passwd' %}",
    "javascript:window.hacked=1",
    "\u202eright to left\u202c",
    "Z\u0335\u0321a\u0337\u0322l\u0336\u0323g\u0334\u0324o\u0338\u0325",
    "a" * 200,
    "\U0001f469\u200d\U0001f680 \u7d75\u3092\u63cf\u304f",
    "--><!--",
    "&lt;b&gt;&#39;",
)
# The worst names, tested page by page: markup, an attribute, a change of text direction, a long
# name.
WORST = chosen(day=(HOSTILE[0], HOSTILE[2], HOSTILE[8], HOSTILE[10]), night=HOSTILE)


@attrs.frozen
class Stage:
    """A gateway with ``people`` by first names, and ``jobs`` that have ended, the newest last.

    ``dsn`` is the database's URL for its owner; ``logins`` has the cookies of users who have signed
    in.
    """

    gateway: Gateway
    http: aiohttp.ClientSession
    people: dict[str, Creator]
    jobs: list[str]
    dsn: str = ""
    logins: dict[str, Any] = attrs.field(factory=dict[str, Any], repr=False)

    @property
    def url(self) -> str:
        return self.gateway.url

    async def job(self, who: str = "jane", job_type: str = "echo") -> str:
        """Submit a job without waiting for it."""
        person = self.people[who]
        body = {"job_type": job_type, "payload_ref": "s3://elsewhere/scene.blend", "queue": True}
        placed = dict[str, Any]()

        async def is_placed() -> bool:
            """Submit the job once more with the same key while the gateway is busy (503)."""
            status, answer = await person.call("POST", "/jobs/dispatch", body, **once)
            assert status in (200, 202, 503), answer
            placed.update(answer)
            return status != 503

        once = {"Idempotency-Key": uuid4().hex}
        await until(is_placed)
        return str(placed["job_id"])

    async def ended(self, job: str, who: str = "jane") -> str:
        """Wait until the job has ended, and return its status."""

        async def look() -> Any:
            _, answer = await self.people[who].call("GET", f"/jobs/{job}")
            return answer if answer["status"] in ("COMPLETED", "FAILED") else None

        return str((await until(look))["status"])


def picture(width: int = 96, height: int = 72, shade: int = 0) -> bytes:
    """Return a PNG of a sky with a hill."""
    rows = []
    for y in range(height):
        line = bytearray([0])
        for x in range(width):
            hill = y > height * (0.6 + 0.16 * math.sin(x / 17 + shade * 1.3))
            line += bytes(
                (40 + shade * 20 % 90, 90 + y // 2, 70)
                if hill
                else (120 + y, 150 + shade * 9 % 60, 220 - x)
            )
        rows.append(bytes(line))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"".join(rows))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", head), (b"IDAT", body), (b"IEND", b""))
    )


async def person(
    gateway: Gateway, http: aiohttp.ClientSession, name: str, dsn: str = ""
) -> Creator:
    """Register a user and set the role for their name in the database."""
    who = Creator(http, gateway.url, f"{name}@example.org")
    await who.register()
    if ROLES[name] == "user":
        return who
    await execute(dsn, f"UPDATE users SET role = '{ROLES[name]}' WHERE email = '{who.email}'")
    body = {"email": who.email, "password": PASSWORD}

    async def is_in() -> bool:
        """Log in; return False while the gateway is busy."""
        status, tokens = await who.call("POST", "/auth/login", body)
        assert status in (200, 503), tokens
        who.token = tokens.get("access_token", "")
        return status == 200

    await until(is_in)
    return who


async def failed_job(stage: Stage) -> str:
    """Submit another job of Jane's that fails, and return its id."""
    job = await stage.job(job_type="broken")
    assert await stage.ended(job) == "FAILED"
    return job


async def hostile_user(stage: Stage, number: int) -> str:
    """Register hostile``number``@example.org with that name of ``HOSTILE``, and return the id."""
    email = f"hostile{number}@example.org"
    body = {"email": email, "name": HOSTILE[number], "password": PASSWORD}

    async def is_there() -> bool:
        """Register; return False while the gateway is busy."""
        async with stage.http.post(f"{stage.url}/api/v1/auth/register", json=body) as answer:
            assert answer.status in (201, 409, 503), await answer.text()
            return answer.status != 503

    await until(is_there)
    status, found = await stage.people["ann"].call("GET", f"/admin/users?search={email}")
    assert status == 200, found
    return str(found["users"][0]["id"])


async def rename(stage: Stage, email: str, name: str) -> None:
    """Change a user's name in the database, as no page of the console does."""
    await execute(stage.dsn, "UPDATE users SET name = $1 WHERE email = $2", name, email)


@asynccontextmanager
async def keep_connected(loop: LoopThread, *nodes: FakeNode) -> AsyncGenerator[None]:
    """Connect nodes on a loop that always runs, so that the nodes stay online between tests."""
    async with AsyncExitStack() as stack:
        for node in nodes:
            loop.run(node.__aenter__())
            stack.callback(_leave, loop, node)
        yield


def _leave(loop: LoopThread, node: FakeNode) -> None:
    loop.run(node.__aexit__(None, None, None))


@asynccontextmanager
async def on_stage(loop: LoopThread, start_gateway: StartGateway) -> AsyncGenerator[Stage]:
    """Run a gateway with rendered pictures, failed jobs, a waiting job, and a node with a hostile
    name.
    """
    async with (
        start_gateway(
            RENDERTRUST_CREDITS_STARTER="10000",
            RENDERTRUST_AUDIT_EVERY_SECONDS="2",
            RENDERTRUST_JWT_ACCESS_MINUTES="1440",  # so that tokens stay valid for all tests
            RENDERTRUST_JWT_PREVIOUS=FORMER_SECRET,
        ) as gateway,
        aiohttp.ClientSession() as http,
    ):
        dsn = gateway.settings["RENDERTRUST_DATABASE_OWNER_URL"]
        there = await asyncio.gather(*[person(gateway, http, name, dsn) for name in ROLES])
        stage = Stage(gateway, http, dict(zip(ROLES, there, strict=True)), [], dsn)
        token = stage.people["otto"].token
        shades = iter(range(1000))

        async def paint(node: FakeNode, dispatch: JobDispatch) -> None:
            await completes(picture(shade=next(shades)))(node, dispatch)

        good = FakeNode(stage.url, name="studio-1", user_token=token, slots=4, behave=paint)
        bad = FakeNode(
            stage.url,
            name=HOSTILE[0],
            capabilities=("broken",),
            user_token=token,
            behave=fails("scene", f"the scene has no camera {HOSTILE[1]}"),
        )
        async with keep_connected(loop, good, bad):
            for kind in ("render", "render", "echo", "render", "broken", "render", "echo"):
                stage.jobs.append(await stage.job(job_type=kind))
            await asyncio.gather(*map(stage.ended, stage.jobs))
            await stage.job(job_type="nobody-does-this")
            yield stage
