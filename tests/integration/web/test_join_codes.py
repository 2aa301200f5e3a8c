"""Join codes: one machine becomes its user's node, without the user's login."""

import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from actors.sweeper.messages import SweepDue
from rendertrust import join_code
from rendertrust.node_key import generate_key, public_pem, sign_proof
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.console.people import signed_in
from tests.integration.web.accounts import Person, ask, register
from tests.integration.web.test_sweeper import sweeping
from tests.support.databases import execute, fetchval
from tests.support.http_gateway import Face, face_with, with_ledger
from tests.support.releases import KEY_TEXT
from web.downloads.release_signature import ReleaseSignature
from web.routes import downloads
from web.routes.join_codes import ANY_ORIGIN, LASTS, OPEN_MOST

face = face_with(with_ledger, limits={"login": 1000})
CODES = "/api/v1/nodes/join-codes"


@pytest.fixture
async def otto(face: Face) -> Person:
    return await register(face, "otto@example.org")


async def made(person: Person) -> dict[str, Any]:
    status, code = await person.ask("POST", CODES)
    assert status == 201, code
    return dict(code)


async def joined(face: Face, code: str, key: Ed25519PrivateKey) -> tuple[int, dict[str, Any]]:
    body = {"name": "box", "public_key": public_pem(key), "capabilities": ["echo"], "code": code}
    return await ask(face, "POST", "/api/v1/nodes/join", body)


async def proved(face: Face, node: dict[str, Any], key: Ed25519PrivateKey) -> dict[str, Any]:
    proof = {
        "node_id": node["node_id"],
        "challenge": node["challenge"],
        "signature": sign_proof(key, node["node_id"], node["challenge"]),
    }
    status, verified = await ask(face, "POST", "/api/v1/nodes/verify", proof)
    assert status == 200, verified
    return dict(verified)


async def listed(person: Person) -> list[dict[str, Any]]:
    return list((await person.ask("GET", CODES))[1]["codes"])


async def test_a_machine_with_a_code_is_its_users_node(face: Face, otto: Person) -> None:
    code, key = await made(otto), generate_key()
    url = str(face.client.make_url("/")).rstrip("/")
    assert code["command"] == f"rendertrust node join {url} --code {code['code']}"
    assert [(one["id"], one["used_at"]) for one in await listed(otto)] == [(code["id"], None)]
    status, node = await joined(face, code["code"].lower(), key)
    assert (status, node["owner_id"], node["status"]) == (201, otto.id, "REGISTERED")
    assert (await proved(face, node, key))["owner_id"] == otto.id
    assert [one["node_id"] for one in await listed(otto)] == [node["node_id"]]
    assert "code" not in (await listed(otto))[0]


async def checked(face: Face, code: str) -> tuple[int, dict[str, Any]]:
    return await ask(face, "POST", "/api/v1/nodes/join/check", {"code": code})


async def test_a_code_names_the_keys_of_the_gateway(
    face: Face, otto: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    [log] = face.gateway.ports.signer.verifiers(ANY_ORIGIN)
    for key in (None, KEY_TEXT):

        def release_signature(_: object, key: str | None = key) -> ReleaseSignature:
            return ReleaseSignature(key)

        monkeypatch.setattr(downloads, "release_signature", release_signature)
        code = join_code.read((await made(otto))["code"])
        assert code is not None
        assert code.is_for(log.public_key, key)


async def test_a_code_works_once_however_often_it_is_checked(face: Face, otto: Person) -> None:
    code = (await made(otto))["code"]
    assert [(await checked(face, code))[0] for _ in range(2)] == [200, 200]
    tries = await asyncio.gather(*(joined(face, code, generate_key()) for _ in range(5)))
    assert sorted(status for status, _ in tries) == [201, 401, 401, 401, 401]
    status, refused = await joined(face, code, generate_key())
    assert (status, refused["code"]) == (401, "join_code_invalid")
    assert "Add a machine" in refused["detail"]
    unknown = await checked(face, join_code.make(b"x" * 16, b"k" * 32, None).text)
    for status, told in (await checked(face, code), unknown):
        assert (status, told["detail"]) == (401, refused["detail"]), "used and unknown ones alike"


@pytest.mark.parametrize(
    "change",
    [
        f"expires_at = now() - interval '1 s', created_at = now() - interval '{LASTS}'",
        "gateway_key = decode(repeat('ab', 32), 'hex')",
    ],
)
async def test_a_code_that_expired_or_is_of_another_key_is_refused(
    face: Face, otto: Person, database: PostgresEndpoint, change: str
) -> None:
    code = await made(otto)
    await execute(database.owner_dsn, f"UPDATE join_codes SET {change}")
    assert (await checked(face, code["code"]))[0] == 401
    assert (await joined(face, code["code"], generate_key()))[0] == 401


async def test_a_code_of_a_user_who_is_deactivated_is_gone(
    face: Face, otto: Person, database: PostgresEndpoint
) -> None:
    code = await made(otto)
    await execute(database.owner_dsn, "UPDATE users SET is_active = false")
    assert await fetchval(database.owner_dsn, "SELECT count(*) FROM join_codes") == 0
    assert (await joined(face, code["code"], generate_key()))[0] == 401


async def test_a_code_ends_with_the_users_other_sessions(face: Face, otto: Person) -> None:
    code = await made(otto)
    body = {"old_password": "a long password", "new_password": "another long password"}
    assert (await otto.ask("POST", "/api/v1/auth/password", body))[0] == 200
    assert (await joined(face, code["code"], generate_key()))[0] == 401


async def test_only_its_user_lists_and_revokes_a_code(face: Face, otto: Person) -> None:
    code, jane = await made(otto), await register(face)
    assert await listed(jane) == []
    path = f"{CODES}/{code['id']}"
    assert (await jane.ask("DELETE", path))[0] == 404
    assert (await otto.ask("DELETE", path))[0] == 200
    assert await listed(otto) == []
    assert (await joined(face, code["code"], generate_key()))[0] == 401
    assert (await otto.ask("DELETE", path))[0] == 404


async def test_a_user_has_a_few_open_codes(face: Face, otto: Person) -> None:
    codes = [await made(otto) for _ in range(OPEN_MOST)]
    status, refused = await otto.ask("POST", CODES)
    assert (status, refused["code"]) == (409, "too_many_join_codes")
    assert (await joined(face, codes[0]["code"], generate_key()))[0] == 201
    await made(otto)


async def test_a_node_that_is_known_keeps_its_id_and_its_owner(face: Face, otto: Person) -> None:
    key, jane = generate_key(), await register(face)
    _, first = await joined(face, (await made(otto))["code"], key)
    await proved(face, first, key)
    status, again = await joined(face, (await made(jane))["code"], key)
    assert (status, again["node_id"], again["owner_id"]) == (201, first["node_id"], jane.id)
    assert (await proved(face, again, key))["owner_id"] == otto.id
    _, page = await (await signed_in(face, jane.email)).get("/console/fleet/add")
    assert "is the node of another user already" in page
    assert first["node_id"] not in page, "its page is its owner's"
    _, page = await (await signed_in(face, otto.email)).get("/console/fleet/add")
    assert f"/console/fleet/{first['node_id']}" in page
    assert "of another user" not in page


async def test_a_machine_that_joined_twice_is_shown_once(face: Face, otto: Person) -> None:
    key = generate_key()
    _, node = await joined(face, (await made(otto))["code"], key)
    await proved(face, node, key)
    _, again = await joined(face, (await made(otto))["code"], key)
    await proved(face, again, key)
    _, page = await (await signed_in(face, otto.email)).get("/console/fleet/add")
    assert page.count(f'href="/console/fleet/{node["node_id"]}"') == 1


async def test_a_code_is_stored_as_a_hash_and_logged_nowhere(
    face: Face, otto: Person, database: PostgresEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    code = (await made(otto))["code"]
    kept = await fetchval(database.owner_dsn, "SELECT join_codes::text FROM join_codes")
    read = join_code.read(code)
    assert read is not None
    assert read.sha256.hex() in kept
    assert code not in kept
    await joined(face, code, generate_key())
    await joined(face, code, generate_key())
    assert code not in caplog.text


async def test_an_api_key_needs_the_scope(face: Face, otto: Person) -> None:
    for scope, status in (("nodes:read", 403), ("nodes:write", 201)):
        _, key = await otto.ask("POST", "/api/v1/auth/keys", {"name": scope, "scopes": [scope]})
        assert (await otto.ask("POST", CODES, token=key["key"]))[0] == status


async def test_old_codes_are_swept(face: Face, otto: Person, database: PostgresEndpoint) -> None:
    await made(otto)
    kept = "SELECT count(*) FROM join_codes"
    async with sweeping(face) as sweeper:
        await sweeper.ask(SweepDue(), within=10.0)
        assert await fetchval(database.owner_dsn, kept) == 1
        old = timedelta(days=1, hours=1)
        await execute(
            database.owner_dsn,
            f"UPDATE join_codes SET created_at = created_at - interval '{old}',"
            f" expires_at = expires_at - interval '{old}'",
        )
        await sweeper.ask(SweepDue(), within=10.0)
    assert await fetchval(database.owner_dsn, kept) == 0
