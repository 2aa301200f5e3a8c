"""``rendertrust earnings --unpaid`` and the second factor of payouts, at a gateway double."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from rendertrust.api.nodes import Node
from rendertrust.cli import exit_codes
from tests.integration.client.conftest import Program
from tests.integration.client.double import NODE, NOW, GatewayDouble
from tests.support.answers import whole
from web.openapi.examples.earnings import EARNING_SUMS

OFFERS = "GET /api/v1/credits/skus"
UNPAID = "GET /api/v1/operators/me/earnings/unpaid"
PAYOUTS = "POST /api/v1/operators/me/payouts"
ACCOUNT = "GET /api/v1/auth/payout-account"
JOB = "5f0b7c1e-2d3a-4b9f-8c6d-1e2f3a4b5c6d"
PNG = b"\x89PNG a picture"


@pytest.fixture(autouse=True)
def _nothing_on_sale(gateway: GatewayDouble) -> None:
    def nothing(_: web.Request) -> web.Response:
        return web.json_response({"skus": [], "cheapest": None})

    gateway.script(OFFERS, *[nothing] * 3)


def result(**more: Any) -> dict[str, Any]:
    return {
        "job_id": JOB,
        "unit": 3,
        "node_id": NODE,
        "node_name": "studio-1\x1b[31m",
        "at": NOW,
        "amount": "7.0000",
        "reason": "refunded",
        "why": "Its creator got the charge back.",
        "dispute_id": JOB,
        "picture_path": f"/api/v1/jobs/{JOB}/units/3/dispute/picture",
        "comparison_path": None,
        **more,
    }


async def test_earnings_are_shown_by_device_with_its_speed(
    jane: Program, gateway: GatewayDouble
) -> None:
    card = {**EARNING_SUMS["sums"][0], "day": None, "device_class": "optix/sm_89/550"}
    sums = [{**card, "speed": 5.04}, {**card, "device_class": "cpu/x86_64/avx2", "speed": None}]

    def by_device(request: web.Request) -> web.Response:
        assert request.query["by"] == "device"
        return web.json_response({**EARNING_SUMS, "by": "device", "sums": sums})

    gateway.script("GET /api/v1/operators/me/earnings/sums", by_device)
    told = await jane.run("earnings", "--by", "device")
    head, *rows = (line.split("\t") for line in told.out.splitlines())
    assert head[:3] == ["DEVICE", "SPEED", "EARNED"]
    assert [row[:2] for row in rows] == [["optix/sm_89/550", "5.0"], ["cpu/x86_64/avx2", "-"]]
    assert "the machine that measures prices" in told.err


async def test_unpaid_results_are_listed_and_their_picture_saved(
    gateway: GatewayDouble, jane: Program, tmp_path: Path
) -> None:
    asked = list[str]()

    def unpaid(request: web.Request) -> web.Response:
        asked.append(request.query_string)
        days = {"first": "2026-03-01", "last": "2026-03-31"}
        return web.json_response({**days, "results": [result()], "has_more": True})

    gateway.script(UNPAID, *[unpaid] * 5)
    told = await jane.run("earnings", "--unpaid", "--from", "2026-03-01")
    head, row = told.out.splitlines()
    assert head.split("\t") == [
        "WHEN",
        "NODE",
        "JOB",
        "UNIT",
        "NOT PAID",
        "WORTH",
        "PICTURE",
        "WHY",
    ]
    assert row.split("\t")[1:] == [
        *("studio-1\N{REPLACEMENT CHARACTER}[31m", JOB, "3", "7", "-", "yes"),
        "Its creator got the charge back.",
    ]
    assert ("choose fewer days" in told.err, "earnings comparison" in told.err) == (True, True)
    known = {"id": NODE, "name": "studio-1", "status": "HEALTHY", "standing": "ACTIVE"}
    empty = {"capabilities": [], "metadata": {}, "reputation": [], "current_load": 0.0}
    rest = {"standing_reason": "", "failing_reason": "", "created_at": NOW}
    listed = {"nodes": [whole(Node, {**known, **empty, **rest})], "count": 1, "next": None}
    gateway.script("GET /api/v1/nodes", lambda _: web.json_response(listed))
    told = await jane.run("earnings", "--unpaid", "--node", "STUDIO-1", "--json")
    assert told.document["results"][0]["why"] == "Its creator got the charge back."
    assert asked == ["limit=200&from=2026-03-01", f"limit=200&node={NODE}"]
    picture = f"GET /api/v1/jobs/{JOB}/units/3/dispute/picture"
    gateway.script(picture, lambda _: web.Response(body=PNG, content_type="image/png"))
    at = tmp_path / "apart.png"
    told = await jane.run("earnings", "comparison", JOB[:6], "--unit", "3", "--out", str(at))
    assert (told.code, at.read_bytes()) == (0, PNG), told
    at, where = tmp_path / "checked.png", f"{gateway.url}/store/sheet"
    gateway.objects["sheet"] = PNG
    drawn = {"job_id": JOB, "download_url": where, "expires_in": 60, "size": None, "sha256": None}
    checked = f"GET /api/v1/jobs/{JOB}/units/3/check/picture"
    gateway.script(picture, lambda _: web.json_response({"detail": "No picture"}, status=404))
    gateway.script(checked, lambda _: web.json_response(drawn))
    told = await jane.run("earnings", "comparison", JOB[:6], "--unit", "3", "--out", str(at))
    assert (told.code, at.read_bytes()) == (0, PNG), told


async def test_options_that_do_not_go_together_are_refused(jane: Program) -> None:
    for words in (("--unpaid", "--by", "day"), ("--node", NODE), ("--unpaid", "payouts")):
        told = await jane.run("earnings", *words)
        assert told.code == exit_codes.USAGE, words


async def test_a_payout_of_credits_asks_for_the_factor_and_is_made_once(
    gateway: GatewayDouble, jane: Program
) -> None:
    keys, given = list[str](), list[Any]()

    def refuse(request: web.Request) -> web.Response:
        keys.append(request.headers["Idempotency-Key"])
        body = {"detail": "Give it again", "code": "recent_factor_needed"}
        return web.json_response(body, status=403)

    def pay(request: web.Request) -> web.Response:
        keys.append(request.headers["Idempotency-Key"])
        made = {"id": JOB, "to": "credits", "amount": "14.0000", "units": 2, "state": "paid"}
        rest = {"batch_id": None, "reference": "", "requested_at": NOW, "closed_at": NOW}
        return web.json_response({**made, **rest})

    async def factor(request: web.Request) -> web.Response:
        given.append(await request.json())
        return web.json_response({"message": "given"})

    gateway.script(PAYOUTS, refuse, refuse, pay)
    told = await jane.run("earnings", "payout")
    assert (told.code, "RENDERTRUST_OTP" in told.err) == (exit_codes.FAILURE, True), told
    gateway.script("POST /api/v1/auth/second-factor", factor)
    told = await jane.run("earnings", "payout", RENDERTRUST_OTP="123456")
    assert told.out == "Added 14 credits to your balance, for 2 units.\n"
    assert (given, keys[1] == keys[2], keys[0] == keys[1]) == ([{"otp": "123456"}], True, False)


async def test_a_payout_of_money_says_that_it_waits_for_an_account(
    gateway: GatewayDouble, jane: Program
) -> None:
    made = {"id": JOB, "to": "money", "amount": "14.0000", "units": 2, "state": "requested"}
    rest = {"batch_id": None, "reference": "", "requested_at": NOW, "closed_at": None}
    gateway.script(PAYOUTS, lambda _: web.json_response({**made, **rest}, status=202))
    nothing = {"detail": "You have no payout account"}
    gateway.script(ACCOUNT, lambda _: web.json_response(nothing, status=404))
    told = await jane.run("earnings", "payout", "--to", "money")
    assert (told.code, "rendertrust earnings account set" in told.err) == (0, True), told


async def test_a_payout_of_money_says_until_when_a_new_account_waits(
    gateway: GatewayDouble, jane: Program
) -> None:
    made = {"id": JOB, "to": "money", "amount": "14.0000", "units": 2, "state": "requested"}
    rest = {"batch_id": None, "reference": "", "requested_at": NOW, "closed_at": None}
    before = {"method": "SEPA", "account": "…2051", "currency": "eur", "changed_at": NOW}
    new = {**before, "account": "…5555", "usable_at": "2199-01-03T10:00:00Z", "until_then": None}

    def pay(_: web.Request) -> web.Response:
        return web.json_response({**made, **rest}, status=202)

    gateway.script(PAYOUTS, pay, pay)
    gateway.script(ACCOUNT, lambda _: web.json_response(new))
    told = await jane.run("earnings", "payout", "--to", "money")
    assert (told.code, "waits until 2199-01-03" in told.err) == (0, True), told
    gateway.script(ACCOUNT, lambda _: web.json_response({**new, "until_then": before}))
    told = await jane.run("earnings", "payout", "--to", "money")
    assert (told.code, "waits until" in told.err) == (0, False), told
