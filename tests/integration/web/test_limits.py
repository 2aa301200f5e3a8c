"""Limits on requests and open jobs: what the API answers, and what it documents."""

import pytest

from actors.scheduler.messages import TooManyOpen
from rendertrust.node_key import generate_key, public_pem
from tests.integration.web.accounts import Person, ask, register
from tests.support.http_gateway import Face, face_with

JOB = {"job_type": "echo", "payload_ref": "s3://elsewhere/input/scene.blend"}
LIMITS = {"login": 2, "read": 3, "write": 1_000, "dispatch": 2, "node": 2}


strict = face_with(limits=LIMITS)


async def test_every_answer_says_how_many_requests_are_left(strict: Face) -> None:
    jane = await register(strict)
    headers = {"Authorization": f"Bearer {jane.access}"}
    for left in (2, 1, 0):
        async with strict.client.get("/api/v1/credits/balance", headers=headers) as answer:
            assert answer.status == 200
            assert answer.headers["RateLimit-Limit"] == "3"
            assert answer.headers["RateLimit-Remaining"] == str(left)
            assert 1 <= int(answer.headers["RateLimit-Reset"]) <= 60
    async with strict.client.get("/api/v1/credits/balance", headers=headers) as answer:
        assert answer.status == 429
        assert answer.headers["RateLimit-Remaining"] == "0"
        assert answer.headers["Retry-After"] == answer.headers["RateLimit-Reset"]
        assert "at most 3 per minute" in (await answer.json())["detail"]
    bob = await register(strict, "bob@example.org")
    assert (await bob.ask("GET", "/api/v1/credits/balance"))[0] == 200, "each user has a limit"


async def test_good_and_bad_logins_of_one_address_are_counted_together(strict: Face) -> None:
    await register(strict)
    wrong = {"email": "nobody@example.org", "password": "a long password"}
    for _ in range(2):
        status, _ = await ask(strict, "POST", "/api/v1/auth/login", wrong)
        assert status == 401
    right = {"email": "jane@example.org", "password": "a long password"}
    status, answer = await ask(strict, "POST", "/api/v1/auth/login", right)
    assert (status, answer["title"]) == (429, "Too Many Requests")


async def test_an_address_registers_so_many_nodes_a_minute(strict: Face) -> None:
    statuses = []
    for _ in range(3):
        key = public_pem(generate_key())
        body = {"name": "n", "public_key": key, "capabilities": ["echo"]}
        status, _ = await ask(strict, "POST", "/api/v1/nodes/register", body)
        statuses.append(status)
    assert statuses == [201, 201, 429]


async def test_a_user_dispatches_so_many_jobs_a_minute(strict: Face) -> None:
    jane = await register(strict)
    statuses = [(await jane.ask("POST", "/api/v1/jobs/dispatch", JOB))[0] for _ in range(3)]
    assert statuses == [400, 400, 429]  # 400, because there is no node


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (TooManyOpen(1000), "You have 1000 open jobs, "),
        (TooManyOpen(50, "free jobs"), "You have 50 open jobs that cost nothing, "),
        (TooManyOpen(40, "kinds"), "Your open jobs require 40 different kinds of nodes, "),
    ],
)
async def test_who_has_too_many_jobs_open_is_told_what_to_do(
    face: Face, refused: TooManyOpen, said: str, jane: Person
) -> None:
    face.script.dispatched = refused
    headers = {"Authorization": f"Bearer {jane.access}"}
    async with face.client.post("/api/v1/jobs/dispatch", json=JOB, headers=headers) as answer:
        assert answer.status == 429
        assert int(answer.headers["Retry-After"]) >= 1
        detail = (await answer.json())["detail"]
    assert detail.startswith(said)


async def test_whoever_is_not_known_counts_by_his_address(strict: Face) -> None:
    statuses = []
    for number in range(4):
        token = f"Bearer made-up-{number}"
        async with strict.client.get("/api/v1/jobs", headers={"Authorization": token}) as answer:
            statuses.append(answer.status)
    assert statuses == [401, 401, 401, 429]
