"""API keys: shown once, limited to their scopes, and useless at once when revoked."""

import logging
from typing import Any

import pytest

from config.redaction import HIDDEN, redact
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import Person, ask, register, with_role
from tests.support.databases import execute, fetchval
from tests.support.http_gateway import Face
from tests.support.until import until
from web.identity.api_keys import well_formed

BALANCE, JOBS = "/api/v1/credits/balance", "/api/v1/jobs"


async def make(person: Person, *scopes: str, **more: Any) -> Any:
    """Create a key, and return the answer, which has the key itself."""
    body = {"name": "render farm", "scopes": list(scopes), **more}
    status, answer = await person.ask("POST", "/api/v1/auth/keys", body)
    assert status == 201, answer
    return answer


async def test_a_key_is_shown_once_and_kept_as_a_hash(
    database: PostgresEndpoint, jane: Person
) -> None:
    made = await make(jane, "credits:read", "jobs:read")
    key = made["key"]
    assert well_formed(key)
    assert made["hint"] == key[-4:]
    _, listed = await jane.ask("GET", "/api/v1/auth/keys")
    assert listed["count"] == 1
    assert listed["keys"] == [{name: made[name] for name in made if name != "key"}]
    kept = await fetchval(database.owner_dsn, "SELECT k::text FROM api_keys k")
    assert key not in kept


async def test_a_key_opens_what_its_scopes_say(jane: Person) -> None:
    key = (await make(jane, "credits:read"))["key"]
    status, answer = await jane.ask("GET", BALANCE, token=key)
    assert (status, answer["user_id"]) == (200, jane.id)
    status, answer = await jane.ask("GET", JOBS, token=key)
    assert status == 403
    assert answer["detail"] == "The API key lacks the scope jobs:read"
    job = {"job_type": "echo", "payload_ref": "s3://others/x"}
    status, answer = await jane.ask("POST", "/api/v1/jobs/dispatch", job, token=key)
    assert (status, answer["detail"]) == (403, "The API key lacks the scope jobs:write")


async def test_a_key_makes_no_keys_and_is_no_admin(face: Face, database: PostgresEndpoint) -> None:
    ann = await with_role(face, database.owner_dsn, "admin")
    every = [
        *("jobs:read", "jobs:write", "uploads:write", "credits:read"),
        *("credits:write", "nodes:read", "nodes:write"),
    ]
    key = (await make(ann, *every))["key"]
    for method, path in (
        ("POST", "/api/v1/auth/keys"),
        ("GET", "/api/v1/auth/keys"),
        ("GET", "/api/v1/auth/sessions"),
        ("POST", "/api/v1/auth/logout"),
        ("GET", "/api/v1/admin/users"),
        ("GET", "/api/v1/admin/audit"),
    ):
        status, answer = await ann.ask(method, path, token=key)
        assert (status, answer["detail"]) == (403, "API keys may not do this: log in"), path
    assert (await ann.ask("GET", "/api/v1/admin/users"))[0] == 200


async def test_a_revoked_key_is_dead_at_once(face: Face, jane: Person) -> None:
    bob = await register(face, "bob@example.org")
    made = await make(jane, "credits:read")
    assert (await jane.ask("GET", BALANCE, token=made["key"]))[0] == 200
    path = f"/api/v1/auth/keys/{made['id']}"
    assert (await bob.ask("DELETE", path))[0] == 404
    assert (await jane.ask("DELETE", path))[0] == 200
    assert (await jane.ask("GET", BALANCE, token=made["key"]))[0] == 401
    assert (await jane.ask("DELETE", path))[0] == 404
    assert (await jane.ask("GET", "/api/v1/auth/keys"))[1] == {"keys": [], "count": 0}
    assert await jane.may(), "the user's login still holds"


async def test_a_key_that_was_revoked_elsewhere_is_dead_soon(
    database: PostgresEndpoint, jane: Person
) -> None:
    key = (await make(jane, "credits:read"))["key"]
    assert await jane.may(key)
    await execute(database.owner_dsn, "UPDATE api_keys SET revoked_at = now()")

    async def dead() -> bool:
        return not await jane.may(key)

    await until(dead)


async def test_keys_sleep_while_their_user_is_deactivated(
    database: PostgresEndpoint, jane: Person
) -> None:
    key = (await make(jane, "credits:read"))["key"]
    assert await jane.may(key)
    await execute(database.owner_dsn, "UPDATE users SET is_active = false")

    async def asleep() -> bool:
        return not await jane.may(key)

    await until(asleep)
    await execute(database.owner_dsn, "UPDATE users SET is_active = true")
    assert await jane.may(key)


async def test_a_key_that_was_verified_is_not_looked_up_again(
    database: PostgresEndpoint, jane: Person
) -> None:
    key = (await make(jane, "credits:read"))["key"]
    assert await jane.may(key)
    _, first = await jane.ask("GET", "/api/v1/auth/keys")
    assert await jane.may(key)
    _, second = await jane.ask("GET", "/api/v1/auth/keys")
    assert first["keys"][0]["last_used_at"] is not None
    assert first == second


async def test_a_key_ends_when_it_was_said_to(database: PostgresEndpoint, jane: Person) -> None:
    made = await make(jane, "credits:read", expires_at="2999-01-01T00:00:00Z")
    assert made["expires_at"] == "2999-01-01T00:00:00Z"
    await execute(database.owner_dsn, "UPDATE api_keys SET expires_at = now()")
    assert not await jane.may(made["key"])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes[0]"),
        ({"scopes": "jobs:read"}, "scopes"),
        ({"name": ""}, "name"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2999-01-01T00:00:00"}, "expires_at"),
    ],
    ids=str,
)
async def test_a_wrong_key_is_not_made(changes: dict[str, Any], field: str, jane: Person) -> None:
    body = {"name": "farm", "scopes": ["jobs:read"], **changes}
    status, answer = await jane.ask("POST", "/api/v1/auth/keys", body)
    assert status == 422
    assert [fault["field"] for fault in answer["errors"]] == [field]


async def test_a_mistyped_key_costs_no_query(face: Face, jane: Person) -> None:
    key: str = (await make(jane, "credits:read"))["key"]
    mistyped = key[:-10] + ("a" if key[-10] != "a" else "b") + key[-9:]
    await face.gateway.database.close()
    for wrong in (mistyped, "rtk_", "rtk_é", key + "0", key[:-1]):
        assert (await jane.ask("GET", BALANCE, token=wrong))[0] == 401
    assert (await jane.ask("GET", BALANCE, token=key))[0] == 503


async def test_a_user_has_a_hundred_keys_at_most(database: PostgresEndpoint, jane: Person) -> None:
    await make(jane, "jobs:read")
    await execute(
        database.owner_dsn,
        "INSERT INTO api_keys (id, user_id, name, sha256, hint, scopes, created_at)"
        " SELECT gen_random_uuid(), user_id, name, sha256(n::text::bytea), hint, scopes, now()"
        " FROM api_keys, generate_series(1, 99) n",
    )
    body = {"name": "one more", "scopes": ["jobs:read"]}
    status, answer = await jane.ask("POST", "/api/v1/auth/keys", body)
    assert (status, answer["detail"]) == (409, "You already have 100 keys; revoke one first")


async def test_a_key_never_reaches_the_log(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], jane: Person
) -> None:
    with caplog.at_level(logging.DEBUG):
        key = (await make(jane, "credits:read"))["key"]
        await jane.ask("GET", BALANCE, token=key)
    assert key not in caplog.text
    assert key not in "".join(capsys.readouterr())
    assert redact(f"key {key}, and {key}") == f"key {HIDDEN}, and {HIDDEN}"


async def test_a_key_is_good_where_a_token_only_may_come(face: Face, jane: Person) -> None:
    """A node can be registered without a token, but an API key needs the scope."""
    key = (await make(jane, "jobs:read"))["key"]
    headers = {"Authorization": f"Bearer {key}"}
    status, answer = await ask(face, "POST", "/api/v1/nodes/register", {}, headers)
    assert (status, answer["detail"]) == (403, "The API key lacks the scope nodes:write")
    key = (await make(jane, "nodes:write"))["key"]
    headers = {"Authorization": f"Bearer {key}"}
    status, answer = await ask(face, "POST", "/api/v1/nodes/register", {}, headers)
    assert status == 422
