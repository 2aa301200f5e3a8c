"""Refunds in two steps: the second step does exactly what its page announces."""

import re
from collections.abc import Sequence
from uuid import UUID, uuid4

from actors.ledger.effects import JobInsert
from actors.ledger.messages import Commit
from sql.job_plan import NewUnit
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import dispatch, pieces_of, tiled
from tests.integration.console.people import Visitor, newcomer
from tests.integration.console.work import charge, joined, worked
from tests.integration.web.accounts import Person, log_in
from tests.integration.web.test_admin_credits import books
from tests.support.http_gateway import Face


async def second_step(ann: Visitor, user: Visitor, job: object, **more: str) -> tuple[int, str]:
    asked = {"act": "refund", "job": str(job), "reason": "black", **more}
    words = "&".join(f"{name}={value}" for name, value in asked.items())
    return await ann.get(f"/console/users/{user.id}/credits?{words}")


async def do(ann: Visitor, user: Visitor, page: str) -> str:
    """Press the button of the second step, and return the page that follows."""
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))
    answer = await ann.post(f"/console/users/{user.id}/refund", form)
    if answer.status != 303:
        return str(await answer.text())
    return (await ann.get(f"/console/users/{user.id}"))[1]


async def balance(face: Face, user: Visitor) -> int:
    return (await face.gateway.tables.credits.balance(UUID(user.id))).balance // 10_000


async def test_a_unit_of_many_is_named_and_refunded(
    face: Face, database: PostgresEndpoint, ann: Visitor, jane: Visitor
) -> None:
    job = await worked(face, database.owner_dsn, jane, 4, 3)
    status, text = await second_step(ann, jane, job)
    assert (status, "The frame must be one from 0 to 3, or all: the job has 4" in text) == (
        422,
        True,
    )
    status, text = await second_step(ann, jane, job, frame="2")
    assert (status, "unit 2" in text) == (200, True)
    assert "The charge is refunded." in await do(ann, jane, text)
    assert await balance(face, jane) == 80
    status, text = await second_step(ann, jane, job, frame="3")
    assert (status, "Nothing was charged" in text) == (409, True)
    status, text = await second_step(ann, jane, job, frame="4")
    assert (status, "The job has no unit 4" in text) == (404, True)
    status, text = await second_step(ann, jane, job, frame="0", amount="60")
    assert (status, "must not be higher than the charge: 10" in text) == (422, True)


async def test_all_units_that_were_charged_are_refunded_each_once(
    face: Face, database: PostgresEndpoint, ann: Visitor, jane: Visitor
) -> None:
    job = await worked(face, database.owner_dsn, jane, 4, 3)
    _, text = await second_step(ann, jane, job, frame="1", amount="4")
    await do(ann, jane, text)
    assert await balance(face, jane) == 74
    status, text = await second_step(ann, jane, job, frame="all", amount="4")
    assert (status, "for one unit" in text) == (422, True)
    status, text = await second_step(ann, jane, job, frame="all")
    assert (status, "2 units" in text, "20 <span" in text) == (200, True, True)
    more = text.replace('value="20.0000"', 'value="30.0000"')
    assert "check it again" in await do(ann, jane, more), (
        "the greater total was promised before unit 1 was refunded"
    )
    assert await balance(face, jane) == 74
    assert "2 units are refunded." in await do(ann, jane, text)
    assert await balance(face, jane) == 94
    assert "already refunded" in await do(ann, jane, text)
    assert await balance(face, jane) == 94
    status, text = await second_step(ann, jane, job, frame="all")
    assert (status, "already refunded" in text) == (409, True)
    assert await books(database) == []


async def test_what_was_refunded_is_told_before_the_second_step_is_pressed(
    face: Face, database: PostgresEndpoint, ann: Visitor, jane: Visitor
) -> None:
    job = await worked(face, database.owner_dsn, jane)
    _, text = await second_step(ann, jane, job)
    assert "The charge is refunded." in await do(ann, jane, text)
    status, again = await second_step(ann, jane, job)
    assert (status, "The charge was already refunded, with 10 credits" in again) == (409, True)
    assert "The charge was already refunded" in await do(ann, jane, text), (
        "whoever goes back to the second step is told"
    )
    assert await balance(face, jane) == 100


async def test_a_job_is_found_by_what_is_shown_of_it(
    face: Face, database: PostgresEndpoint, ann: Visitor, jane: Visitor
) -> None:
    job = await worked(face, database.owner_dsn, jane)
    status, text = await second_step(ann, jane, str(job)[:8])
    assert (status, str(job) in text) == (200, True)
    status, text = await second_step(ann, jane, str(job)[:5])
    assert (status, "The job must be its id, or the first 8 characters" in text) == (422, True)
    other = await newcomer(face, email="eve@example.org")
    for name in (str(job), str(job)[:8]):
        status, text = await second_step(ann, other, name)
        assert (status, "belongs to another user, jane@example.org" in text) == (404, True)
    status, text = await second_step(ann, jane, "ffffffff")
    assert (status, "There is no such job" in text) == (404, True)
    twin = UUID(str(job)[:-1] + ("0" if str(job)[-1] != "0" else "1"))
    await face.book(dispatch(UUID(jane.id), twin))
    status, text = await second_step(ann, jane, str(job)[:8])
    assert (status, "the full id" in text) == (422, True)


async def test_what_was_charged_less_refunds_is_the_same_on_all_pages_and_in_the_api(
    face: Face, database: PostgresEndpoint, ann: Visitor, jane: Visitor
) -> None:
    """The pages also show the refunds, for one unit and for many, also for a stopped job."""
    one = await worked(face, database.owner_dsn, jane)
    many = await worked(face, database.owner_dsn, jane, 4, 3)
    for job, unit in ((one, "0"), (many, "2")):
        _, text = await second_step(ann, jane, job, frame=unit, amount="4")
        assert "The charge is refunded." in await do(ann, jane, text)
    api = await log_in(face, Person(face, jane.id, jane.email, "", ""))
    assert api is not None
    for job, charged in ((one, "6"), (many, "26")):
        _, text = await jane.get(f"/console/jobs/{job}")
        [paid] = re.findall(r'id="paid">(.*?)</p>', text, re.DOTALL)
        said = re.sub(r"<[^>]+>", "", paid)
        assert said.startswith(f"{charged} cr charged"), said
        assert "after refunds of 4 cr" in said, said
        assert (await api.ask("GET", f"/api/v1/jobs/{job}"))[1]["charged"] == f"{charged}.0000"
    assert (await jane.post(f"/console/jobs/{many}/stop", {})).status == 303
    _, text = await jane.get("/console/jobs")
    [row] = re.findall(rf'id="row-{many}".*?</tr>', text, re.DOTALL)
    assert "Cancelled" in row
    assert "not charged" not in row
    assert re.search(r"charged <[^>]*>26.* after refunds", row), row
    _, text = await jane.get(f"/console/jobs/{many}")
    frames = text.partition('<ul class="frames">')[2].partition("</ul>")[0]
    tiles = [re.sub(r"<[^>]+>", "", tile) for tile in frames.split("<li ")[1:]]
    assert ["10 cr" in tile for tile in tiles] == [True, True, False, False]
    assert "6 cr after a refund" in tiles[2]
    for visitor in (jane, ann):
        _, text = await visitor.get("/console")
        [today] = re.findall(r"<dt>Charged today</dt><dd>(.*?)</dd>", text, re.DOTALL)
        assert re.sub(r"<[^>]+>", "", today) == "32 crafter refunds of 8 cr"


async def submit_charged(
    face: Face, dsn: str, jane: Visitor, order: Commit, done: Sequence[int]
) -> None:
    """Submit a job with these units; the units in ``done`` are charged."""
    node, [insert] = await joined(dsn), order.effects
    assert isinstance(insert, JobInsert)
    await face.book(order)
    for number in done:
        await charge(face, insert.job, number, node, begun=False)


async def test_a_frame_is_refunded_by_its_number(
    face: Face, database: PostgresEndpoint, ann: Visitor, jane: Visitor
) -> None:
    """The form takes the frame's number as pages show it, not the number of its unit."""
    job = uuid4()
    pieces = [NewUnit(100_000, 0, "7"), NewUnit(200_000, 1, "8"), NewUnit(100_000, 2, "9-12")]
    order = pieces_of(job, UUID(jane.id), pieces)
    await submit_charged(face, database.owner_dsn, jane, order, (0, 1, 2))
    status, text = await second_step(ann, jane, job)
    said = "The frame must be one of 7 to 12, or all: the job has 3 parts"
    assert (status, said in text) == (422, True)
    for frame, known in (("1", "no frame 1"), ("8,1", "no tiles")):
        status, text = await second_step(ann, jane, job, frame=frame)
        assert (status, f"The job has {known}" in text) == (404, True)
    for frame, name in (("8", "frame 8"), ("11", "frames 9-12")):
        status, text = await second_step(ann, jane, job, frame=frame)
        assert (status, f"For {name} of job" in plain(text)) == (200, True)
        assert "The charge is refunded." in await do(ann, jane, text)
    assert await balance(face, jane) == 90
    status, text = await second_step(ann, jane, job, frame="12")
    assert (status, "already refunded" in text) == (409, True)
    assert await books(database) == []


async def test_a_tile_is_refunded_alone_and_all_of_a_frame_together(
    face: Face, database: PostgresEndpoint, ann: Visitor, jane: Visitor
) -> None:
    job = uuid4()
    order = tiled(UUID(jane.id), job, (100_000, 200_000), 2)
    await submit_charged(face, database.owner_dsn, jane, order, (0, 1, 3))
    for frame in ("1,2", "frame 1, tile 2 of 2"):
        status, text = await second_step(ann, jane, job, frame=frame, amount="5")
        assert (status, "For frame 1, tile 2 of 2, of job" in plain(text)) == (200, True)
    assert "The charge is refunded." in await do(ann, jane, text)
    assert await balance(face, jane) == 65
    status, text = await second_step(ann, jane, job, frame="1", amount="4")
    assert (status, "for one tile, not for several" in plain(text)) == (422, True)
    status, text = await second_step(ann, jane, job, frame="1")
    assert (status, "For 1 tile of frame 1 of job" in plain(text)) == (200, True), "the other tile"
    assert "The charge is refunded." in await do(ann, jane, text)
    assert await balance(face, jane) == 75
    status, text = await second_step(ann, jane, job, frame="2,3")
    assert (status, "Frame 2 has no tile 3" in text) == (404, True)
    status, text = await second_step(ann, jane, job, frame="all")
    assert (status, "For 1 tile of job" in plain(text)) == (200, True)
    assert await books(database) == []


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", text))
