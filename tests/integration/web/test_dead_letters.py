"""Dead letters: failed jobs and events that an admin retries or discards."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from actors.kernel import Ref
from actors.ledger.effects import Effect, PurchaseOpen, UnitAssign, UnitFail
from actors.ledger.messages import Commit, Posted
from actors.notifier.messages import Notifier, UnitsMoved
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.accounts import Person, register, with_role
from tests.integration.web.test_fleet import node_of
from tests.integration.web.test_retries import ORDER, balance, make_failed_job
from tests.support.databases import execute
from tests.support.http_gateway import Face, face_with, with_scheduler
from tests.support.stripe_events import event, send, session, standing_in
from web.money.ledger_client import commit

PATH = "/api/v1/admin/dead-letters"
PURCHASE = "3f2b9a60-5c1d-4e0a-9a34-0d7d0a3c1b52"
REASON = "a broken node"


face = face_with(with_scheduler, audited=True)


@pytest.fixture
async def boss(face: Face, database: PostgresEndpoint) -> Person:
    return await with_role(face, database.owner_dsn, "admin")


async def listed(boss: Person, kind: str) -> list[str]:
    status, page = await boss.ask("GET", f"{PATH}/{kind}")
    assert status == 200, page
    assert page["total"] == len(page["letters"])
    return [letter["id"] for letter in page["letters"]]


async def do(boss: Person, kind: str, verb: str, *ids: str) -> Any:
    body = {"ids": list(ids), "reason": REASON}
    status, done = await boss.ask("POST", f"{PATH}/{kind}/{verb}", body)
    assert status == 200, done
    return done


async def test_failed_jobs_are_retried_or_put_aside_and_listed_no_more(
    face: Face, boss: Person, jane: Person
) -> None:
    jobs = [await make_failed_job(face, jane) for _ in range(3)]
    assert await listed(boss, "jobs") == jobs[::-1]
    done = await do(boss, "jobs", "retry", jobs[0], str(uuid4()), "nonsense")
    assert done["done"] == [jobs[0]]
    assert {each["why"] for each in done["refused"]} == {"it is not, or no longer, a dead letter"}
    assert await balance(jane) == (1_000_000, 100_000)
    assert (await do(boss, "jobs", "discard", jobs[1]))["done"] == [jobs[1]]
    assert (await do(boss, "jobs", "discard", jobs[1]))["done"] == []
    assert await listed(boss, "jobs") == [jobs[2]]
    assert (await do(boss, "jobs", "retry", jobs[0]))["done"] == []
    _, records = await boss.ask("GET", "/api/v1/admin/audit")
    acts = [(each["act"], each["reason"]) for each in records["records"]][:2]
    assert acts == [("jobs.discard", REASON), ("jobs.retry", REASON)]
    assert records["records"][0]["details"] == {"ids": [jobs[1]]}


async def test_frames_that_failed_are_tried_again_in_their_job_and_their_history_is_there(
    face: Face, boss: Person, jane: Person
) -> None:
    order = {**ORDER, "params": {}, "frames": "1-3", "queue": True}
    _, placed = await jane.ask("POST", "/api/v1/jobs/dispatch", order)
    job, node = placed["job_id"], UUID((await node_of(face, None))["node_id"])
    for unit in range(3):
        effects: tuple[Effect, ...] = (UnitAssign(UUID(job), unit, 1, node),)
        effects += (UnitFail(UUID(job), unit, 1, node, "node", f"frame {unit + 1} broke"),)
        for effect in effects:
            outcome = await commit(face.gateway, Commit(effects=(effect,)))
            assert isinstance(outcome, Posted), outcome
    _, page = await boss.ask("GET", f"{PATH}/jobs")
    [letter] = page["letters"]
    told = [(each["unit"], each["attempt"], each["reason"]) for each in letter["history"]]
    assert told == [(unit, 1, f"frame {unit + 1} broke") for unit in range(3)]
    assert {each["blame"] for each in letter["history"]} == {"the nodes' fault"}
    assert letter["tried"] == len(letter["history"]), "as its page counts them"
    assert (await do(boss, "jobs", "retry", job))["done"] == [job]
    assert await listed(boss, "jobs") == []
    _, again = await jane.ask("GET", f"/api/v1/jobs/{job}")
    assert (again["status"], again["failed"]) == ("DISPATCHED", 0)
    _, units = await jane.ask("GET", f"/api/v1/jobs/{job}/units")
    assert {unit["state"] for unit in units["units"]} == {"QUEUED"}
    assert (await balance(jane))[1] == 300_000
    assert (await do(boss, "jobs", "retry", job))["done"] == []


async def test_one_that_cannot_be_retried_keeps_no_other_from_it(
    face: Face, boss: Person, database: PostgresEndpoint, jane: Person
) -> None:
    poor, rich = (
        await make_failed_job(face, jane),
        await make_failed_job(face, await register(face, "b@example.org")),
    )
    taken = "UPDATE accounts SET balance = 0 WHERE name = 'user:{}'"
    await execute(database.owner_dsn, taken.format(jane.id))
    done = await do(boss, "jobs", "retry", poor, rich)
    await execute(database.owner_dsn, taken.format(jane.id).replace("= 0", "= 1000000"))
    assert done["done"] == [rich]
    assert done["refused"] == [{"id": poor, "why": "its owner does not have enough credits"}]


async def test_an_event_that_did_not_fit_is_read_again(
    face: Face, boss: Person, tmp_path: Path, jane: Person
) -> None:
    terms = (jane.id, "cred10", 1_000_000, 1000, "usd")
    await commit(face.gateway, Commit(effects=(PurchaseOpen(PURCHASE, *terms),)))  # type: ignore[arg-type]
    wrong = event("checkout.session.completed", session(PURCHASE, amount_total=1))
    assert (await send(face, wrong))[0] == 200
    assert await listed(boss, "events") == [wrong["id"]]
    assert "Stripe does not answer" in str(await do(boss, "events", "retry", wrong["id"]))
    async with standing_in(face, tmp_path) as stripe:
        assert "no longer has it" in str(await do(boss, "events", "retry", wrong["id"]))
        stripe.remember(wrong)
        for _ in range(2):
            done = await do(boss, "events", "retry", wrong["id"])
            assert "the payment does not match" in done["refused"][0]["why"]
        assert await balance(jane) == (1_000_000, 0)
        _, page = await boss.ask("GET", f"{PATH}/events")
        assert [each["tried"] for each in page["letters"]] == [3]
        # Stripe now shows the right payment, as if the mistake had been the gateway's and was
        # fixed.
        stripe.remember(with_object(wrong, session(PURCHASE)))
        assert (await do(boss, "events", "retry", wrong["id"]))["done"] == [wrong["id"]]
        assert await balance(jane) == (2_000_000, 0)
        assert await listed(boss, "events") == []
        assert (await do(boss, "events", "retry", wrong["id"]))["done"] == []
        assert await balance(jane) == (2_000_000, 0)


def with_object(wrong: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    return {**wrong, "data": {"object": about}}


async def test_an_event_is_put_aside(face: Face, boss: Person) -> None:
    early = {"id": "re_1", "amount": 5, "currency": "usd", "payment_intent": "pi_nobody"}
    told = event("refund.created", {**early, "status": "succeeded"})
    assert (await send(face, told))[0] == 200
    assert await listed(boss, "events") == [told["id"]]
    assert (await do(boss, "events", "discard", told["id"], "evt_no"))["done"] == [told["id"]]
    assert await listed(boss, "events") == []


async def test_messages_are_told_again_or_kept_no_longer(face: Face, boss: Person) -> None:
    letters = face.gateway.tree.unread()
    ended = Ref[Notifier]("notifier of old")
    ended.mailbox.dead_letters = letters
    ended.mailbox.close("stopped")
    ended.tell(UnitsMoved(()))
    ended.tell(UnitsMoved(()))
    first, second = await listed(boss, "messages")
    done = await do(boss, "messages", "retry", first, "999")
    assert [each["why"] for each in done["refused"]] == [
        "notifier of old has ended, or has no room for it",
        "the message has been dropped",
    ]
    assert (await do(boss, "messages", "discard", first))["done"] == [first]
    assert second in await listed(boss, "messages")


async def test_they_are_saved_as_a_file(face: Face, boss: Person, jane: Person) -> None:
    job = await make_failed_job(face, jane, '=cmd("calc"), "and more"')
    headers = {"Authorization": f"Bearer {boss.access}", "Accept": "text/csv"}
    async with face.client.get(f"{PATH}/jobs", headers=headers) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/csv"
        lines = (await answer.text()).splitlines()
    assert lines[0] == "id,at,about,whose,where,reason,blame,job,tried"
    assert lines[1].startswith(job)
    assert "'=cmd(" in lines[1]


async def test_they_are_for_admins_alone(boss: Person, jane: Person) -> None:
    assert (await jane.ask("GET", f"{PATH}/jobs"))[0] == 403
    body = {"ids": ["1"], "reason": REASON}
    assert (await jane.ask("POST", f"{PATH}/jobs/retry", body))[0] == 403
    assert (await boss.ask("GET", f"{PATH}/nothing"))[0] == 404
