"""Leadership among several gateways, on the in-memory twin and on PostgreSQL."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Protocol

import attrs
import pytest

from actors.ports import Leadership
from actors.ports.leadership import Role
from sql.database import Database, Unavailable
from sql.fsck import Finding, NotedAudit
from sql.leadership import SqlLeadership
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.hand_time import HandHalts
from tests.integration.conformance.stage import Stage
from tests.support.databases import execute
from tests.support.engines import LoopThread
from tests.support.until import until
from tests.twins.leadership import Leads, TwinLeadership

CUT = """SELECT pg_terminate_backend(l.pid) FROM pg_locks l
         WHERE l.locktype = 'advisory' AND l.granted
           AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


class Closing(Leadership, Protocol):
    async def close(self) -> None: ...


@attrs.define
class TwoGateways:
    """Two gateways; ``cut`` breaks the leader's connection, ``halt`` forbids ``ours`` to write."""

    ours: Closing
    theirs: Closing
    cut: Callable[[], Awaitable[None]]
    halt: Callable[[bool], None]


async def wait_until_leads(one: Leadership, role: Role = "auditor") -> None:
    """Wait until this gateway leads, despite errors meanwhile."""

    async def leads() -> bool:
        try:
            return await one.leads(role)
        except Unavailable:
            return False

    await until(leads)


@pytest.fixture(params=["twin", pytest.param("postgres", marks=pytest.mark.heavy)])
async def two(request: pytest.FixtureRequest) -> AsyncIterator[TwoGateways]:
    if request.param == "twin":
        leads = Leads()
        twin = TwinLeadership(leads)

        async def cut_twin() -> None:
            twin.cut()

        def halt_twin(is_halted: bool) -> None:
            twin.halted = is_halted

        yield TwoGateways(twin, TwinLeadership(leads), cut_twin, halt_twin)
        return
    endpoint: PostgresEndpoint = request.getfixturevalue("database")
    loop: LoopThread = request.getfixturevalue("engine_loop")
    databases = [Database(lambda: endpoint.app_dsn) for _ in range(2)]
    halts = [HandHalts(database) for database in databases]
    ours, theirs = (SqlLeadership(*both) for both in zip(databases, halts, strict=True))

    async def cut() -> None:
        loop.run(execute(endpoint.owner_dsn, CUT))

    yield TwoGateways(ours, theirs, cut, halts[0].halt)
    for each in (ours, theirs):
        await each.close()
    for database in databases:
        await database.close()


async def test_one_of_two_leads_and_goes_on_leading(two: TwoGateways) -> None:
    for _ in range(3):
        assert await two.ours.leads("auditor")
        assert not await two.theirs.leads("auditor")


async def test_each_role_has_a_leader_of_its_own(two: TwoGateways) -> None:
    assert await two.ours.leads("auditor")
    assert await two.theirs.leads("lifeline")
    assert not await two.ours.leads("lifeline")
    assert await two.ours.leads("auditor")


async def test_a_leader_that_ends_is_replaced(two: TwoGateways) -> None:
    assert await two.ours.leads("auditor")
    await two.ours.close()
    await wait_until_leads(two.theirs)
    assert not await two.ours.leads("auditor")


async def test_a_leader_whose_connection_breaks_is_replaced_and_learns_of_it(
    two: TwoGateways,
) -> None:
    assert await two.ours.leads("auditor")
    assert not await two.theirs.leads("auditor")
    await two.cut()
    await wait_until_leads(two.theirs)
    with suppress(Unavailable):
        assert not await two.ours.leads("auditor")
    assert not await two.ours.leads("auditor")


async def test_a_leader_whose_connection_broke_leads_again_where_nobody_else_does(
    two: TwoGateways,
) -> None:
    assert await two.ours.leads("auditor")
    await two.cut()
    await wait_until_leads(two.ours)
    assert not await two.theirs.leads("auditor")


async def test_a_gateway_that_may_not_write_gives_up_the_lead_where_writing_needs_it(
    two: TwoGateways,
) -> None:
    """The halted gateway still leads for the auditor, which only reads."""
    assert await two.ours.leads("lifeline")
    assert await two.ours.leads("auditor")
    two.halt(True)
    assert not await two.ours.leads("lifeline")
    assert await two.ours.leads("auditor")
    assert await two.theirs.leads("lifeline")
    assert not await two.theirs.leads("auditor")
    assert not await two.ours.leads("lifeline")
    await two.theirs.close()
    for _ in range(2):
        assert not await two.ours.leads("lifeline")
    two.halt(False)
    await wait_until_leads(two.ours, "lifeline")
    assert not await two.theirs.leads("lifeline")


@pytest.mark.heavy
async def test_a_leader_that_hangs_is_replaced(database: PostgresEndpoint) -> None:
    """The leader's connection stays open, as with a lost network or a stopped process."""
    pool = Database(lambda: database.app_dsn)
    hanging = SqlLeadership(pool, HandHalts(pool), idle_seconds=0.2)
    other = SqlLeadership(pool, HandHalts(pool))
    assert await hanging.leads("auditor")
    assert not await other.leads("auditor")
    await wait_until_leads(other)
    for each in (hanging, other):
        await each.close()
    await pool.close()


async def test_while_the_database_is_away_nobody_knows() -> None:
    pool = Database(lambda: "postgres://nobody@127.0.0.1:1/nothing")
    with pytest.raises(Unavailable):
        await SqlLeadership(pool, HandHalts(pool)).leads("auditor")
    await pool.close()


async def test_what_was_found_last_is_kept_for_the_other_gateways(stage: Stage) -> None:
    store, now = stage.store, stage.clock.now()
    assert await store.last_audit() is None
    found = [Finding("I2", "user:x", "is 1, not 2"), Finding("I9", "job y", "counts wrongly")]
    await store.note_audit(now, None, found)
    assert await store.last_audit() == NotedAudit(now, None, tuple(found), now)
    stage.clock.pass_by(60)
    later = stage.clock.now()
    await store.note_audit(later, now, [])
    assert await store.last_audit() == NotedAudit(later, now, (), later)
