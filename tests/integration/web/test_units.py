"""Jobs of many units at the HTTP API, over the real Ledger and Scheduler."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from actors.ledger.effects import UnitAssign, UnitComplete, UnitDeliver, UnitVerdict, VerdictOutcome
from actors.ledger.messages import Commit, Posted
from rendertrust.verdict_reason import VerdictReason
from sql.account_names import SUSPENSE
from sql.checks import CheckFilter, CheckViews
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.earners import verified_node
from tests.support.databases import execute
from tests.support.http_gateway import Face, Headers, face_with, with_scheduler
from tests.support.until import until
from web.money.ledger_client import commit

Json = dict[str, Any]
ORDER = {"job_type": "echo", "payload_ref": "s3://bucket/input/scene.blend", "queue": True}


face = face_with(with_scheduler)


async def call(
    face: Face, user: Headers, method: str, path: str, body: Json | None = None
) -> tuple[int, Any]:
    """Send a request, and ask a busy gateway again under the same key; return status and body."""
    target, headers = f"/api/v1/jobs{path}", dict(user)
    if path == "/dispatch":
        headers.setdefault("Idempotency-Key", uuid4().hex)

    async def answered() -> tuple[int, Any] | None:
        async with face.client.request(method, target, json=body, headers=headers) as answer:
            return None if answer.status == 503 else (answer.status, await answer.json())

    found: tuple[int, Any] | None = await until(answered)
    assert found is not None
    return found


async def submitted(face: Face, user: Headers, **more: Any) -> Json:
    status, placed = await call(face, user, "POST", "/dispatch", {**ORDER, **more})
    assert (status, placed["status"], placed["node_id"]) == (202, "QUEUED", None), placed
    status, job = await call(face, user, "GET", f"/{placed['job_id']}")
    assert status == 200
    return dict(job)


async def held(face: Face, user: Headers) -> str:
    async with face.client.get("/api/v1/credits/balance", headers=user) as answer:
        return str((await answer.json())["held"])


async def test_a_job_has_a_unit_for_each_frame_and_its_price_is_held_for_each(
    face: Face, user: Headers
) -> None:
    job = await submitted(face, user, job_type="inference", frames="1-9x2", priority="high")
    assert (job["units"], job["done"], job["failed"], job["progress"]) == (5, 0, 0, 0.0)
    assert (job["price"], job["priority"], job["max_credits"]) == ("25.0000", "high", None)
    assert await held(face, user) == "25.0000"
    status, page = await call(face, user, "GET", f"/{job['id']}/units?limit=3")
    assert (status, page["count"], page["next"]) == (200, 5, 2)
    found = [(unit["number"], unit["frames"], unit["price"]) for unit in page["units"]]
    assert found == [(0, "1", "5.0000"), (1, "3", "5.0000"), (2, "5", "5.0000")]
    status, rest = await call(face, user, "GET", f"/{job['id']}/units?limit=3&after=2")
    assert ([unit["frames"] for unit in rest["units"]], rest["next"]) == (["7", "9"], None)
    status, refused = await call(face, user, "GET", f"/{job['id']}/result")
    assert status == 404, refused


async def test_the_frame_that_a_job_of_one_was_asked_for_has_its_number(
    face: Face, user: Headers
) -> None:
    for params, frames in (({"frame": 40}, "40"), ({"frame": -3}, "-3"), ({}, None)):
        job = await submitted(face, user, job_type="render", params=params)
        _, page = await call(face, user, "GET", f"/{job['id']}/units")
        assert [unit["frames"] for unit in page["units"]] == [frames]
    job = await submitted(face, user, params={"frame": "any"})
    _, page = await call(face, user, "GET", f"/{job['id']}/units")
    assert page["units"][0]["frames"] is None, "other job types give frame any meaning"


async def test_without_credits_for_all_of_it_nothing_is_done(face: Face, user: Headers) -> None:
    body = {**ORDER, "job_type": "inference", "frames": "1-21"}
    status, refused = await call(face, user, "POST", "/dispatch", body)
    assert (status, refused["available"], refused["requested"]) == (402, "100.0000", "105.0000")
    assert (await call(face, user, "GET", ""))[1]["count"] == 0


async def test_a_chunk_costs_its_frames_and_tiles_their_frame(face: Face, user: Headers) -> None:
    job = await submitted(face, user, job_type="inference", frames="1-5", chunk=2)
    _, page = await call(face, user, "GET", f"/{job['id']}/units")
    found = [(unit["frames"], unit["price"]) for unit in page["units"]]
    assert found == [("1,2", "10.0000"), ("3,4", "10.0000"), ("5", "5.0000")]
    size = {"width": 64, "height": 64}
    job = await submitted(face, user, job_type="inference", frames="3", tiles="2x1", params=size)
    _, page = await call(face, user, "GET", f"/{job['id']}/units")
    tiles = [(unit["tile"], unit["price"], unit["waits_for"]) for unit in page["units"]]
    assert tiles == [(0, "2.5000", 0), (1, "2.5000", 0), (None, "0.0000", 2)]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"frames": "one to ten"}, "frames"),
        ({"frames": "10-1"}, "frames"),
        ({"frames": "1-5001"}, "frames"),
        ({"frames": "1-5", "chunk": 0}, "chunk"),
        ({"frames": "1-5", "chunk": 65}, "chunk"),
        ({"frames": "1-5", "order": "backwards"}, "order"),
        ({"frames": "1-5", "params": {"frame": 1}}, "params.frame"),
        ({"frames": "1-5", "tiles": "two"}, "tiles"),
        ({"frames": "1-5", "tiles": "2x2"}, "params"),
        ({"tiles": "2x2"}, "tiles"),
        ({"priority": "highest"}, "priority"),
        ({"max_credits": "-1"}, "max_credits"),
        ({"job_type": "inference", "frames": "1-5", "max_credits": "4.9"}, "max_credits"),
    ],
)
async def test_nonsense_is_told_by_its_field(
    face: Face, user: Headers, wrong: Json, field: str
) -> None:
    status, refused = await call(face, user, "POST", "/dispatch", {**ORDER, **wrong})
    assert status == 422, refused
    assert field in [fault["field"] for fault in refused["errors"]], refused


async def test_each_unit_that_waits_says_why(face: Face, user: Headers) -> None:
    size = {"width": 64, "height": 64}
    job = await submitted(face, user, frames="3", tiles="2x1", params=size)
    _, page = await call(face, user, "GET", f"/{job['id']}/units")
    assert [unit["waiting"]["code"] for unit in page["units"]] == ["no_node", "no_node", "parts"]
    assert page["units"][0]["waiting"]["words"].startswith("No node that does")
    await call(face, user, "POST", f"/{job['id']}/pause")
    _, page = await call(face, user, "GET", f"/{job['id']}/units?limit=1")
    assert page["units"][0]["waiting"] == {
        "code": "paused",
        "words": "Its job is paused.",
        "since": None,
    }
    await call(face, user, "POST", f"/{job['id']}/stop")
    _, page = await call(face, user, "GET", f"/{job['id']}/units")
    assert [unit["waiting"] for unit in page["units"]] == [None] * 3


async def test_one_that_is_being_checked_says_since_when_and_what_is_waited_for(
    face: Face,
) -> None:
    user, node = await face.user(), await verified_node(face, None)
    job = await submitted(face, user, frames="1-2")
    begun = face.gateway.ports.clock.now()
    for effect in (
        UnitAssign(UUID(job["id"]), 1, 1, node),
        UnitDeliver(UnitComplete(UUID(job["id"]), 1, 1, node, None, verified=True), "cpu"),
    ):
        assert isinstance(await commit(face.gateway, Commit(effects=(effect,))), Posted)
    _, page = await call(face, user, "GET", f"/{job['id']}/units")
    assert [unit["state"] for unit in page["units"]] == ["QUEUED", "VERIFYING"]
    told = page["units"][1]["waiting"]
    assert told["code"] == "checked"
    assert "delivered just now, and is charged once verified. The gateway may" in told["words"]
    assert datetime.fromisoformat(told["since"]) >= begun
    assert page["units"][0]["waiting"]["since"] is None
    assert "check_reason" not in told


async def test_one_that_waits_long_for_its_check_says_why(
    face: Face, database: PostgresEndpoint
) -> None:
    user, node = await face.user(), await verified_node(face, None)
    job = await submitted(face, user, frames="1-2")
    for effect in (
        UnitAssign(UUID(job["id"]), 1, 1, node),
        UnitDeliver(UnitComplete(UUID(job["id"]), 1, 1, node, None, verified=True), "cpu"),
    ):
        assert isinstance(await commit(face.gateway, Commit(effects=(effect,))), Posted)
    seconds = face.gateway.settings.verification.wait_seconds
    older = f"UPDATE checks SET opened_at = opened_at - interval '{seconds + 60} seconds'"
    await execute(database.owner_dsn, older)
    _, page = await call(face, user, "GET", f"/{job['id']}/units")
    told = page["units"][1]["waiting"]
    assert (told["code"], told["check_reason"]) == ("checked", "no_verifier")
    assert told["words"].endswith("No verifier that may check it is connected.")


async def test_what_nobody_could_check_is_not_called_verified(face: Face) -> None:
    """An unverifiable unit is not called verified even if the operator is paid for it."""
    user, node = await face.user(), await verified_node(face, None)
    job = await submitted(face, user, job_type="inference", frames="1-4")
    outcomes: tuple[tuple[VerdictOutcome, VerdictReason | None], ...] = (
        ("exact", None),
        ("unverifiable", "scene-fails"),
        ("sampled-out", None),
        ("unverified", "no-evidence"),
    )
    name = UUID(job["id"])
    for number, (outcome, reason) in enumerate(outcomes):
        of = (name, number, 1)
        result = UnitComplete(*of, node, None, verified=True, operator=SUSPENSE)
        for effect in (
            UnitAssign(*of, node),
            UnitDeliver(result, "cpu"),
            UnitVerdict(*of, outcome, operator=SUSPENSE, pays=True, reason=reason),
        ):
            assert isinstance(await commit(face.gateway, Commit(effects=(effect,))), Posted)
    _, page = await call(face, user, "GET", f"/{job['id']}/units")
    assert [unit["charged"] for unit in page["units"]] == ["5.0000"] * 4
    found = [unit["verified"] for unit in page["units"]]
    assert found == [True, False, True, False]
    reasons = [unit["unverified_reason"] for unit in page["units"]]
    assert reasons == [None, "scene-fails", None, "no-evidence"]
    checks = await CheckViews(face.gateway.database).page(None, CheckFilter(node), 9)
    assert {one.verdict: one.reason for one in checks} == dict(outcomes)


async def test_a_job_is_paused_resumed_changed_and_stopped(face: Face, user: Headers) -> None:
    job = await submitted(face, user, job_type="inference", frames="1-4")
    at = f"/{job['id']}"
    for _ in range(2):  # the second request gets the same answer
        status, found = await call(face, user, "POST", f"{at}/pause")
        assert (status, found["status"], found["paused"]) == (200, "PAUSED", "owner")
    assert (await call(face, user, "GET", "?status=PAUSED"))[1]["count"] == 1
    status, found = await call(face, user, "POST", f"{at}/resume")
    assert (status, found["status"], found["paused"]) == (200, "QUEUED", None)
    wish = {"priority": "low", "max_credits": "7.5"}
    status, found = await call(face, user, "PATCH", at, wish)
    assert (status, found["priority"], found["max_credits"]) == (200, "low", "7.5000")
    assert (await call(face, user, "PATCH", at, {}))[0] == 422
    status, found = await call(face, user, "PATCH", at, {"priority": "high"})
    assert (status, found["max_credits"]) == (200, "7.5000"), "what is not named stays"
    status, found = await call(face, user, "PATCH", at, {"max_credits": None})
    assert (status, found["priority"], found["max_credits"]) == (200, "high", None)
    status, found = await call(face, user, "POST", f"{at}/stop")
    assert (status, found["status"], found["charged"]) == (200, "CANCELLED", "0.0000")
    assert await held(face, user) == "0.0000"
    for method, path, body in (
        ("POST", f"{at}/pause", None),
        ("POST", f"{at}/resume", None),
        ("PATCH", at, wish),
        ("POST", f"{at}/units/0/retry", None),
    ):
        status, refused = await call(face, user, method, path, body)
        assert status == 409, (path, refused)
    assert (await call(face, user, "POST", f"{at}/stop"))[0] == 200


async def test_what_is_not_there_or_another_s_is_the_same_404(face: Face) -> None:
    jane, bob = await face.user(), await face.user("bob@example.org")
    job = await submitted(face, jane, frames="1-2")
    at = f"/{job['id']}"
    for method, path in (
        *[("POST", f"{at}/{act}") for act in ("pause", "resume", "stop", "units/0/retry")],
        *[("GET", f"{at}/units")],
    ):
        assert (await call(face, bob, method, path))[0] == 404, path
    assert (await call(face, bob, "PATCH", at, {"priority": "low"}))[0] == 404
    assert (await call(face, jane, "POST", f"{at}/units/2/retry"))[0] == 404
    assert (await call(face, jane, "POST", f"{at}/units/x/retry"))[0] == 404
    # a unit that waits already is left as it is
    assert (await call(face, jane, "POST", f"{at}/units/0/retry"))[0] == 200


async def test_a_key_answers_the_same_job_again(face: Face) -> None:
    user = {**await face.user(), "Idempotency-Key": "animation"}
    body = {**ORDER, "job_type": "inference", "frames": "1-3"}
    first = await call(face, user, "POST", "/dispatch", body)
    assert first == await call(face, user, "POST", "/dispatch", body)
    assert await held(face, user) == "15.0000"
    status, _ = await call(face, user, "POST", "/dispatch", {**body, "frames": "1-4"})
    assert status == 422


async def test_a_quote_says_what_an_order_would_hold_and_holds_nothing(
    face: Face, user: Headers
) -> None:
    body = {**ORDER, "job_type": "inference", "frames": "1-9x2", "chunk": 2, "max_credits": "20"}
    status, told = await call(face, user, "POST", "/quote", body)
    assert status == 200, told
    assert told == {
        "units": 3,
        "frames": 5,
        "frame_price": "5.0000",
        "price": "25.0000",
        "held": "25.0000",
        "available": "100.0000",
        "enough": True,
        "max_credits": "20.0000",
        "frame_price_least": "5.0000",
        "priced_by": "table",
        "priced_how": "Each frame costs the fixed price in the price table.",
        "reference_seconds": None,
        "measurable": False,
        "preflight": None,
        "measured": False,
        "credits": "25.0000",
        "money": {"amount": "1.75", "currency": "usd", "text": "≈ 1.75 USD"},
        "basis": "Each frame costs the fixed price in the price table.",
        "video_price": None,
    }
    assert await held(face, user) == "0.0000"
    assert (await call(face, user, "GET", ""))[1]["count"] == 0
    job = await submitted(face, user, **{name: body[name] for name in body if name != "queue"})
    assert (job["units"], job["price"]) == (3, told["price"])
    assert await held(face, user) == told["held"]
    _, again = await call(face, user, "POST", "/quote", body)
    assert again["available"] == "75.0000"


async def test_a_quote_needs_no_file_and_tells_that_credits_are_short(
    face: Face, user: Headers
) -> None:
    idea = {"job_type": "inference", "frames": "1-21"}
    status, told = await call(face, user, "POST", "/quote", idea)
    assert (status, told["held"], told["enough"]) == (200, "105.0000", False)
    status, told = await call(face, user, "POST", "/quote", {"job_type": "render"})
    assert (status, told["units"], told["frames"], told["price"]) == (200, 1, 0, "10.0000")
    size = {"width": 64, "height": 64}
    tiled = {"job_type": "render", "frames": "1-2", "tiles": "3x1", "params": size}
    status, told = await call(face, user, "POST", "/quote", tiled)
    assert (status, told["units"], told["price"]) == (200, 8, "20.0000")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"frames": "10-1"}, "frames"),
        ({"frames": "1-5", "tiles": "2x2"}, "params"),
        ({"job_type": "render", "params": {"samples": 0}}, "params.samples"),
        ({"payload_ref": "s3://rendertrust/uploads/anothers.blend"}, "payload_ref"),
        ({"payload_ref": None, "manifest": "s3://rendertrust/x"}, "manifest"),
        ({"job_type": "inference", "frames": "1-5", "max_credits": "4.9"}, "max_credits"),
    ],
)
async def test_a_quote_is_refused_for_what_the_order_would_be(
    face: Face, user: Headers, wrong: Json, field: str
) -> None:
    status, refused = await call(face, user, "POST", "/quote", {**ORDER, **wrong})
    assert status == 422, refused
    assert field in [fault["field"] for fault in refused["errors"]], refused
