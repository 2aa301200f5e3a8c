"""Presets: parameters that are saved from a job, and chosen for a new one."""

import asyncio
import html
import re
from uuid import UUID, uuid4

import attrs
import pytest

from actors.ledger.effects import JobInsert
from sql.job_plan import NewUnit
from sql.presets import PRESETS_MOST
from sql.query_loader import QUERIES
from tests.integration.conformance.stage import pieces_of, with_plan
from tests.integration.console.people import Visitor, newcomer
from tests.support.http_gateway import Face

PARAMS = {"width": 640, "height": 360, "samples": 12, "format": "PNG"}


@pytest.fixture
async def job(face: Face, jane: Visitor) -> UUID:
    """Book a rendering job with parameters."""
    id_ = uuid4()
    commit = pieces_of(id_, UUID(jane.id), [NewUnit(1, n, str(n + 1)) for n in range(4)])
    (order,) = commit.effects
    assert isinstance(order, JobInsert)
    order = with_plan(order, job_type="render", params=PARAMS, frames="1-4", pool="trusted")
    await face.book(attrs.evolve(commit, effects=(order,)))
    return id_


async def test_a_preset_is_saved_from_a_job_chosen_and_removed(jane: Visitor, job: UUID) -> None:
    assert "No presets" in (await jane.get("/console/presets"))[1]
    answer = await jane.post(f"/console/jobs/{job}/preset", {"name": " Dailies <b> "})
    assert (answer.status, answer.headers["Location"]) == (303, "/console/presets")
    _, text = await jane.get("/console/presets")
    (there,) = re.findall(r'href="(/console/jobs/new\?[^"]+)"', text)
    assert "<bdi>Dailies &lt;b&gt;</bdi>" in text
    assert (
        "640 \N{MULTIPLICATION SIGN} 360, 12 samples, PNG, my nodes and those of users I trust"
        in text
    )
    for page in (html.unescape(there), "/console/jobs/new"):
        _, text = await jane.get(page)
        assert "<bdi>Dailies &lt;b&gt;</bdi>" in text, "it is offered in the form"
    _, text = await jane.get(html.unescape(there))
    for name in ("width", "height", "samples"):
        assert re.search(rf'name="{name}"[^>]* value="{PARAMS[name]}"', text), name
    assert not re.search(r'name="frames"[^>]* value="1-4"', text), "frames are of one scene"
    assert (await jane.post("/console/presets/remove", {"name": "Dailies <b>"})).status == 303
    assert (await jane.post("/console/presets/remove", {"name": "Dailies <b>"})).status == 404
    assert "No presets" in (await jane.get("/console/presets"))[1]


async def test_a_preset_is_renamed_unless_another_has_the_name(jane: Visitor, job: UUID) -> None:
    for name in ("one", "two"):
        assert (await jane.post(f"/console/jobs/{job}/preset", {"name": name})).status == 303
    path = "/console/presets/rename"
    assert (await jane.post(path, {"name": "one", "to": " dailies "})).status == 303
    assert (await jane.post(path, {"name": "dailies", "to": "dailies"})).status == 303
    assert (await jane.post(path, {"name": "dailies", "to": "two"})).status == 409
    assert (await jane.post(path, {"name": "one", "to": "three"})).status == 404
    assert (await jane.post(path, {"name": "two", "to": "  "})).status == 422
    _, text = await jane.get("/console/presets")
    assert re.findall(r"<a href=[^>]+><bdi>([^<]+)</bdi></a>", text) == ["dailies", "two"]


async def test_presets_are_of_one_user_and_bounded(face: Face, jane: Visitor, job: UUID) -> None:
    bob = await newcomer(face, email="bob@example.org")
    assert (await bob.post(f"/console/jobs/{job}/preset", {"name": "mine"})).status == 404
    assert (await jane.post(f"/console/jobs/{job}/preset", {"name": "  "})).status == 422
    for number in range(PRESETS_MOST - 1):
        answer = await jane.post(f"/console/jobs/{job}/preset", {"name": f"no. {number}"})
        assert answer.status == 303
    presets, now = face.gateway.tables.presets, face.gateway.ports.clock.now()
    async with face.gateway.database.transaction() as first:
        await first.execute(QUERIES["user_lock"], UUID(jane.id))
        query, most = QUERIES["preset_save"], PRESETS_MOST
        assert await first.fetch(query, UUID(jane.id), "first", {}, now, most)
        second = asyncio.create_task(presets.save(UUID(jane.id), "second", {}, now))
        await asyncio.wait({second}, timeout=0.3)  # it waits for the first one
    assert not await second
    assert (await jane.post(f"/console/jobs/{job}/preset", {"name": "one more"})).status == 409
    assert (await jane.post(f"/console/jobs/{job}/preset", {"name": "no. 3"})).status == 303
    assert "no. 3" not in (await bob.get("/console/presets"))[1]
