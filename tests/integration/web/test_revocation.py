"""Revocations shared by gateways over one database, and while the database is unreachable."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import attrs
import pytest

from actors.kernel import Ref
from actors.ports import Clock
from actors.revocations.actor import RevocationsActor
from actors.revocations.messages import RemoveExpired
from actors.revocations.messages import Revocations as RevocationsMarker
from sql.database import Database
from sql.login_sessions import Sessions
from sql.revocations import RevocationFeed
from sql.revocations import Revocations as Rows
from supervisors.child import Child
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.system_clock import SystemClock
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.faults.place import of_postgres, postgres_by
from tests.faults.proxy import Proxy
from tests.integration.conformance.stage import HandClock
from tests.integration.web.accounts import Person, refresh, register
from tests.support.databases import connected, execute, fetchval
from tests.support.http_gateway import Face, serving, settings_for_tests
from tests.support.until import until
from web.identity.revocation_set import Revocations
from web.identity.tokens import Claims, TokenType

FAR = datetime(2999, 1, 1, tzinfo=UTC)
READ = "/api/v1/credits/balance"
CLOCK = SystemClock()
ANSWER_SECONDS = 30.0  # the gateway's two seconds, and time for a busy machine


@attrs.frozen
class RevocationSet:
    """One gateway's set of revocations, and the actor that fills the set."""

    revocations: Revocations
    ref: Ref[RevocationsMarker]
    heard: list[UUID]

    def knows(self, *ids: UUID) -> bool:
        return all(self.revocations.refuses(claims(id_)) for id_ in ids)


def claims(sid: UUID, kind: TokenType = TokenType.ACCESS, subject: UUID | None = None) -> Claims:
    now = SystemClock().now()
    return Claims(subject or uuid4(), sid, uuid4(), kind, now, now + timedelta(minutes=30))


@asynccontextmanager
async def filled(database: Database, clock: Clock = CLOCK) -> AsyncGenerator[RevocationSet]:
    """Run a set of revocations that an actor fills from the database."""
    rows, logins = Rows(database), Sessions(database)
    revocations, ref, heard = (
        Revocations(clock),
        Ref[RevocationsMarker]("revocations"),
        list[UUID](),
    )
    revocations.hear(heard.extend)

    def make() -> RevocationsActor:
        return RevocationsActor(revocations, partial(RevocationFeed, database), rows, logins, clock)

    child = Child("revocations", make, ref=ref)
    tree = Supervisor("Tree", Strategy.ONE_FOR_ONE, Intensity(), [child])
    await tree.start()
    try:
        yield RevocationSet(revocations, ref, heard)
    finally:
        await tree.stop()


@pytest.fixture
async def pool(database: PostgresEndpoint) -> AsyncIterator[Database]:
    pool = Database(lambda: database.app_dsn)
    yield pool
    await pool.close()


async def test_what_one_gateway_revokes_all_refuse_at_once(
    pool: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Polling is off, so only the database's notification can tell the sets of the revocations.
    monkeypatch.setattr("actors.revocations.actor.READ_EVERY_SECONDS", 3_600.0)
    async with filled(pool) as one, filled(pool) as other:
        sids = [uuid4() for _ in range(5)]
        await Rows(pool).insert("session", sids, FAR)
        await until(lambda: one.knows(*sids) and other.knows(*sids))
        for each in (one, other):
            assert sorted(each.heard) == sorted(sids)
        assert not one.knows(uuid4())


async def test_a_gateway_that_starts_knows_what_was_revoked_before(pool: Database) -> None:
    kept, over = uuid4(), uuid4()
    await Rows(pool).insert("session", [kept], FAR)
    await Rows(pool).insert("session", [over], SystemClock().now())
    async with filled(pool) as started:
        assert started.revocations.is_fresh
        assert started.knows(kept)
        assert not started.knows(over), "a revocation whose tokens have expired is not read"


async def test_what_is_committed_late_is_not_overlooked(
    pool: Database, database: PostgresEndpoint
) -> None:
    """A transaction that begins first and commits last has the smaller numbers."""
    early, late = uuid4(), uuid4()
    async with connected(database.owner_dsn) as connection, filled(pool) as watching:
        slow = connection.transaction()
        await slow.start()
        statement = "INSERT INTO revocations (id, kind, expires_at) VALUES ($1, 'session', $2)"
        await connection.execute(statement, late, FAR)
        await Rows(pool).insert("session", [early], FAR)
        await until(lambda: watching.knows(early))
        assert not watching.knows(late)
        await slow.commit()
        await until(lambda: watching.knows(late))


async def test_kinds_are_what_they_name(pool: Database) -> None:
    async with filled(pool) as watching:
        names = {kind: uuid4() for kind in ("session", "token", "key", "node", "user")}
        for kind, id_ in names.items():
            await Rows(pool).insert(kind, [id_], FAR)
        # The set does not remember users' ids, so it may report an id twice.
        await until(lambda: set(watching.heard) == set(names.values()))
        refuses = watching.revocations.refuses
        assert refuses(claims(names["session"]))
        assert refuses(claims(names["key"]))
        assert refuses(attrs.evolve(claims(uuid4()), identity=names["token"]))
        assert refuses(claims(uuid4(), TokenType.NODE, names["node"]))
        assert not refuses(claims(uuid4(), TokenType.ACCESS, names["node"]))
        assert not refuses(claims(uuid4(), TokenType.ACCESS, names["user"]))


async def test_whoever_hears_is_told_once_and_until_he_says_so(pool: Database) -> None:
    async with filled(pool) as watching:
        told: list[frozenset[UUID]] = []
        end = watching.revocations.hear(told.append)
        sid = uuid4()
        watching.revocations.add(sid)
        await Rows(pool).insert("session", [sid], FAR)
        last = uuid4()
        await Rows(pool).insert("session", [last], FAR)
        await until(lambda: watching.knows(last))
        assert told == [{sid}, {last}]
        end()
        watching.revocations.add(uuid4())
        assert len(told) == 2


async def test_a_listener_whose_connection_breaks_listens_again(
    pool: Database, database: PostgresEndpoint
) -> None:
    async with Proxy(of_postgres(database.app_dsn)) as proxy:
        through = Database(lambda: postgres_by(proxy, database.app_dsn))
        async with filled(through) as watching:
            proxy.break_off()
            sid = uuid4()
            await Rows(pool).insert("session", [sid], FAR)
            await until(lambda: watching.knows(sid))
        await through.close()


async def test_what_concerns_no_token_any_more_is_forgotten(
    pool: Database, database: PostgresEndpoint
) -> None:
    clock = HandClock()
    async with filled(pool, clock) as watching:
        sid = uuid4()
        await Rows(pool).insert("session", [sid], clock.now() + timedelta(seconds=1))
        await until(lambda: watching.knows(sid))
        clock.pass_by(2)
        await watching.ref.ask(RemoveExpired(), within=60)
        assert not watching.knows(sid)
        assert len(watching.revocations) == 0
        assert await fetchval(database.owner_dsn, "SELECT count(*) FROM revocations") == 0


# ── unreachable database ─────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def distant(proxy: Proxy, database: PostgresEndpoint) -> AsyncIterator[Face]:
    """Run a site that reaches its database through the proxy."""
    pool = Database(lambda: postgres_by(proxy, database.app_dsn))
    async with serving(pool, settings_for_tests()) as face:
        yield face
    await pool.close()


async def status(face: Face, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    async with face.client.get(READ, headers=headers) as answer:
        if answer.status == 503:
            assert int(answer.headers["Retry-After"]) >= 1
        return answer.status


@pytest.mark.usual_deadlines
async def test_without_the_database_nobody_is_served_and_no_revoked_token_ever(
    distant: Face, proxy: Proxy, database: PostgresEndpoint
) -> None:
    jane, bob = await register(distant), await register(distant, "bob@example.org")
    proxy.hush()
    await execute(
        database.owner_dsn,
        f"UPDATE refresh_families SET revoked_at = now() WHERE user_id = '{jane.id}'",
    )
    seen: set[int] = set()

    async def refused() -> bool:
        seen.add(await status(distant, jane.access))
        return not distant.gateway.identity.revocations.is_fresh

    await until(refused)
    assert seen <= {503}, "the balance cannot be read without the database, either"
    assert await status(distant, jane.access) == 503
    assert await status(distant, bob.access) == 503
    async with distant.client.get("/api/v1/health") as answer:
        assert answer.status == 200
    began = asyncio.get_running_loop().time()
    status_, _ = await refresh(distant, jane.refresh)
    assert status_ == 503
    assert asyncio.get_running_loop().time() - began < ANSWER_SECONDS
    proxy.speak()
    proxy.break_off()

    async def back() -> bool:
        found = await status(distant, jane.access)
        assert found in (401, 503)
        return found == 401

    async def is_served() -> bool:
        found = await status(distant, bob.access)
        assert found in (200, 503)
        return found == 200

    await until(back)
    await until(is_served)


@pytest.mark.usual_deadlines
async def test_a_route_that_needs_no_query_is_refused_while_the_set_is_old(
    distant: Face, proxy: Proxy
) -> None:
    """The order is token, revocations, body: a wrong body gets 422 only once the revocations were
    checked.
    """
    jane = await register(distant)
    assert (await jane.ask("POST", "/api/v1/jobs/dispatch", {}))[0] == 422
    await proxy.down()
    await until(lambda: not distant.gateway.identity.revocations.is_fresh)
    assert (await jane.ask("POST", "/api/v1/jobs/dispatch", {}))[0] == 503
    assert (await jane.ask("POST", "/api/v1/jobs/dispatch", {}, token="nonsense"))[0] == 401
    await proxy.up()
    await until(lambda: distant.gateway.identity.revocations.is_fresh)
    assert (await jane.ask("POST", "/api/v1/jobs/dispatch", {}))[0] == 422


async def test_a_request_costs_no_query(
    face: Face, database: PostgresEndpoint, jane: Person
) -> None:
    await face.gateway.database.close()
    assert (await jane.ask("POST", "/api/v1/jobs/dispatch", {}))[0] == 422
