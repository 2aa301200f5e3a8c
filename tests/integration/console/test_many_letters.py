"""More dead letters than fit on a page: each letter can be reached, sorted by any column."""

import re

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor
from tests.integration.console.test_bulk import face, single
from tests.integration.console.work import joined
from tests.support.databases import execute
from tests.support.http_gateway import Face
from web.console.pages import dead_letters
from web.jobs.dead_letters import KINDS

__all__ = ["face"]
THERE = "/console/dead-letters"


def letters(text: str) -> list[str]:
    return re.findall(r'<tr data-row id="row-([^"]+)"', text)


async def all_letters(ann: Visitor, address: str) -> list[str]:
    """Return the dead letters of this page and all pages after it."""
    seen = list[str]()
    while address:
        _, text = await ann.get(address)
        seen += letters(text)
        following = re.search(r'rel="next" href="([^"]+)"', text)
        address = following[1].replace("&amp;", "&") if following else ""
    return seen


@pytest.fixture(autouse=True)
def pages_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pages of two dead letters, and let the gateway sort at most three letters."""
    monkeypatch.setattr(dead_letters, "ROWS", 2)
    monkeypatch.setattr(dead_letters, "SORTED_MOST", 3)


async def test_all_are_reached_by_each_column(
    face: Face, database: PostgresEndpoint, jane: Visitor, ann: Visitor
) -> None:
    jobs = [str(await single(face, jane)) for _ in range(5)]
    dsn = database.owner_dsn
    for number, job in enumerate(jobs):  # the third job costs the most, the second the least
        rank = (2, 0, 4, 1, 3)[number]
        node = await joined(dsn)
        await execute(dsn, f"UPDATE nodes SET name = 'N{rank}' WHERE id = '{node}'")
        await execute(
            dsn,
            f"UPDATE jobs SET name = 't{rank}', error_message = 'e{rank}', node_id = '{node}' "
            f"WHERE id = '{job}'",
        )
        for attempt in range(1, rank + 1):
            await execute(
                dsn,
                "INSERT INTO attempts (job_id, number, attempt, node_id, assigned_at, ended_at) "
                f"VALUES ('{job}', 0, {attempt + 5}, '{node}', now(), now())",
            )
    ranked = [jobs[number] for number in (1, 3, 0, 4, 2)]
    for key in ("about", "reason", "where", "tried"):
        assert await all_letters(ann, f"{THERE}?sort={key}") == ranked, key
        assert await all_letters(ann, f"{THERE}?sort=-{key}") == ranked[::-1], key
    for order, expected in (("", jobs[::-1]), ("at", jobs), ("whose", jobs[::-1])):
        assert await all_letters(ann, f"{THERE}?sort={order}") == expected, order
    _, text = await ann.get(f"{THERE}?offset=5000")
    assert "Nothing on this page" in text


async def test_each_kind_can_be_sorted_by_each_of_its_columns(ann: Visitor) -> None:
    for kind in KINDS:
        for column in dead_letters.COLUMNS[kind]:
            status, text = await ann.get(f"{THERE}?kind={kind}&sort=-{column.key}")
            assert status == 200, text
