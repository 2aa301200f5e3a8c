"""Pages of a long job's frames: next, previous, a given frame, and failed frames only."""

import re
from uuid import UUID, uuid4

import pytest

from actors.ledger.effects import UnitAssign, UnitComplete
from sql.job_plan import NewUnit
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import pieces_of, tiled
from tests.integration.console.people import Visitor
from tests.integration.console.work import joined
from tests.integration.web.earners import fail
from tests.support.http_gateway import Face

FIRST, FRAMES = 101, 150


@pytest.fixture
async def page(face: Face, jane: Visitor) -> str:
    """Submit a job of frames 101 to 250, of which frames 120 and 240 failed; return its page."""
    job = uuid4()
    pieces = [NewUnit(100, number, str(FIRST + number)) for number in range(FRAMES)]
    await face.book(pieces_of(job, UUID(jane.id), pieces))
    await fail(face, job, 120 - FIRST, 240 - FIRST)
    return f"/console/jobs/{job}"


def frame_names(text: str) -> list[str]:
    """Return the names of the frames that the page shows."""
    tiles = text.partition('<ul class="frames">')[2].partition("</ul>")[0]
    return re.findall(r"<strong>([0-9]+)</strong>", tiles)


def links(text: str) -> dict[str, str]:
    """Return the links from the page's frames to other pages of frames, by label."""
    nav = text.partition('<nav class="pages" aria-label="Frames">')[2].partition("</nav>")[0]
    return {label: to for to, label in re.findall(r'href="([^"]+)">([^<]+)</a>', nav)}


def frames(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last + 1)]


async def test_one_goes_forth_back_and_to_either_end(jane: Visitor, page: str) -> None:
    _, text = await jane.get(page)
    assert frame_names(text) == frames(101, 160)
    assert list(links(text)) == ["Next", "Last"]
    _, text = await jane.get(links(text)["Next"])
    assert frame_names(text) == frames(161, 220)
    assert list(links(text)) == ["First", "Previous", "Next", "Last"]
    _, last = await jane.get(links(text)["Last"])
    assert frame_names(last) == frames(221, 250)
    assert "121 to 150 of 150" in last
    assert list(links(last)) == ["First", "Previous"]
    for label, first in (("Previous", 161), ("First", 101)):
        _, text = await jane.get(links(last)[label])
        assert frame_names(text)[0] == str(first)


async def test_one_goes_to_a_frame_by_its_number(jane: Visitor, page: str) -> None:
    _, text = await jane.get(f"{page}?frame=240")
    assert 'data-shown="240"' in text
    assert frame_names(text) == frames(221, 250)
    _, text = await jane.get(f"{page}?frame=7")
    assert "There is no frame 7 in this job." in text
    assert frame_names(text) == frames(101, 160)


async def test_those_that_failed_stand_alone(jane: Visitor, page: str) -> None:
    _, text = await jane.get(page)
    tabs = re.findall(r'href="([^"]+)"[^>]*>(All|Failed) <span class="n">([0-9]+)<', text)
    assert tabs == [(page, "All", "150"), (f"{page}?state=failed", "Failed", "2")]
    _, text = await jane.get(f"{page}?state=failed")
    assert frame_names(text) == ["120", "240"]
    assert links(text) == {}


async def test_what_there_is_not_is_said(jane: Visitor, page: str) -> None:
    _, text = await jane.get(f"{page}?offset=600")
    assert "Nothing on this page" in text
    assert frame_names(text) == []
    answer = await jane.ask("GET", f"{page}?state=black")
    assert answer.status == 422


async def test_frames_in_tiles_are_counted_as_frames(face: Face, jane: Visitor) -> None:
    job = uuid4()
    order = tiled(UUID(jane.id), job, frames=2)
    await face.book(order)
    _, text = await jane.get(f"/console/jobs/{job}")
    assert frame_names(text) == ["1", "2"]
    assert 'data-shown="2"' in (await jane.get(f"/console/jobs/{job}?frame=2"))[1]


async def test_a_frame_in_tiles_says_what_was_charged_and_what_is_held_of_it(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = uuid4()
    node = await joined(database.owner_dsn)
    prices = (50_000, 30_000)
    await face.book(tiled(UUID(jane.id), job, prices, frames=1))
    done = UnitComplete(job, 0, 1, node, "s3://bucket/tile.png")
    await face.do(UnitAssign(job, 0, 1, node), done)

    async def tile() -> str:
        _, text = await jane.get(f"/console/jobs/{job}")
        frames = text.partition('<ul class="frames">')[2].partition("</ul>")[0]
        return re.sub(r"<[^>]+>", "", frames)

    assert "5 cr charged, 3 cr held" in await tile()
    await fail(face, job, 1)
    text = await tile()
    assert "5 cr charged" in text
    assert "not charged" not in text
    assert "held" not in text


async def test_the_question_before_a_frame_is_tried_again_names_it(
    face: Face, jane: Visitor
) -> None:
    job = uuid4()
    await face.book(pieces_of(job, UUID(jane.id), [NewUnit(50, n, str(n + 7)) for n in range(2)]))
    await fail(face, job, 1)
    assert 'data-confirm="Retry frame 8? ' in (await jane.get(f"/console/jobs/{job}"))[1]
