"""Deletion of an account: what must be settled first, what is erased, and what stays."""

import asyncio
import hashlib
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from actors.ledger.effects import (
    DisputeDecide,
    JobStop,
    PayoutTake,
    PurchaseOpen,
    SessionFact,
    StripeEvent,
    UnitFail,
    UnitRetry,
)
from actors.ledger.messages import Commit, GuardFailed, GuardReason, Posted
from sql.store import SqlStore
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.stage import dispatch
from tests.integration.web.accounts import (
    PASSWORD,
    Person,
    ask,
    log_in,
    refresh,
    register,
    with_role,
)
from tests.integration.web.earners import do, earner
from tests.integration.web.mailing import MAIL
from tests.integration.web.test_nodes import described, prove
from tests.support.databases import execute, fetch, fetchval
from tests.support.http_gateway import Face, face_with, with_ledger
from web.money.ledger_client import commit

face = face_with(with_ledger, audited=True, mail=MAIL)
DELETE = "/api/v1/auth/account/delete"
ORGANISATIONS = "/api/v1/organisations"
GONE = (200, {"message": "The account was deleted"})


@pytest.fixture
def dsn(database: PostgresEndpoint) -> str:
    return database.owner_dsn


async def delete(person: Person, password: str = PASSWORD) -> tuple[int, dict[str, str]]:
    status, answer = await person.ask("POST", DELETE, {"password": password})
    return status, answer


async def refusal(person: Person) -> str:
    """Return why the account is not deleted."""
    status, answer = await delete(person)
    assert (status, answer["code"]) == (409, "account_unsettled"), answer
    return answer["detail"].removeprefix("The account cannot be deleted yet: ")


async def spend(person: Person) -> None:
    """Spend all credits, as work for somebody else would."""
    amount = (await person.balance()).removeprefix("-")
    body = {"amount": amount, "reference_id": str(uuid4())}
    assert (await person.ask("POST", "/api/v1/credits/deduct", body))[0] == 200


async def test_nothing_tells_who_a_deleted_user_was(face: Face, dsn: str) -> None:
    body = {"email": "jana.novak@example.org", "name": "Jana Nováková", "password": PASSWORD}
    status, made = await ask(face, "POST", "/api/v1/auth/register", body)
    assert status == 201
    jana = Person(face, made["user"]["id"], body["email"], *map(made["tokens"].get, TOKENS))
    bob = await register(face, "bob@example.org")
    await everything(face, dsn, jana, bob)
    given = f"UPDATE refresh_families SET factor_at = now() WHERE user_id = '{jana.id}'"
    await execute(dsn, given)  # the second factor
    words = ("jana", "Nov", "novak.example", "10.9.8.7")
    found = await rows_with(dsn, *words)
    assert {"users", "mails", "nodes", "endpoints", "uploads"} <= found
    assert await delete(jana) == GONE
    # The audit log is append-only: it names who did something to an organisation.
    assert await rows_with(dsn, *words) == {"audit"}
    for table in (
        *("refresh_families", "api_keys", "mails", "password_resets", "mailed_tokens"),
        *("endpoints", "deliveries", "organisation_members", "trusts", "preflights"),
        *("authenticators", "passkeys", "passkey_challenges", "recovery_codes"),
        *("pending_sign_ins", "app_setups", "payout_accounts"),
        *("identities", "provider_sign_ins", "device_logins", "share_links"),
    ):
        assert await fetchval(
            dsn,
            f"SELECT count(*) FROM {table}",
        ) == await of_bob(dsn, table, bob)
    standings = await fetch(dsn, "SELECT standing FROM nodes")
    assert [row["standing"] for row in standings] == ["REVOKED", "REVOKED"]


TOKENS = ("access_token", "refresh_token")


async def everything(face: Face, dsn: str, jana: Person, bob: Person) -> None:
    """Give Jana one of everything."""
    hook = {"url": "https://novak.example/hook", "types": ["job.*"]}
    key = {"name": "jana's key", "scopes": ["jobs:read"]}
    account = {"method": "SEPA", "account": "jana's account", "currency": "eur"}
    account["password"] = PASSWORD
    assert (await jana.ask("PUT", "/api/v1/auth/payout-account", account))[0] == 200
    scene = {"filename": "jana.blend", "size": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}
    for path, body in (
        ("/api/v1/auth/keys", key),
        ("/api/v1/webhooks/endpoints", hook),
        ("/api/v1/uploads", scene),
        ("/api/v1/trusted", {"email": "bob@example.org"}),
        ("/api/v1/trusted", {"email": "nobody@example.org"}),
        (ORGANISATIONS, {"name": "jana's barn"}),
    ):
        status, answer = await jana.ask("POST", path, body)
        assert status in (200, 201), answer
    assert (await bob.ask("POST", "/api/v1/trusted", {"email": jana.email}))[0] == 200
    node, gateway, user = uuid4(), uuid4(), jana.id
    machine = described(name="jana-laptop", metadata={"host": "jana-laptop"})
    assert (await jana.ask("POST", "/api/v1/nodes/register", machine))[0] == 201
    for statement in (
        (
            "INSERT INTO nodes (id, owner_id, name, public_key, capabilities, metadata,"
            f" verified_at) VALUES ('{node}', '{user}', 'jana-machine', '{SOME_KEY}', '{{render}}',"
            ' \'{"host": "jana-machine"}\', now())'
        ),
        (
            "INSERT INTO node_connections (id, gateway_id, node_id, address, opened_at)"
            f" VALUES (gen_random_uuid(), '{gateway}', '{node}', '10.9.8.7', now())"
        ),
        (
            "INSERT INTO mails (id, kind, address, due_at, created_at)"
            " VALUES (gen_random_uuid(), 'password.reset', 'JANA.novak@example.org', now(), now())"
        ),
        (
            "INSERT INTO password_resets (sha256, user_id, mailed, expires_at, created_at)"
            f" VALUES (sha256('x'), '{user}', true, now() + interval '1 day', now())"
        ),
        (
            "INSERT INTO authenticators (user_id, sealed, failing_since, confirmed_at)"
            f" VALUES ('{user}', 'x', now(), now())"
        ),
        (
            "INSERT INTO app_setups (holder, user_id, sealed, expires_at)"
            f" VALUES (sha256('x'), '{user}', 'x', now())"
        ),
        (
            "INSERT INTO passkeys (id, user_id, credential, public_key, rp_id, counter, name,"
            f" created_at) VALUES (gen_random_uuid(), '{user}', 'x', 'x', 'farm', 0, 'Jana', now())"
        ),
        (
            "INSERT INTO passkey_challenges (holder, purpose, user_id, challenge, expires_at)"
            f" VALUES (sha256('x'), 'give', '{user}', sha256('x'), now())"
        ),
        (
            "INSERT INTO recovery_codes (user_id, sha256, created_at)"
            f" VALUES ('{user}', sha256('x'), now())"
        ),
        (
            "INSERT INTO pending_sign_ins (sha256, user_id, password_sha256, role, expires_at,"
            f" created_at) VALUES (sha256('x'), '{user}', 'x', 'user', now(), now())"
        ),
        (
            "INSERT INTO identities (issuer, subject, id, user_id, email, created_at, used_at)"
            f" VALUES ('https://a', 'jana', gen_random_uuid(), '{user}', '{jana.email}', now(),"
            " now())"
        ),
        (
            "INSERT INTO provider_sign_ins (sha256, issuer, purpose, redirect_uri, next, user_id,"
            " session, expires_at, created_at) VALUES (sha256('x'), 'https://a', 'link', '', '',"
            f" '{user}', gen_random_uuid(), now(), now())"
        ),
        (
            "INSERT INTO device_logins (sha256, user_code_sha256, client, address, user_id,"
            " password_sha256, role, expires_at, created_at) VALUES (sha256('x'),"
            f" sha256('x'), 'jana', '10.9.8.7', '{user}', 'x', 'user', now(), now())"
        ),
        (
            "INSERT INTO preflights (user_id, content, job_id, asked_at)"
            f" VALUES ('{user}', sha256('x'), gen_random_uuid(), now())"
        ),
        (
            "INSERT INTO invitations (id, sha256, email, created_at, created_by, expires_at,"
            f" used_at, used_by) VALUES (gen_random_uuid(), sha256('x'), '{jana.email}', now(),"
            f" 'ann', now() + interval '1 day', now(), '{user}')"
        ),
        (
            "INSERT INTO invitations (id, sha256, email, created_at, created_by, expires_at)"
            " VALUES (gen_random_uuid(), sha256('y'), 'JANA.novak@example.org', now(), 'ann',"
            " now() + interval '1 day')"
        ),
    ):
        await execute(dsn, statement)


SOME_KEY = "\\x" + "ab" * 32


async def rows_with(dsn: str, *words: str) -> set[str]:
    """Return the tables that have one of these words in any row."""
    named = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    found = set[str]()
    for (table,) in [tuple(row) for row in await fetch(dsn, named)]:
        told = " OR ".join(f"t::text ILIKE '%{word}%'" for word in words)
        if await fetchval(dsn, f"SELECT EXISTS (SELECT FROM {table} t WHERE {told})"):
            found.add(table)
    return found


async def of_bob(dsn: str, table: str, bob: Person) -> int:
    if table == "deliveries":
        return 0
    return int(await fetchval(dsn, f"SELECT count(*) FROM {table} WHERE user_id = '{bob.id}'"))


async def test_a_node_does_not_prove_its_key_for_a_deleted_owner(face: Face, dsn: str) -> None:
    jane = await register(face)
    nodes = "/api/v1/nodes/register"
    _, before = await jane.ask("POST", nodes, described())
    _, open_ = await jane.ask("POST", nodes, described())
    # A registration that was let in before the deletion, and came after it.
    keep = "UPDATE node_challenges SET owner_id = {} WHERE node_id = '{}'"
    await execute(dsn, keep.format("NULL", open_["node_id"]))
    assert await delete(jane) == GONE
    await execute(dsn, keep.format(f"'{jane.id}'", open_["node_id"]))
    assert (await prove(face, before))[0] == 404
    assert (await prove(face, open_))[0] == 409
    assert await fetchval(dsn, "SELECT count(*) FROM nodes WHERE owner_id IS NOT NULL") == 0


async def test_all_access_ends_and_the_address_can_register_again(face: Face, dsn: str) -> None:
    jane = await register(face)
    key = {"name": "robot", "scopes": ["credits:read"]}
    _, made = await jane.ask("POST", "/api/v1/auth/keys", key)
    other = await log_in(face, jane)
    assert other is not None
    assert await jane.may(made["key"])
    assert await delete(jane) == GONE
    for token in (jane.access, other.access, made["key"]):
        assert not await jane.may(token)
    assert (await refresh(face, jane.refresh))[0] == 401
    assert await log_in(face, jane) is None
    again = await register(face)
    assert again.id != jane.id
    _, found = await again.ask("GET", "/api/v1/auth/keys")
    assert found["keys"] == []
    # No admin brings it back.
    admin = await with_role(face, dsn, "admin")
    body = {"reason": "by telephone"}
    path = f"/api/v1/admin/users/{jane.id}"
    assert (await admin.ask("POST", f"{path}/activate", body))[0] == 404
    password = {**body, "password": "another password"}
    assert (await admin.ask("POST", f"{path}/password", password))[0] == 404
    assert (await admin.ask("POST", f"{path}/role", {**body, "role": "admin"}))[0] == 404


async def test_links_are_counted_across_deletions(face: Face, dsn: str) -> None:
    given = list[int]()
    for _ in range(4):
        jane = await register(face)
        given.append(
            await fetchval(dsn, "SELECT count(*) FROM mails WHERE kind = 'address.verify'")
        )
        assert await delete(jane) == GONE
    assert given == [1, 1, 1, 0]
    jane = await register(face, "JANE@example.org")
    status, answer = await jane.ask("POST", "/api/v1/auth/verify/send")
    assert (status, answer["code"]) == (429, "rate_limited")
    await execute(dsn, "UPDATE deleted_addresses SET deleted_at = deleted_at - interval '2 hours'")
    await face.gateway.tables.mails.purge(datetime.now(UTC), 10)
    assert (await jane.ask("POST", "/api/v1/auth/verify/send"))[0] == 202


async def test_an_address_gets_starter_credits_once(face: Face, dsn: str) -> None:
    jane = await register(face)
    assert await jane.balance() == "100.0000"
    assert await delete(jane) == GONE
    for email in ("jane@example.org", "JANE@example.org"):
        again = await register(face, email)
        assert await log_in(face, again) is not None
        assert await again.balance() == "0.0000"
        assert await delete(again) == GONE
    other = await register(face, "other@example.org")
    assert await other.balance() == "100.0000"


async def test_the_password_is_asked_and_a_key_does_not_do(face: Face) -> None:
    jane = await register(face)
    status, answer = await delete(jane, "a wrong guess")
    assert (status, answer["code"]) == (403, "password_incorrect")
    assert (await jane.ask("POST", DELETE))[0] == 422
    scopes = ["jobs:read", "jobs:write", "credits:write"]
    _, made = await jane.ask("POST", "/api/v1/auth/keys", {"name": "x", "scopes": scopes})
    status, answer = await jane.ask("POST", DELETE, {"password": PASSWORD}, made["key"])
    assert (status, answer["code"]) == (403, "login_needed")
    assert await jane.may()


async def test_of_two_deletions_at_once_one_happens(face: Face) -> None:
    jane = await register(face)
    answers = await asyncio.gather(delete(jane), delete(jane))
    assert sorted(status for status, _ in answers) in ([200, 401], [200, 403])


async def test_the_ledger_and_receipts_stay(face: Face, dsn: str) -> None:
    jane = await register(face)
    otto = await earner(face)
    job = await otto.ripen(jane)
    await spend(jane)
    transfers = await fetchval(dsn, "SELECT count(*) FROM transfers")
    assert await delete(jane) == GONE
    assert await fetchval(dsn, "SELECT count(*) FROM transfers") == transfers
    assert await fetchval(dsn, f"SELECT user_id::text FROM jobs WHERE id = '{job}'") == jane.id
    assert await SqlStore(face.gateway.database).audit() == []


SECOND_ATTEMPT = (
    "UPDATE units SET copy_node_id = '{}', copy_attempt = attempt + 1, copy_assigned_at = now()"
)
NO_SECOND_ATTEMPT = (
    "UPDATE units SET copy_node_id = NULL, copy_attempt = 0, copy_assigned_at = NULL"
)


async def test_an_open_job_and_its_hold_come_first(face: Face, dsn: str) -> None:
    jane, otto, job = await register(face), await earner(face), uuid4()
    olga = await earner(face, "olga@example.org")
    order = dispatch(UUID(jane.id), job, 100_000, node=otto.node)
    assert isinstance(await commit(face.gateway, order), Posted)
    said = await refusal(jane)
    assert "10 credits held for jobs" in said
    assert "1 job still open" in said
    await execute(dsn, SECOND_ATTEMPT.format(olga.node))
    for operator in (otto, olga):
        assert "1 unit at your nodes or being verified" in await refusal(operator.person)
    await execute(dsn, NO_SECOND_ATTEMPT)
    await do(face, JobStop(job, UUID(jane.id)))
    assert await delete(jane) == GONE
    assert await delete(otto.person) == GONE


async def test_earnings_are_paid_out_first(face: Face) -> None:
    jane, otto = await register(face), await earner(face)
    await otto.earn(jane)
    assert await refusal(otto.person) == "7 credits of earnings not paid out"
    await otto.ripen(jane)
    assert await refusal(otto.person) == "14 credits of earnings not paid out"


async def test_earned_credits_are_spent_first(face: Face, dsn: str) -> None:
    jane, otto = await register(face), await earner(face)
    await otto.ripen(jane)
    await do(face, PayoutTake(uuid4(), UUID(otto.person.id), "CREDITS"))
    assert "7 credits bought or earned, and not spent" in await refusal(otto.person)
    await spend(otto.person)
    assert await delete(otto.person) == GONE


async def test_disputes_are_decided_first(face: Face) -> None:
    jane, otto = await register(face), await earner(face)
    job = await otto.earn(jane)
    path = f"/api/v1/jobs/{job}/units/0/dispute"
    assert (await jane.ask("POST", path, {"reason": "it is black"}))[0] in (200, 201)
    assert await refusal(jane) == "1 dispute still open"
    assert "1 dispute still open" in await refusal(otto.person)
    await do(face, DisputeDecide(job, 0, UUID(jane.id), upheld=True, reason="it is"))
    assert await delete(jane) == GONE
    assert await delete(otto.person) == GONE


async def test_bought_credits_are_spent_first(face: Face, dsn: str) -> None:
    jane, purchase = await register(face), uuid4()
    terms = (UUID(jane.id), "cred10", 1_000_000, 1000, "usd")
    await commit(face.gateway, Commit(effects=(PurchaseOpen(purchase, *terms),)))
    assert "1 purchase not finished, which expires within a day" in await refusal(jane)
    paid = "state = 'PAID', paid_at = now(), session = 's'"
    await execute(dsn, f"UPDATE purchases SET {paid} WHERE id = '{purchase}'")
    assert "100 credits bought or earned, and not spent" in await refusal(jane)
    await spend(jane)
    assert await delete(jane) == GONE
    await execute(
        dsn, f"UPDATE purchases SET state = 'OPEN', paid_at = NULL WHERE id = '{purchase}'"
    )


async def test_credits_of_the_house_are_no_obstacle(face: Face) -> None:
    jane = await register(face)
    assert await jane.balance() == "100.0000"
    assert await delete(jane) == GONE


async def test_the_ledger_takes_no_new_work_of_a_deleted_user(face: Face, dsn: str) -> None:
    """A request that was let in before the deletion, here or at another gateway."""
    jane, otto = await register(face), await earner(face)
    ended, user, terms = uuid4(), UUID(jane.id), ("cred10", 1_000_000, 1000, "usd")
    assert isinstance(await commit(face.gateway, dispatch(user, ended, 0, node=otto.node)), Posted)
    await do(face, UnitFail(ended, 0, 1, None, "scene", "no camera"))
    assert await delete(jane) == GONE
    for order, effect in (
        (dispatch(user, uuid4(), 100_000, node=otto.node), "JobInsert"),
        (dispatch(user, uuid4(), 0, node=otto.node), "JobInsert"),
        (Commit(effects=(UnitRetry(ended, 0, user),)), "UnitRetry"),
        (Commit(effects=(PurchaseOpen(uuid4(), user, *terms),)), "PurchaseOpen"),
    ):
        refused = await commit(face.gateway, order)
        assert isinstance(refused, GuardFailed)
        assert (refused.effect, refused.found) == (effect, GuardReason.ACCOUNT_CLOSED)
    assert await fetchval(dsn, "SELECT count(*) FROM jobs") == 1
    assert await fetchval(dsn, "SELECT count(*) FROM purchases") == 0


async def test_of_a_deletion_and_a_job_at_once_one_happens(face: Face, dsn: str) -> None:
    otto = await earner(face)
    for number in range(6):
        jane = await register(face, f"jane{number}@example.org")
        order = dispatch(UUID(jane.id), uuid4(), 100_000, node=otto.node)

        async def later(order: Commit, seconds: float) -> object:
            await asyncio.sleep(seconds)
            return await commit(face.gateway, order)

        (status, said), booked = await asyncio.gather(delete(jane), later(order, number * 0.02))
        assert (status, type(booked)) in ((200, GuardFailed), (409, Posted)), said


async def test_a_payment_after_the_deletion_is_booked(face: Face, dsn: str) -> None:
    jane, purchase = await register(face), uuid4()
    terms = (UUID(jane.id), "cred10", 1_000_000, 1000, "usd")
    await commit(face.gateway, Commit(effects=(PurchaseOpen(purchase, *terms),)))
    await execute(dsn, "UPDATE purchases SET state = 'EXPIRED', session = 's'")
    assert await delete(jane) == GONE
    fact = SessionFact("s", purchase, "paid", 1000, "usd", "intent")
    await do(face, StripeEvent("event", "checkout.session.completed", "s", fact))
    assert await fetchval(dsn, "SELECT state FROM purchases") == "PAID"
    balance = f"SELECT balance FROM accounts WHERE name = 'user:{jane.id}'"
    assert await fetchval(dsn, balance) == 2_000_000
    assert await SqlStore(face.gateway.database).audit() == []


async def test_an_organisation_keeps_an_owner(face: Face, dsn: str) -> None:
    jane, bob = await register(face), await register(face, "bob@example.org")
    await execute(dsn, "UPDATE users SET verified_at = now()")
    _, made = await jane.ask("POST", ORGANISATIONS, {"name": "Barn"})
    barn = f"{ORGANISATIONS}/{made['id']}"
    await jane.ask("POST", f"{barn}/members", {"email": bob.email, "role": "member"})
    await bob.ask("POST", f"{barn}/accept")
    assert "1 organisation without another owner" in await refusal(jane)
    await jane.ask("PUT", f"{barn}/members/{bob.id}", {"role": "owner"})
    assert await delete(jane) == GONE
    _, whole = await bob.ask("GET", barn)
    assert [member["email"] for member in whole["members"]] == [bob.email]
    assert await delete(bob) == GONE


async def test_the_last_admin_stays(face: Face, dsn: str) -> None:
    ann = await with_role(face, dsn, "admin")
    assert await refusal(ann) == "you are the last admin"
    await with_role(face, dsn, "admin", "adam@example.org")
    assert await delete(ann) == GONE


async def test_of_the_last_two_admins_at_once_one_stays(face: Face, dsn: str) -> None:
    for number in range(4):
        admins = [await with_role(face, dsn, "admin", f"{name}{number}@example.org") for name in AB]
        answers = await asyncio.gather(*map(delete, admins))
        assert sorted(status for status, _ in answers) == [200, 409]
        await execute(dsn, "UPDATE users SET role = 'user' WHERE role = 'admin'")


AB = ("ann", "bob")


async def test_of_the_last_two_owners_at_once_one_stays(face: Face, dsn: str) -> None:
    cleo = await register(face, "cleo@example.org")
    for number in range(4):
        ann, bob = [await register(face, f"{name}{number}@example.org") for name in AB]
        await execute(dsn, "UPDATE users SET verified_at = now() WHERE is_active")
        _, made = await ann.ask("POST", ORGANISATIONS, {"name": "Barn"})
        barn = f"{ORGANISATIONS}/{made['id']}"
        for person, role in ((bob, "owner"), (cleo, "member")):
            body = {"email": person.email, "role": role}
            assert (await ann.ask("POST", f"{barn}/members", body))[0] == 200
            assert (await person.ask("POST", f"{barn}/accept"))[0] == 200
        answers = await asyncio.gather(delete(ann), delete(bob))
        assert sorted(status for status, _ in answers) == [200, 409]
