"""Batched checks of several results of one job, over a real gateway and its sockets."""

from typing import Any, Final

import pytest

from rendertrust.protocol import Ack, JobDispatch
from rendertrust.testing import FakeNode
from tests.integration.liars.test_liars import EVIDENCE, SHA256, WITHIN, Farm, delivers, farm, told
from tests.support.draws import fix_draws
from tests.support.until import until

__all__ = ["farm"]
FRAMES: Final = 5


@pytest.fixture
def no_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no delivery be drawn for a comparison."""

    fix_draws(monkeypatch, drawn=False)


async def open_all(node: FakeNode, dispatch: JobDispatch) -> None:
    """Answer a batched check as a verifier that finds nothing wrong."""
    count = dispatch.params["results"]
    work = {"opened": [{"looked": True}] * count}
    await node.send(node.signed(dispatch, told(dispatch, work=work, result_ref="none:check")))


async def test_what_waits_of_a_job_is_one_dispatch_and_every_frame_is_settled(
    farm: Farm, no_draws: None
) -> None:
    node = await farm.liar(delivers)
    body = {"job_type": "render", "payload_ref": "s3://bucket/k.blend", "frames": f"1-{FRAMES}"}
    status, placed = await farm.jane.call("POST", "/jobs/dispatch", body)
    assert status in (200, 202), placed
    for _ in range(FRAMES):
        await node.next(Ack, within=WITHIN)
    verifier = await farm.node(
        "the gateway's", open_all, "check", "check_batch", key=farm.keys.pop()
    )
    sent = await verifier.next(JobDispatch, within=WITHIN)
    assert (sent.job_type, sent.params["results"]) == ("check_batch", FRAMES)
    names = [f"check/{n}/{what}" for n in range(FRAMES) for what in ("picture", "evidence.exr")]
    assert [one.path for one in sent.inputs] == names
    assert {one.sha256 for one in sent.inputs} == {SHA256, EVIDENCE.sha256}

    async def settled() -> list[dict[str, Any]] | None:
        _, found = await farm.jane.answered("GET", f"/jobs/{placed['job_id']}/units")
        assert found is not None
        done = [one for one in found["units"] if one["state"] == "COMPLETED"]
        return done if len(done) == FRAMES else None

    done = await until(settled, within=WITHIN)
    assert done is not None
    assert {one["charged"] for one in done} == {"10.0000"}
    verdicts = "SELECT count(*) FROM checks WHERE verdict = 'sampled-out'"
    assert await farm.owner.fetchval(verdicts) == FRAMES
    await farm.sound()
