"""Parts of abandoned uploads are removed."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from actors.kernel import Ref
from actors.sweeper.messages import SweepDue, Sweeper
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.registry import Registry
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.integration.web.test_parts import BODIES, SHAS, asked, call, complete, put, sent
from tests.support.databases import execute
from tests.support.http_gateway import Face, Headers
from web.edge_children import sweeper_child


@asynccontextmanager
async def sweeping(face: Face) -> AsyncGenerator[Ref[Sweeper]]:
    """Run a sweeper under its own supervisor."""
    registry = Registry()
    child = sweeper_child(face.gateway, registry)
    tree = Supervisor("Tree", Strategy.ONE_FOR_ONE, Intensity(), [child])
    await tree.start()
    try:
        yield registry.ref(Sweeper)
    finally:
        await tree.stop()


async def age_requests(database: PostgresEndpoint, hours: int) -> None:
    """Set the last request for URLs of parts to this many hours ago."""
    await execute(
        database.owner_dsn, f"UPDATE multiparts SET asked_at = now() - interval '{hours} hours'"
    )


async def test_parts_are_removed_a_day_after_the_last_was_asked_for(
    face: Face, database: PostgresEndpoint
) -> None:
    jane, bob = await face.user(), await face.user("bob@example.org")
    old = await sent(face, jane, (1,))
    await age_requests(database, 25)
    young = await sent(face, bob, (1,))
    async with sweeping(face) as sweeper:
        await sweeper.ask(SweepDue(), within=60)
    assert len(face.objects.multiparts.open) == 1
    assert (await call(face, jane, "GET", old))[1]["parts"]["arrived"] == []
    assert (await call(face, bob, "GET", young))[1]["parts"]["arrived"] != []
    await sent(face, jane)
    assert (await complete(face, jane, old))[0] == 200


async def test_an_upload_that_takes_days_is_left_alone(
    face: Face, user: Headers, database: PostgresEndpoint
) -> None:
    upload = await sent(face, user, (1,))
    await age_requests(database, 25)
    leave = (await asked(face, user, upload, (2,)))[2]
    async with sweeping(face) as sweeper:
        await sweeper.ask(SweepDue(), within=60)
    assert await put(face, leave, BODIES[1]) == 200
    assert (await complete(face, user, upload, SHAS))[0] == 200


async def test_a_store_that_is_away_is_asked_again(face: Face, database: PostgresEndpoint) -> None:
    await sent(face, await face.user(), (1,))
    await age_requests(database, 25)
    async with sweeping(face) as sweeper:
        face.objects.away = True
        await sweeper.ask(SweepDue(), within=60)
        assert face.objects.multiparts.open
        face.objects.away = False
        await sweeper.ask(SweepDue(), within=60)
    assert not face.objects.multiparts.open
