"""Many due webhook endpoints of one user do not take all delivery places."""

from datetime import timedelta
from uuid import UUID, uuid4

from sql.database import Database
from sql.webhooks import OF_USER_MOST, Deliveries
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.system_clock import SystemClock
from tests.support.databases import connected

ENDPOINT = """
WITH made AS (
    INSERT INTO endpoints (id, user_id, url, types, secret, created_at) VALUES (
        gen_random_uuid(), $1, 'https://a.example', '{job.*}',
        decode(repeat('00', 32), 'hex'), now())
    RETURNING id
)
INSERT INTO deliveries (endpoint_id, job_id, number, type, due_at)
SELECT id, gen_random_uuid(), 1, 'job.completed', $2 FROM made
"""


async def test_endpoints_of_one_user_leave_room_for_everybody_elses(
    database: PostgresEndpoint,
) -> None:
    async with connected(database.owner_dsn) as connection:
        now, many, one = SystemClock().now(), uuid4(), uuid4()
        for user, count, ago in ((many, 3 * OF_USER_MOST, 60), (one, 1, 1)):
            await connection.execute(
                "INSERT INTO users (id, email, name, password_hash) VALUES ($1, $2, 'A', '')",
                *(user, f"{user}@example.org"),
            )
            for _ in range(count):
                await connection.execute(ENDPOINT, user, now - timedelta(seconds=ago))
    pool = Database(lambda: database.app_dsn)
    try:
        deliveries = Deliveries(pool)

        async def claim(but: tuple[UUID, ...]) -> list[tuple[UUID, UUID]]:
            due = await deliveries.claim(now, now + timedelta(seconds=60), but, 64)
            return [(each.endpoint, each.user) for each in due]

        first = await claim(())
        assert [user for _, user in first].count(many) == OF_USER_MOST
        assert [user for _, user in first].count(one) == 1
        busy = [endpoint for endpoint, user in first if user == many]
        assert await claim(tuple(busy)) == [], "none of the user's deliveries has ended"
        assert len(await claim(tuple(busy[1:]))) == 1
    finally:
        await pool.close()
