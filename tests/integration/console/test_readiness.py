"""The readiness page: what a farm needs, how it is, and what to do."""

import re
import ssl
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, newcomer
from tests.support.databases import execute
from tests.support.http_gateway import Face, face_over, face_with
from tests.twins.host import TwinHost

face = face_with()
PATH = "/console/readiness"
ROW = re.compile(r'<tr data-row id="need-(\w+)">(.*?)</tr>', re.DOTALL)


async def needs(visitor: Visitor) -> dict[str, tuple[str, str]]:
    """Return each need's state and texts, as the page shows them."""
    status, page = await visitor.get(PATH)
    assert status == 200
    found = dict[str, tuple[str, str]]()
    for name, row in ROW.findall(page):
        text = " ".join(unescape(re.sub(r"<[^>]+>", " ", row)).split())
        state = re.search(r'class="badge (\w+)"', row)
        assert state is not None
        found[name] = (state[1], text)
    return found


def host_of(face: Face) -> TwinHost:
    host = face.gateway.monitoring.host
    assert isinstance(host, TwinHost)
    return host


@pytest.fixture
async def ann(face: Face, database: PostgresEndpoint) -> Visitor:
    return await newcomer(face, database.owner_dsn, "admin", "ann@example.org")


async def test_a_new_farm_is_told_what_it_lacks(ann: Visitor) -> None:
    found = await needs(ann)
    assert list(found) == [
        *("backups", "restore", "mail", "disk", "versions", "verification", "anchors", "address")
    ]
    assert found["backups"][0] == "warn"
    assert "rendertrust backup FILE" in found["backups"][1]
    assert found["restore"][0] == "warn"
    assert "--trial" in found["restore"][1]
    assert "mail.url" in found["mail"][1]


async def test_backups_grow_old(ann: Visitor, database: PostgresEndpoint) -> None:
    note = (
        "INSERT INTO last_backup (made_at, bytes, tried_at) VALUES (now() - interval '{}',"
        " 5, now() - interval '{}') ON CONFLICT (one) DO UPDATE SET made_at = EXCLUDED.made_at,"
        " tried_at = EXCLUDED.tried_at"
    )
    for made, tried, states in (
        ("3 h", "80 d", ("good", "good")),
        ("30 h", "100 d", ("warn", "warn")),
    ):
        await execute(database.owner_dsn, note.format(made, tried))
        found = await needs(ann)
        assert (found["backups"][0], found["restore"][0]) == states
    assert "30 hours ago" in found["backups"][1]
    assert "100 days ago" in found["restore"][1]


async def test_a_full_disk_is_urgent(face: Face, ann: Visitor) -> None:
    for free, state in ((20, "good"), (10, "warn"), (4, "bad")):
        host_of(face).free = free * 2**30
        found = await needs(ann)
        assert found["disk"][0] == state
    assert "4.0 GiB of 100.0 GiB are free" in found["disk"][1]
    _, overview = await ann.get("/console")
    assert "Disk: 4.0 GiB of 100.0 GiB are free" in overview


async def test_a_certificate_is_looked_at(database: PostgresEndpoint) -> None:
    async with face_over(database, server={"public_url": "https://farm.example"}) as face:
        ann = await newcomer(face, database.owner_dsn, "admin", "ann@example.org")
        host = host_of(face)
        assert (await needs(ann))["address"][0] == "good"
        host.ends = datetime.now(UTC) + timedelta(days=5, hours=1)
        state, text = (await needs(ann))["address"]
        assert (state, "valid for 5 more days" in text) == ("warn", True)
        refused = ssl.SSLCertVerificationError("no")
        refused.verify_message = "certificate has expired"
        host.fails = refused
        state, text = (await needs(ann))["address"]
        assert (state, "certificate has expired" in text) == ("bad", True)
        host.fails = ConnectionRefusedError(111, "Connection refused")
        state, text = (await needs(ann))["address"]
        assert (state, "could not be checked" in text) == ("warn", True)


async def test_mails_that_fail_are_urgent(database: PostgresEndpoint) -> None:
    row = (
        "INSERT INTO mails (id, kind, user_id, state, due_at, created_at, ended_at, error)"
        " SELECT gen_random_uuid(), 'password.changed', id, '{}', now() - interval '1 h',"
        " now() - interval '1 h', {}, {} FROM users"
    )
    async with face_over(
        database, mail={"url": "smtp://127.0.0.1:9", "sender": "farm@example.org"}
    ) as face:
        ann = await newcomer(face, database.owner_dsn, "admin", "ann@example.org")
        await execute(database.owner_dsn, "DELETE FROM mails")
        assert (await needs(ann))["mail"][0] == "good"
        await execute(database.owner_dsn, row.format("FAILED", "now()", "'550 no such user'"))
        state, text = (await needs(ann))["mail"]
        assert (state, "550 no such user" in text) == ("bad", True)
        await execute(database.owner_dsn, row.format("SENT", "now()", "NULL"))
        assert (await needs(ann))["mail"][0] == "good"
        await execute(database.owner_dsn, row.format("PENDING", "NULL", "NULL"))
        state, text = (await needs(ann))["mail"]
        assert (state, "was due 60 minutes ago" in text) == ("bad", True)


async def test_only_overseers_see_it(face: Face, ann: Visitor) -> None:
    jane = await newcomer(face, email="joan@example.org")
    assert (await jane.get(PATH))[0] == 403
