"""The second factor over the API: logins, repeated and guessed codes, actions that need it."""

import asyncio
from typing import Any
from uuid import UUID

import attrs
import pytest

from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import PASSWORD, Person, ask, log_in, register, with_role
from tests.integration.web.factors import Secured, secured, with_app, wrong
from tests.support.databases import execute, fetch, fetchval
from tests.support.http_gateway import Face, face_over, face_with
from tests.twins.signer import TwinSigner
from web.identity.second_factor import is_right, used_step

AGAIN = "/api/v1/auth/second-factor"
KEYS = "/api/v1/auth/keys"
KEY = {"name": "studio", "scopes": ["jobs:read"]}
LATER = "UPDATE refresh_families SET factor_at = factor_at - interval '10 minutes 1 second'"

face = face_with()


@pytest.fixture
def dsn(database: PostgresEndpoint) -> str:
    return database.owner_dsn


@pytest.fixture
async def jane(face: Face, dsn: str) -> Secured:
    return await secured(face, dsn)


async def signed_in(jane: Secured) -> Person:
    """Log in with a fresh code."""
    status, tokens = await jane.log_in(await jane.fresh())
    assert status == 200, tokens
    return attrs.evolve(jane.person, access=tokens["access_token"], refresh="")


async def test_a_login_without_a_code_says_that_one_is_needed(jane: Secured) -> None:
    status, answer = await jane.log_in(None)
    assert (status, answer["code"]) == (401, "second_factor_required")
    status, tokens = await jane.log_in(jane.code())
    assert (status, sorted(tokens)) == (200, ["access_token", "refresh_token", "token_type"])


async def test_a_wrong_password_says_nothing_about_the_second_factor(jane: Secured) -> None:
    for otp in (None, jane.code(), jane.codes[0]):
        status, answer = await jane.log_in(otp, "another password")
        assert (status, answer["code"]) == (401, "credentials_invalid")
    assert (await jane.log_in(jane.code()))[0] == 200, "the code was not used up"


async def test_a_code_of_no_use_is_ignored_without_a_second_factor(face: Face) -> None:
    await register(face)
    body = {"email": "jane@example.org", "password": PASSWORD, "otp": "123456"}
    assert (await ask(face, "POST", "/api/v1/auth/login", body))[0] == 200


async def test_a_code_works_once(jane: Secured) -> None:
    code = jane.code()
    assert (await jane.log_in(code))[0] == 200
    status, answer = await jane.log_in(code)
    assert (status, answer["code"]) == (401, "second_factor_invalid")
    assert (await jane.log_in(jane.code(-1)))[0] == 401, "an older code is refused, too"


async def test_of_several_logins_with_one_code_at_once_one_succeeds(jane: Secured) -> None:
    code = jane.code()
    answers = await asyncio.gather(*(jane.log_in(code) for _ in range(6)))
    assert sorted(status for status, _ in answers) == [200] + 5 * [401]


async def test_two_gateways_do_not_both_take_a_code(
    jane: Secured, database: PostgresEndpoint
) -> None:
    async with face_over(database) as other:
        signer = jane.face.gateway.ports.signer
        ports = attrs.evolve(other.gateway.ports, signer=signer)
        gateways = [jane.face.gateway, attrs.evolve(other.gateway, ports=ports)]
        user = UUID(jane.person.id)
        code = jane.code()
        tries = (is_right(gateways[n % 2], user, code) for n in range(6))
        assert sorted(await asyncio.gather(*tries)) == 5 * [False] + [True]


async def test_codes_of_clocks_that_are_a_step_apart_work(jane: Secured) -> None:
    assert (await jane.log_in(jane.code(-1)))[0] == 200
    assert (await jane.log_in(jane.code(1)))[0] == 200
    await jane.fresh()
    for far in (-3, 3):
        assert (await jane.log_in(jane.code(far)))[0] == 401


async def test_guesses_are_bounded_from_all_addresses_together(jane: Secured, dsn: str) -> None:
    """After ten wrong codes in an hour even the right one is refused, at once or one by one."""
    guess = wrong(jane.code())
    await asyncio.gather(*(jane.log_in(guess) for _ in range(15)))
    assert await fetchval(dsn, "SELECT failures FROM authenticators") == 10
    assert (await jane.log_in(await jane.fresh()))[0] == 401
    assert (await jane.log_in(jane.codes[0]))[0] == 200, "recovery codes cannot be guessed"
    await execute(dsn, "UPDATE authenticators SET failing_since = now() - interval '61 minutes'")
    assert (await jane.log_in(await jane.fresh()))[0] == 200
    assert await fetchval(dsn, "SELECT failures FROM authenticators") == 0


async def test_guesses_are_limited_as_passwords_are(database: PostgresEndpoint, dsn: str) -> None:
    async with face_over(database, limits={"login": 3}) as face:
        jane = await secured(face, dsn)
        statuses = [(await jane.log_in(wrong(jane.code())))[0] for _ in range(4)]
        assert statuses == [401, 401, 401, 429]


async def test_a_recovery_code_works_once_and_as_people_type_it(jane: Secured) -> None:
    typed = f" {jane.codes[0].upper().replace('-', ' ')} "
    assert (await jane.log_in(typed))[0] == 200
    status, answer = await jane.log_in(jane.codes[0])
    assert (status, answer["code"]) == (401, "second_factor_invalid")
    answers = await asyncio.gather(*(jane.log_in(jane.codes[1]) for _ in range(4)))
    assert sorted(status for status, _ in answers) == [200, 401, 401, 401]
    assert (await jane.log_in("abcd-efgh-ijkl-mnop"))[0] == 401


async def test_a_recovery_code_of_another_user_is_refused(jane: Secured, dsn: str) -> None:
    bob = await secured(jane.face, dsn, "bob@example.org")
    assert (await bob.log_in(jane.codes[0]))[0] == 401
    assert (await jane.log_in(jane.codes[0]))[0] == 200


async def test_secrets_are_stored_encrypted_or_hashed_and_never_logged(
    jane: Secured, dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    code = jane.code()
    await jane.log_in(code)
    await jane.log_in(jane.codes[0])
    [row] = await fetch(dsn, "SELECT a::text AS app FROM authenticators a")
    rows = await fetch(dsn, "SELECT r::text AS code FROM recovery_codes r")
    kept = row["app"] + "".join(each["code"] for each in rows)
    plain = [each.replace("-", "") for each in jane.codes]
    for secret in (jane.secret.hex(), *plain, *(each.encode().hex() for each in plain)):
        assert secret not in kept
    for secret in (code, jane.codes[0], jane.secret.hex()):
        assert secret not in caplog.text
    assert len(rows) == 9


async def test_the_representation_of_a_request_shows_no_code() -> None:
    from web.routes.auth import Credentials
    from web.routes.second_factors import FactorCode

    shown = repr(Credentials("jane@example.org", PASSWORD, "492039")) + repr(FactorCode("492039"))
    assert "492039" not in shown


async def test_a_rotated_key_seals_the_secret_again(jane: Secured) -> None:
    """After the next rotation, no gateway would have the key that sealed it."""
    gateway, user = jane.face.gateway, UUID(jane.person.id)
    old, new = TwinSigner(1), TwinSigner(2, 1)
    await execute(
        jane.dsn, "UPDATE authenticators SET sealed = $1", old.seal(jane.secret, b"n" * 12)
    )
    turned = attrs.evolve(gateway, ports=attrs.evolve(gateway.ports, signer=new))
    assert await is_right(turned, user, jane.code())
    app = await gateway.tables.second_factors.try_code(user, gateway.ports.clock.now())
    assert app is not None
    assert TwinSigner(2).unseal(app.sealed) == jane.secret
    later = attrs.evolve(gateway, ports=attrs.evolve(gateway.ports, signer=TwinSigner(3)))
    assert used_step(later, app, jane.code(1)) is None, "refused, without an error"


async def test_a_key_needs_a_factor_of_the_last_ten_minutes(jane: Secured, dsn: str) -> None:
    status, answer = await jane.person.ask("POST", KEYS, KEY)
    assert (status, answer["code"]) == (403, "recent_factor_needed"), "logged in without a factor"
    here = await signed_in(jane)
    assert (await here.ask("POST", KEYS, KEY))[0] == 201
    await execute(dsn, LATER)
    status, answer = await here.ask("POST", KEYS, KEY)
    assert (status, answer["code"]) == (403, "recent_factor_needed")
    status, answer = await here.ask("POST", AGAIN, {"otp": wrong(jane.code())})
    assert (status, answer["code"]) == (403, "second_factor_invalid")
    assert (await here.ask("POST", AGAIN, {"otp": await jane.fresh()}))[0] == 200
    assert (await here.ask("POST", KEYS, KEY))[0] == 201
    status, answer = await jane.person.ask("POST", KEYS, KEY)
    assert status == 403, "the factor counts for the session in which it was given"


async def test_users_without_a_factor_make_keys_as_before(face: Face) -> None:
    bob = await register(face, "bob@example.org")
    assert (await bob.ask("POST", KEYS, KEY))[0] == 201
    status, answer = await bob.ask("POST", AGAIN, {"otp": "123456"})
    assert (status, answer["code"]) == (403, "second_factor_invalid")


async def test_an_api_key_gives_no_factor(jane: Secured) -> None:
    here = await signed_in(jane)
    _, made = await here.ask("POST", KEYS, KEY)
    status, answer = await here.ask("POST", AGAIN, {"otp": await jane.fresh()}, made["key"])
    assert (status, answer["code"]) == (403, "login_needed")


async def test_approving_payouts_needs_a_recent_factor(face: Face, dsn: str) -> None:
    ann = await with_role(face, dsn, "admin")
    body = {"payouts": ["550e8400-e29b-41d4-a716-446655440000"], "reason": "month's end"}
    path = "/api/v1/admin/payouts/approve"
    assert (await ann.ask("POST", path, body))[0] == 404, "without a factor as before"
    secure = await with_app(face, dsn, ann)
    status, answer = await ann.ask("POST", path, body)
    assert (status, answer["code"]) == (403, "recent_factor_needed")
    here = await signed_in(secure)
    assert (await here.ask("POST", path, body))[0] == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("role", {"role": "admin"}),
        ("password", {"password": "stolen by somebody"}),
        ("reset-link", {}),
    ],
)
async def test_opening_another_account_needs_a_recent_factor(
    face: Face, dsn: str, path: str, body: dict[str, str]
) -> None:
    """Otherwise a stolen session of an admin makes itself an admin with a factor of its own."""
    ann = await with_role(face, dsn, "admin")
    eve = await register(face, "eve@example.org")
    path, body = f"/api/v1/admin/users/{eve.id}/{path}", {**body, "reason": "she asked"}
    assert (await ann.ask("POST", path, body))[0] == 200, "without a factor as before"
    here = await signed_in(await with_app(face, dsn, ann))
    assert (await here.ask("POST", path, body))[0] == 200
    await execute(dsn, LATER)
    status, answer = await here.ask("POST", path, body)
    assert (status, answer["code"]) == (403, "recent_factor_needed")
    assert await fetchval(dsn, "SELECT count(*) FROM audit") == 2


async def test_admins_without_a_factor_do_not_log_in_where_they_need_one(
    database: PostgresEndpoint, dsn: str
) -> None:
    async with face_over(database, accounts={"admin_second_factor": True}) as face:
        ann = await register(face, "ann@example.org")
        await execute(dsn, "UPDATE users SET role = 'admin'")
        body: dict[str, Any] = {"email": ann.email, "password": PASSWORD}
        status, answer = await ask(face, "POST", "/api/v1/auth/login", body)
        assert (status, answer["code"]) == (401, "second_factor_missing")
        secure = await with_app(face, dsn, ann)
        assert (await secure.log_in(secure.code()))[0] == 200
        jane = await register(face, "jane@example.org")
        assert await log_in(face, jane) is not None, "users need none"


async def test_the_export_of_an_account_names_the_app_without_its_secret(jane: Secured) -> None:
    here = await signed_in(jane)
    status, found = await here.ask("GET", "/api/v1/auth/account/export")
    assert status == 200
    assert [(one["kind"], sorted(one)) for one in found["factors"]] == [("app", ["kind", "since"])]


async def test_export_and_deletion_need_a_recent_factor(jane: Secured, dsn: str) -> None:
    requests = (
        ("GET", "/api/v1/auth/account/export", None),
        ("POST", "/api/v1/auth/account/delete", {"password": "a wrong guess"}),
        ("POST", "/api/v1/auth/account/delete", {"password": PASSWORD}),
    )
    here = await signed_in(jane)
    await execute(dsn, LATER)
    for person in (jane.person, here):
        for method, path, body in requests:
            status, answer = await person.ask(method, path, body)
            assert (status, answer["code"]) == (403, "recent_factor_needed")
    assert (await here.ask("POST", AGAIN, {"otp": await jane.fresh()}))[0] == 200
    assert (await here.ask("GET", "/api/v1/auth/account/export"))[0] == 200
    assert (await here.ask("POST", "/api/v1/auth/account/delete", {"password": PASSWORD}))[0] == 200
