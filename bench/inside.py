"""The gateway's actors in this process, over a real database, with nodes that answer at once.

There is no HTTP and no socket: creators ask the Scheduler, and nodes implement the socket port of
their sessions.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import asyncpg
import orjson

from actors.kernel import Ref
from actors.ledger.effects import JobInsert, Transfer
from actors.ledger.messages import Commit, Ledger, Posted
from actors.node_session.messages import NodeSession, PongSeen, Received
from actors.node_session.settings import NodeSessionSettings
from actors.scheduler.messages import Dispatch, Scheduler
from actors.scheduler.settings import SchedulerSettings
from rendertrust.job_spec import JobSpec
from sql.account_names import ADJUSTMENTS, user_account
from sql.database import Database
from sql.job_plan import JobPlan, NewUnit
from sql.nodes import NodeIdentity
from sql.store import SqlStore
from supervisors.actor_settings import ActorSettings
from supervisors.child import Child
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.system_clock import SystemClock, SystemRandom
from supervisors.registry import Registry
from supervisors.tree import Tree
from tests.support.http_gateway import settings_for_tests
from tests.support.whole_gateway import IdleActor
from tests.twins.objects import TwinObjects
from tests.twins.ports import twin_ports
from web.identity.tokens import SignedNodeTokens, Tokens

JOB_TYPE, PRICE, GRANT = "cpu_benchmark", 10_000, 1_000_000_000_000
SLOTS, NODES, CREATORS = 64, 20, 1_000
WITHIN_SECONDS = 30.0
PEOPLE = """
INSERT INTO users (id, email, name, password_hash)
SELECT id, id || '@example.org', 'inside', '' FROM unnest($1::uuid[]) AS n (id)
"""
NODE_ROWS = """
INSERT INTO nodes (id, owner_id, name, public_key, capabilities, status, seen_at, verified_at)
SELECT id, owner, 'inside', decode(md5(id::text) || md5(id::text), 'hex'), $3, 'HEALTHY', now(),
       now()
FROM unnest($1::uuid[], $2::uuid[]) AS n (id, owner)
"""


class AnsweringNode:
    """A node that implements its session's socket port and returns each unit's result at once."""

    def __init__(self, acknowledged: dict[str, asyncio.Future[None]]) -> None:
        self._acknowledged = acknowledged
        self.session: Ref[NodeSession] | None = None

    async def send(self, text: str) -> None:
        frame = orjson.loads(text)
        if frame["type"] == "job_dispatch":
            job = frame["job_id"]
            result = {"type": "job_result", "job_id": job, "unit": 0, "attempt": 1}
            result |= {"status": "completed", "result_ref": f"s3://elsewhere/{job}"}
            self.say(result)
        elif frame["type"] == "ack":
            self._acknowledged.pop(frame["job_id"]).set_result(None)

    async def ping(self) -> None:
        if self.session is not None:
            self.session.tell(PongSeen())

    async def close(self, code: int, reason: str = "") -> None:
        """Do nothing: this node needs no close code."""

    def abort(self) -> None:
        """Do nothing."""

    def say(self, frame: object) -> None:
        assert self.session is not None
        self.session.tell(Received(orjson.dumps(frame).decode()))


class Inside:
    """The running actors; the benchmark measures ``run``."""

    def __init__(self, registry: Registry, creators: list[UUID]) -> None:
        self._ledger, self._scheduler = registry.ref(Ledger), registry.ref(Scheduler)
        self._creators = creators
        self.acknowledged: dict[str, asyncio.Future[None]] = {}

    async def grant(self) -> None:
        """Grant every creator enough credits for any number of jobs."""
        for user in self._creators:
            account = user_account(user)
            gift = Transfer(ADJUSTMENTS, account, account, GRANT, "ADJUSTMENT", f"gift:{user}")
            outcome = await self._ledger.ask(Commit((gift,)), within=WITHIN_SECONDS)
            assert isinstance(outcome, Posted), outcome

    async def run(self, seconds: float, concurrent: int) -> tuple[int, float]:
        """Run whole lives of jobs, ``concurrent`` at once; return their number and the time."""
        start = time.perf_counter()
        lives = (self._create(n, concurrent, start + seconds) for n in range(concurrent))
        done = sum(await asyncio.gather(*lives))
        return done, time.perf_counter() - start

    async def _create(self, number: int, concurrent: int, until: float) -> int:
        done = 0
        while time.perf_counter() < until:
            creator = self._creators[(done * concurrent + number) % len(self._creators)]
            await self._live(creator)
            done += 1
        return done

    async def _live(self, creator: UUID) -> None:
        """Submit a job and wait until its result is acknowledged."""
        job = uuid4()
        ended = self.acknowledged[str(job)] = asyncio.get_running_loop().create_future()
        place = "s3://elsewhere/input/scene.blend"
        plan = JobPlan(JobSpec(JOB_TYPE, place, queue=True), units=(NewUnit(PRICE),))
        order = Dispatch(JobInsert(job, creator, plan))
        outcome = await self._scheduler.ask(order, within=WITHIN_SECONDS)
        assert isinstance(outcome, Posted), outcome
        await ended


@asynccontextmanager
async def inside(endpoint: PostgresEndpoint) -> AsyncGenerator[Inside]:
    """Run the actors over a migrated database until the block ends."""
    clock, random, registry = SystemClock(), SystemRandom(), Registry()
    settings = settings_for_tests()
    database = Database(lambda: endpoint.app_dsn, connections=settings.database.connections)
    objects = TwinObjects(lambda: clock.now().timestamp())
    tokens = SignedNodeTokens(Tokens(settings.jwt, clock, random), random)
    store = SqlStore(database)
    ports = twin_ports(
        clock=clock, random=random, store=store, log=store, objects=objects, tokens=tokens
    )
    actors = ActorSettings(
        NodeSessionSettings(bucket=settings.objects.bucket),
        scheduler=SchedulerSettings(settings.limits),
    )
    tree = Tree(ports, registry, actors, [Child("web", IdleActor)])
    creators, nodes, owners = ([uuid4() for _ in range(n)] for n in (CREATORS, NODES, NODES))
    await write_rows(endpoint, creators, nodes, owners)
    running = Inside(registry, creators)
    await tree.root.start()
    try:
        for node, owner in zip(nodes, owners, strict=True):
            desk = AnsweringNode(running.acknowledged)
            identity = NodeIdentity(node, owner, (JOB_TYPE,), verified=True)
            desk.session = await tree.open_session(identity, desk)
            desk.say({"type": "hello", "version": "bench", "slots": SLOTS})
        await running.grant()
        yield running
    finally:
        await tree.root.stop()
        await database.close()


async def write_rows(
    endpoint: PostgresEndpoint, creators: list[UUID], nodes: list[UUID], owners: list[UUID]
) -> None:
    connection = await asyncpg.connect(endpoint.owner_dsn)
    await connection.execute(PEOPLE, [*creators, *owners])
    await connection.execute(NODE_ROWS, nodes, owners, [JOB_TYPE])
    await connection.close()
