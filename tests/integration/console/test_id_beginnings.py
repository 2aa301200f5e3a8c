"""Addresses with the beginning of an id."""

from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

import pytest

from actors.ledger.effects import DisputeOpen
from actors.ledger.messages import Posted
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, newcomer
from tests.integration.console.work import joined, worked
from tests.integration.web.accounts import Person, log_in
from tests.support.databases import execute, fetch
from tests.support.http_gateway import Face
from web.console.forms import ids_beginning

DAY: Final = timedelta(days=1)


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
            if folder == "/console/jobs":
                answer = await who.ask("GET", f"{folder}/{id_[:13]}/compare?frame=1")
                assert answer.headers["Location"] == f"{folder}/{id_}/compare?frame=1"
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


async def test_other_pages_are_found_by_beginnings(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    dsn = database.owner_dsn
    ann = await newcomer(face, dsn, "admin", "ann@example.org")
    otto = await newcomer(face, dsn, "user", "otto@example.org")
    job = await worked(face, dsn, jane)
    outcome = await face.do(DisputeOpen(uuid4(), job, 0, UUID(jane.id), "black", DAY))
    assert isinstance(outcome, Posted), outcome
    (dispute,) = await fetch(dsn, "SELECT id FROM disputes")
    person = await log_in(face, Person(face, jane.id, jane.email, "", ""))
    assert person is not None
    _, group = await person.ask("POST", "/api/v1/organisations", {"name": "Studio"})
    hook = {"url": "https://hooks.example.org/x", "types": ["job.*"]}
    _, endpoint = await person.ask("POST", "/api/v1/webhooks/endpoints", hook)
    for folder, id_, seers in (
        ("/console/users", jane.id, (ann,)),
        ("/console/disputes", str(dispute["id"]), (jane, ann)),
        ("/console/organisations", group["id"], (jane,)),
        ("/console/webhooks", endpoint["id"], (jane,)),
    ):
        for who in seers:
            answer = await who.ask("GET", f"{folder}/{id_[:13]}")
            assert (answer.status, answer.headers["Location"]) == (303, f"{folder}/{id_}"), folder
        assert (await otto.get(f"{folder}/{id_[:13]}"))[0] in (403, 404), folder


async def test_an_ambiguous_beginning_of_a_list_without_a_filter_names_the_ids(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    ids = [f"3f2b9a60-5c1d-4e0a-9a34-0d7d0a3c1b5{end}" for end in "23"]
    for id_ in ids:
        made = f"organisations (id, name, created_at) VALUES ('{id_}', 'Studio', now())"
        columns = "(organisation_id, user_id, role, invited_at, joined_at)"
        joined = f"{columns} VALUES ('{id_}', '{jane.id}', 'owner', now(), now())"
        for insert in (made, f"organisation_members {joined}"):
            await execute(database.owner_dsn, f"INSERT INTO {insert}")
    status, text = await jane.get("/console/organisations/3f2b9a60")
    assert status == 404
    assert f"Several ids begin with 3f2b9a60: {ids[0]}, {ids[1]}." in text
    stranger = await newcomer(face, email="eve@example.org")
    _, text = await stranger.get("/console/organisations/3f2b9a60")
    assert ids[0] not in text


async def test_an_ambiguous_beginning_of_a_user_leads_to_the_filtered_list(
    face: Face, database: PostgresEndpoint, jane: Visitor
) -> None:
    ann = await newcomer(face, database.owner_dsn, "admin", "ann@example.org")
    twin = jane.id[:-1] + ("0" if jane.id[-1] != "0" else "1")
    await execute(
        database.owner_dsn,
        "INSERT INTO users (id, email, name, password_hash)"
        f" VALUES ('{twin}', 'twin@example.org', 'Twin', 'x')",
    )
    answer = await ann.ask("GET", f"/console/users/{jane.id[:13]}")
    assert answer.headers["Location"] == f"/console/users?q={jane.id[:13]}"
    _, text = await ann.get(answer.headers["Location"])
    assert "twin@example.org" in text
    assert "jane@example.org" in text
    assert (await jane.get(f"/console/users/{twin[:13]}"))[0] == 403
