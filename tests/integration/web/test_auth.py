"""Tests of registration and login on a real database."""

from actors.ledger.effects import Transfer
from actors.ledger.messages import Commit
from tests.support.http_gateway import Face

JANE = {"email": "jane@example.org", "name": "Jane Smith", "password": "securepassword123"}


async def test_registering_answers_as_the_reference_shows(face: Face) -> None:
    async with face.client.post("/api/v1/auth/register", json=JANE) as answer:
        assert answer.status == 201
        body = await answer.json()
    assert body["user"].pop("id")
    assert body["user"] == {"email": "jane@example.org", "name": "Jane Smith", "is_active": True}
    assert set(body["tokens"]) == {"access_token", "refresh_token", "token_type"}
    assert body["tokens"]["token_type"] == "bearer"


async def test_a_new_user_is_given_the_starter_credits(face: Face) -> None:
    await face.user()
    (commit,) = face.script.seen
    assert isinstance(commit, Commit)
    (grant,) = commit.transfers
    assert isinstance(grant, Transfer)
    assert grant.amount == 1_000_000
    assert grant.reference.startswith("starter:")


async def test_an_email_is_one_account_however_it_is_capitalised(face: Face) -> None:
    await face.user("jane@example.org")
    again = {**JANE, "email": "JANE@example.org"}
    async with face.client.post("/api/v1/auth/register", json=again) as answer:
        assert answer.status == 409
        assert (await answer.json())["detail"] == "Email already registered"


async def test_logging_in_gives_tokens_that_open_the_balance(face: Face) -> None:
    await face.client.post("/api/v1/auth/register", json=JANE)
    credentials = {"email": JANE["email"], "password": JANE["password"]}
    async with face.client.post("/api/v1/auth/login", json=credentials) as answer:
        assert answer.status == 200
        tokens = await answer.json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    async with face.client.get("/api/v1/credits/balance", headers=headers) as answer:
        assert answer.status == 200
        body = await answer.json()
    assert body.pop("user_id")
    assert body == {"balance": "0.0000", "held": "0.0000", "available": "0.0000"}


async def test_a_wrong_password_and_an_unknown_email_answer_alike(face: Face) -> None:
    await face.client.post("/api/v1/auth/register", json=JANE)
    details: list[str] = []
    for email, password in ((JANE["email"], "another one"), ("bob@example.org", "whatever")):
        body = {"email": email, "password": password}
        async with face.client.post("/api/v1/auth/login", json=body) as answer:
            assert answer.status == 401
            details.append((await answer.json())["detail"])
    assert details == ["Invalid credentials or inactive account"] * 2
