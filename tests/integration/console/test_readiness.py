"""The readiness page: what a farm needs, how it is, and what to do."""

import json
import re
import ssl
from datetime import UTC, datetime, timedelta
from html import unescape
from uuid import uuid4

import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import Visitor, newcomer
from tests.support.databases import execute
from tests.support.http_gateway import Face, face_over, face_with
from tests.twins.host import TwinHost
from web.console.alerts import alerts_of
from web.console.farm_readiness import FarmReadiness

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
        *(
            "nodes",
            "backups",
            "restore",
            "mail",
            "disk",
            "versions",
            "verification",
            "anchors",
            "address",
        )
    ]
    assert "None renders" in found["nodes"][1]
    assert "Add a machine" in found["nodes"][1]
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


async def test_a_servers_reply_shows_no_address(database: PostgresEndpoint) -> None:
    row = (
        "INSERT INTO mails (id, kind, user_id, state, due_at, created_at, ended_at, error)"
        " SELECT gen_random_uuid(), 'password.changed', id, 'FAILED', now(), now(), now(),"
        " '550 5.1.1 <jane@example.org>: no such user' FROM users LIMIT 1"
    )
    async with face_over(
        database, mail={"url": "smtp://127.0.0.1:9", "sender": "farm@example.org"}
    ) as face:
        ann = await newcomer(face, database.owner_dsn, "admin", "ann@example.org")
        await execute(database.owner_dsn, "DELETE FROM mails")
        await execute(database.owner_dsn, row)
        _, text = (await needs(ann))["mail"]
        assert "550 5.1.1 <(address)>: no such user" in text
        _, overview = await ann.get("/console")
        assert "jane@" not in overview


async def test_old_gateways_and_nodes_are_named_with_what_to_do(
    face: Face, ann: Visitor, database: PostgresEndpoint
) -> None:
    assert (await needs(ann))["versions"][0] == "good"
    candidate = {"id": str(uuid4()), "url": "http://c:8000", "version": "0.1.0+own"}
    since = datetime.now(UTC).isoformat()
    face.gateway.console.gateways.hear(json.dumps({**candidate, "since": since}).encode())
    assert (await needs(ann))["versions"][0] == "good", "only the suffix differs"
    for number, version in enumerate(("0.0.9", "0.0.9", "0.1.0", "9.0", "<b>odd</b>")):
        await execute(
            database.owner_dsn,
            "INSERT INTO nodes (id, name, public_key, capabilities, status, metadata) VALUES"
            f" (gen_random_uuid(), 'n', sha256('{number}'), '{{render}}', 'HEALTHY',"
            f" jsonb_build_object('version', '{version}'))",
        )
    state, text = (await needs(ann))["versions"]
    assert state == "warn"
    assert "2 nodes, with version 0.0.9 (2)" in text
    assert "Update each node by its line on the page Download" in text
    other = {"id": str(uuid4()), "url": "http://b:8000", "version": "0.2.0"}
    now = datetime.now(UTC).isoformat()
    face.gateway.console.gateways.hear(json.dumps({**other, "since": now}).encode())
    state, text = (await needs(ann))["versions"]
    assert "Older than 0.2.0: 2 gateways, http" in text
    assert "3 nodes, with version 0.0.9 (2), 0.1.0 (1)" in text
    assert "Upgrade the gateways" in text
    _, overview = await ann.get("/console")
    assert "Versions" not in overview, "it is not urgent"


async def test_only_overseers_see_it(face: Face, ann: Visitor) -> None:
    jane = await newcomer(face, email="joan@example.org")
    assert (await jane.get(PATH))[0] == 403


async def test_a_backup_that_was_never_made_is_missing(database: PostgresEndpoint) -> None:
    async with face_over(
        database, environment="production", payments="none", backup={"folder": "/backup"}
    ) as face:
        never = next(
            each for each in await FarmReadiness(face.gateway).items() if each.name == "Backups"
        )
        assert (never.state, never.is_missing) == ("bad", True)
        assert "Run rendertrust backup every day" in never.fix
        alerts = await alerts_of(face.gateway, {"UNHEALTHY": 0})
        headings = {each.text: each.heading for each in alerts}
        assert headings["Backups: No backup of this database was ever made"] == "Missing"


async def test_ages_are_told_in_words(ann: Visitor, database: PostgresEndpoint) -> None:
    made = "INSERT INTO last_backup (made_at, bytes) VALUES (now() - interval '{} s', 5)"
    for seconds, ago in ((70, "1 minute ago"), (5, "just now")):
        await execute(database.owner_dsn, "DELETE FROM last_backup")
        await execute(database.owner_dsn, made.format(seconds))
        assert ago in (await needs(ann))["backups"][1]
