"""Addresses with the beginning of an id."""

from uuid import UUID

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, newcomer
from tests.integration.console.work import joined, worked
from tests.support.databases import execute
from tests.support.http_gateway import Face
from web.console.forms import ids_beginning


@pytest.mark.parametrize(
    "text", ["abc", "no-id", "----", "", "a" * 32, "3f2b9a60-5c1d-4e0a-9a34-0d7d0a3c1b52"]
)
def test_what_begins_no_id_is_looked_for_nowhere(text: str) -> None:
    assert ids_beginning(text) is None


def test_hyphens_and_capitals_are_no_matter() -> None:
    first, last = (
        UUID("3f2b9a60-5c00-0000-0000-000000000000"),
        UUID("3f2b9a60-5cff-ffff-ffff-ffffffffffff"),
    )
    for text in ("3f2b9a60-5c", "3F2B9A605C", "3f2b9a605c"):
        assert ids_beginning(text) == (first, last)


async def test_the_beginning_leads_to_the_job_of_its_owner(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    dsn = database.owner_dsn
    otto = await newcomer(face, dsn, "operator", "otto@example.org")
    ann = await newcomer(face, dsn, "admin", "ann@example.org")
    job, node = str(await worked(face, dsn, jane)), str(await joined(dsn))
    await execute(dsn, f"UPDATE nodes SET owner_id = '{otto.id}' WHERE id = '{node}'")
    for owner, stranger, folder, id_ in (
        (jane, otto, "/console/jobs", job),
        (otto, jane, "/console/fleet", node),
    ):
        for who in (owner, ann):
            answer = await who.ask("GET", f"{folder}/{id_[:13]}?sort=x")
            assert (answer.status, answer.headers["Location"]) == (303, f"{folder}/{id_}?sort=x")
        assert (await stranger.get(f"{folder}/{id_[:13]}"))[0] == 404
        assert (await owner.get(f"{folder}/{id_[:3]}"))[0] == 404


async def test_an_ambiguous_beginning_leads_to_the_list(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    job = str(await worked(face, database.owner_dsn, jane))
    twin = job[:-1] + ("0" if job[-1] != "0" else "1")
    columns = "job_type, payload_ref, status, price, open_units, created_at, queued_at, updated_at"
    await execute(
        database.owner_dsn,
        f"INSERT INTO jobs (id, user_id, {columns}) VALUES ('{twin}', '{jane.id}',"
        " 'echo', 'x', 'QUEUED', 0, 1, now(), now(), now())",
    )
    answer = await jane.ask("GET", f"/console/jobs/{job[:8]}")
    assert answer.headers["Location"] == f"/console/jobs?q={job[:8]}"
    _, text = await jane.get(answer.headers["Location"])
    assert job in text
    assert twin in text
