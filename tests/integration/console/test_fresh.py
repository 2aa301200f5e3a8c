"""Updates never replace a page's first content by an older state."""

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor
from tests.integration.console.test_live_updates import following, frame
from tests.support.databases import execute

NOW = '77 <span class="unit">'
RICH = """
INSERT INTO accounts (name, balance, held, may_overdraw)
VALUES ('user:{id}', 770000, 0, true)
ON CONFLICT (name) DO UPDATE SET balance = 770000
"""


async def test_who_comes_later_is_sent_nothing_older_than_his_page(
    database: PostgresEndpoint, ann: Visitor, jane: Visitor
) -> None:
    page = f"/users/{jane.id}"
    async with following(ann, f"/console{page}") as before:
        assert NOW not in await frame(before)
        await execute(database.owner_dsn, RICH.format(id=jane.id))
        _, text = await ann.get(f"/console{page}")
        assert NOW in text, "the page is right when it is opened"
        async with following(ann, f"/console{page}") as after:
            assert NOW in await frame(after), "the stream does not set the page back"
