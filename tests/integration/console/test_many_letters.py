"""More dead letters than are sorted at once: each can be reached, and what is left out is said."""

import re

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.face import Face
from tests.integration.console.people import newcomer
from tests.integration.console.test_bulk import face, single
from web.console.pages import dead_letters

__all__ = ["face"]
THERE = "/console/dead-letters"


def letters(text: str) -> list[str]:
    return re.findall(r'<tr data-row id="row-([^"]+)"', text)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two are a page, and three are sorted."""
    monkeypatch.setattr(dead_letters, "ROWS", 2)
    monkeypatch.setattr(dead_letters, "SORTED_MOST", 3)


async def test_all_are_reached_by_their_time_and_else_the_newest(
    face: Face, database: PostgresEndpoint
) -> None:
    jane = await newcomer(face)
    ann = await newcomer(face, database.owner_dsn, "admin", "ann@example.org")
    jobs = [str(await single(face, jane)) for _ in range(5)]
    for order, expected in (("", jobs[::-1]), ("at", jobs)):
        seen, address = list[str](), f"{THERE}?sort={order}"
        while address:
            _, text = await ann.get(address)
            seen += letters(text)
            following = re.search(r'rel="next" href="([^"]+)"', text)
            address = following[1].replace("&amp;", "&") if following else ""
            assert "alone" not in text.partition("<caption>")[2].partition("</caption>")[0]
        assert seen == expected
    _, text = await ann.get(f"{THERE}?sort=about")
    assert "Shown by job, from A to Z, of the newest 3 of 5 alone." in text
    _, text = await ann.get(f"{THERE}?offset=5000")
    assert "No more here" in text
