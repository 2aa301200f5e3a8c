"""Disputes with a creator's own comparison, which the gateway's verifier decides."""

import base64
from typing import Any, Final

import pytest

from rendertrust.protocol import JobDispatch
from rendertrust.testing import FakeNode
from tests.integration.liars.test_liars import EXACT, OFF, WITHIN, Farm, delivers, farm, told
from tests.support.draws import fix_draws
from tests.support.until import until

__all__ = ["farm"]
SHOWN: Final = b"\x89PNG\r\n\x1a\n" + bytes(100)
SHEET: Final = b"\x89PNG\r\n\x1a\n" + bytes(200)


@pytest.mark.parametrize(
    ("report", "state", "balance", "uploads"),
    [
        (EXACT, "rejected", "90.0000", True),
        (OFF, "upheld", "100.0000", True),
        (OFF, "upheld", "100.0000", False),
    ],
    ids=["right", "wrong", "wrong, without a picture"],
)
async def test_a_verifier_decides_a_dispute_that_carries_a_comparison(
    farm: Farm,
    monkeypatch: pytest.MonkeyPatch,
    report: Any,
    state: str,
    balance: str,
    *,
    uploads: bool,
) -> None:
    """No admin is needed; both sides see the pictures of the creator and of the verifier, and
    upholding refunds the charge.
    """

    fix_draws(monkeypatch, drawn=False)
    said: list[JobDispatch] = []
    objects: Any = farm.gateway.gateway.ports.objects

    async def verifies(node: FakeNode, dispatch: JobDispatch) -> None:
        said.append(dispatch)
        work: Any = {"looked": True}
        if dispatch.params.get("whole"):
            count = len(dispatch.params["draws"])
            work = {**report, "crops": [report["crops"][0]] * count, "whole": True}
            if uploads:
                assert dispatch.output is not None
                to = dispatch.output
                assert (await objects.request("PUT", to.url, to.headers, SHEET)).status == 200
        await node.send(told(dispatch, work=work, result_ref="none:check"))

    await farm.node("the gateway's", verifies, "check", key=farm.keys.pop())
    await farm.liar(delivers)
    job = await farm.place()
    assert (await farm.ends(job))["state"] == "COMPLETED"
    path = f"/jobs/{job}/units/0/dispute"
    comparison = {
        "verdict": "different",
        "reason": "0.9 times the noise",
        "places": [{"x": 0.5, "y": 0.25}],
        "picture": base64.b64encode(SHOWN).decode(),
    }
    body = {"reason": "it has a mark", "comparison": comparison}
    status, opened = await farm.jane.answered("POST", path, body)
    # a busy gateway (503) is asked again
    assert (status in (200, 201), opened["state"]) == (True, "open")

    async def decided() -> Any:
        [found] = (await farm.jane.answered("GET", "/disputes"))[1]["disputes"]
        return found if found["state"] != "open" else None

    found = await until(decided, within=WITHIN)
    assert (found["state"], found["by_gateway"]) == (state, False)
    assert "of the whole frame" in found["decision"]
    assert said[-1].params["whole"] is True
    assert said[-1].params["draws"][0] == [0.5, 0.25, None]
    assert (await farm.jane.answered("GET", "/credits/balance"))[1]["balance"] == balance
    for person, seen in ((farm.jane, 200), (farm.operators["eve"], 200)):
        url = f"{farm.gateway.url}/api/v1{path}/picture"
        async with farm.http.get(url, headers=person.headers) as answer:
            assert (answer.status, await answer.read()) == (seen, SHOWN)
        status, shown = await person.answered("GET", f"{path}/check/picture")
        assert status == (200 if uploads else 404)
        if uploads:
            assert (await objects.request("GET", shown["download_url"])).body == SHEET
    unit, eve = await farm.unit(job), farm.operators["eve"]
    _, checks = await eve.answered("GET", f"/nodes/{unit['node_id']}/checks")
    _, placed = await farm.jane.answered("GET", f"/jobs/{job}")
    if state == "upheld":
        assert (unit["verified"], unit["charged"], placed["charged"]) == (False, "0.0000", "0.0000")
        [check] = checks["checks"]
        assert (check["verdict"], check["strike"]) == ("invalid", True)
    else:
        assert (unit["verified"], unit["charged"], placed["charged"]) == (True, *["10.0000"] * 2)
        assert checks["checks"] == []
    await farm.sound()
