"""A zip of all completed and paid frames can be downloaded at any time, however the job ends."""

import io
import zipfile
from collections.abc import Sequence
from uuid import UUID

import pytest
from yarl import URL

from actors.ledger.effects import JobPause, JobStop, OfJob, UnitAssign, UnitComplete, UnitFail
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, newcomer
from tests.integration.console.test_many_frames import film
from tests.integration.console.work import joined
from tests.support.http_gateway import Face

PICTURE = b"\x89PNG\r\n\x1a\n of frame %d"


async def submit_half_done(face: Face, dsn: str, jane: Visitor) -> UUID:
    """Submit a job of three frames, of which the first two are done."""
    job, node = await film(face, jane), await joined(dsn)
    for unit in range(2):
        key, picture = f"results/{jane.id}/{job}/{unit}", PICTURE % (unit + 1)
        await face.objects.put(key, picture)
        place = f"s3://{face.gateway.settings.objects.bucket}/{key}"
        end = UnitComplete(job, unit, 1, node, place, size=len(picture))
        await ask(face, UnitAssign(job, unit, 1, node), end)
    return job


async def ask(face: Face, *effects: OfJob | UnitAssign | UnitComplete | UnitFail) -> None:
    await face.do(*effects)


def ends(job: UUID, user: UUID) -> Sequence[tuple[str, OfJob | UnitFail | None]]:
    fault = UnitFail(job, 2, attempt=0, node=None, error_class="scene", error="no camera")
    return [
        ("RUNNING", None),
        ("PAUSED", JobPause(job, user)),
        ("FAILED", fault),
        ("CANCELLED", JobStop(job, user)),
    ]


@pytest.mark.parametrize("end", range(4), ids=["running", "paused", "failed", "cancelled"])
async def test_frames_that_are_done_are_a_zip_however_the_job_stands(
    face: Face, database: PostgresEndpoint, end: int, jane: Visitor
) -> None:
    job = await submit_half_done(face, database.owner_dsn, jane)
    status, effect = ends(job, UUID(jane.id))[end]
    if effect is not None:
        await ask(face, effect)
    row = await face.gateway.tables.jobs.past(job, UUID(jane.id))
    assert row is not None
    assert row.status == status
    link = f"/console/archives/{job}"
    _, text = await jane.get(f"/console/jobs/{job}")
    assert f'href="{link}"' in text.partition('id="picture"')[2].partition("</section>")[0]
    answer = await jane.ask("GET", link)
    assert answer.status == 303, await answer.text()
    fetched = await jane.ask("GET", URL(answer.headers["Location"]).path_qs)
    assert fetched.status == 200
    files = zipfile.ZipFile(io.BytesIO(await fetched.read()))
    assert files.testzip() is None
    assert {name: files.read(name) for name in files.namelist()} == {
        "scene-0001.png": PICTURE % 1,
        "scene-0002.png": PICTURE % 2,
    }
    assert fetched.headers["Content-Disposition"] == 'attachment; filename="scene.zip"'
    assert await face.gateway.tables.jobs.rename(job, UUID(jane.id), "a/b")
    fetched = await jane.ask("GET", URL(answer.headers["Location"]).path_qs)
    renamed = zipfile.ZipFile(io.BytesIO(await fetched.read()))
    assert renamed.namelist() == ["a_b-0001.png", "a_b-0002.png"]
    eve = await newcomer(face, email="eve@example.org")
    assert (await eve.get(link))[0] == 404


async def test_of_none_there_is_none(face: Face, jane: Visitor) -> None:
    job = await film(face, jane)
    link = f"/console/archives/{job}"
    assert (await jane.get(link))[0] == 404
    assert link not in (await jane.get(f"/console/jobs/{job}"))[1]
