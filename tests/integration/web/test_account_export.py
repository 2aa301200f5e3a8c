"""Export of an account: everything of the user, nothing of others, and no secrets."""

import hashlib
from typing import Any

import pytest

from sql import account_export
from sql.account_export import SECTIONS
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import PASSWORD, Person, ask, register
from tests.integration.web.earners import earner
from tests.integration.web.mailing import MAIL
from tests.support.databases import execute, fetchval
from tests.support.http_gateway import Face, face_with, with_ledger

face = face_with(with_ledger, mail=MAIL, limits={"login": 1000})
EXPORT = "/api/v1/auth/account/export"


async def export_of(person: Person) -> dict[str, Any]:
    status, found = await person.ask("GET", EXPORT)
    assert status == 200, found
    return dict(found)


async def test_an_export_has_everything_and_no_secret(
    face: Face, database: PostgresEndpoint
) -> None:
    jane, otto = await register(face), await earner(face)
    job = await otto.earn(jane)
    _, key = await jane.ask("POST", "/api/v1/auth/keys", {"name": "robot", "scopes": ["jobs:read"]})
    hook = {"url": "https://jane.example/hook", "types": ["job.*"]}
    _, hook = await jane.ask("POST", "/api/v1/webhooks/endpoints", hook)
    scene = {"filename": "barn.blend", "size": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}
    assert (await jane.ask("POST", "/api/v1/uploads", scene))[0] in (200, 201)
    await jane.ask("POST", "/api/v1/trusted", {"email": "nobody@example.org"})
    found = await export_of(jane)
    assert list(found) == ["exported_at", "gateway", "account", "payout_account", *SECTIONS]
    assert found["account"]["email"] == "jane@example.org"
    assert found["keys"][0]["name"] == "robot"
    assert found["webhooks"][0]["url"] == "https://jane.example/hook"
    assert found["uploads"][0]["filename"] == "barn.blend"
    assert found["trusted"][0]["email"] == "nobody@example.org"
    assert len(found["sessions"]) == 1
    assert [(one["id"], one["status"], one["charged"]) for one in found["jobs"]] == [
        (str(job), "COMPLETED", "10.0000")
    ]
    entries = [(one["kind"], one["amount"], one["balance"]) for one in found["credits"]]
    assert entries == [("ADJUSTMENT", "100.0000", "100.0000"), ("USAGE", "-10.0000", "90.0000")]
    kept = await fetchval(database.owner_dsn, "SELECT string_agg(u::text, ' ') FROM users u")
    hashes = [word.strip('(),"') for word in kept.split(",") if "argon2" in word]
    text = str(found)
    for secret in (PASSWORD, key["key"], hook["secret"], jane.access, jane.refresh, *hashes):
        assert secret not in text
    assert otto.person.id not in text
    assert "otto" not in text
    of_otto = await export_of(otto.person)
    assert [one["id"] for one in of_otto["nodes"]] == [str(otto.node)]
    assert of_otto["earnings"][0]["amount"] == "7.0000"
    assert of_otto["jobs"] == []


async def test_an_export_does_not_tell_who_has_an_account(
    face: Face, database: PostgresEndpoint
) -> None:
    jane, _ = await register(face), await register(face, "known@example.org")
    await execute(database.owner_dsn, "UPDATE users SET verified_at = now()")
    _, made = await jane.ask("POST", "/api/v1/organisations", {"name": "Barn"})
    paths = (f"/api/v1/organisations/{made['id']}/members", "/api/v1/trusted")
    emails = ["known@example.org", "nobody@example.org"]
    for path in paths:
        for email in emails:
            assert (await jane.ask("POST", path, {"email": email}))[0] == 200
    listed = (await export_of(jane))["trusted"]
    for organisation in (made["id"], None):
        ours = [one for one in listed if one["organisation_id"] == organisation]
        assert [one["email"] for one in ours] == emails
    assert len(listed) == 4


async def test_a_long_export_is_read_in_pages(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    jane, otto = await register(face), await earner(face)
    jobs = [str(await otto.earn(jane, price=10_000)) for _ in range(5)]
    whole = await export_of(jane)
    of_otto = await export_of(otto.person)
    monkeypatch.setattr(account_export, "PAGE", 2)
    paged = await export_of(jane)
    for section in SECTIONS:
        assert paged[section] == whole[section], section
    assert [one["id"] for one in paged["jobs"]] == jobs
    assert len(paged["credits"]) == 6
    assert (await export_of(otto.person))["earnings"] == of_otto["earnings"]
    assert len(of_otto["earnings"]) == 5


async def test_an_export_needs_a_login(face: Face) -> None:
    jane = await register(face)
    assert (await ask(face, "GET", EXPORT))[0] == 401
    scopes = ["jobs:read", "credits:read"]
    _, key = await jane.ask("POST", "/api/v1/auth/keys", {"name": "x", "scopes": scopes})
    assert (await jane.ask("GET", EXPORT, token=key["key"]))[0] == 403
