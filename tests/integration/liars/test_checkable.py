"""An operator sees that no verifier here can check their device class."""

from typing import Any

from tests.integration.liars.test_liars import EXACT, WITHIN, Farm, delivers, farm
from tests.support.until import until

__all__ = ["farm"]


async def test_whoever_has_a_node_is_told_whether_it_can_be_checked(farm: Farm) -> None:
    node = await farm.liar(delivers)
    eve = farm.operators["eve"]

    async def told(able: bool) -> Any:
        _, found = await eve.answered("GET", f"/nodes/{node.node_id}")
        return found["checkable"] is able or None

    await until(lambda: told(able=False), within=WITHIN)
    # another operator's node, which is no verifier of the gateway
    other = await farm.node("olga", delivers, "check")
    await until(lambda: told(able=False), within=WITHIN)
    await farm.verifier(EXACT)
    await until(lambda: told(able=True), within=WITHIN)
    _, found = await eve.answered("GET", "/nodes")
    assert {one["id"]: one["checkable"] for one in found["nodes"]}[str(node.node_id)] is True
    _, found = await farm.operators["olga"].answered("GET", f"/nodes/{other.node_id}")
    assert found["checkable"] is None, "a node that renders nothing has nothing to be checked"


async def test_a_job_that_names_a_build_without_a_verifier_is_refused(farm: Farm) -> None:
    """Its frames could not be compared, and would be free."""
    body = {
        "job_type": "render",
        "payload_ref": "s3://bucket/k.blend",
        "params": {"frame": 3},
        "queue": True,
        "needs": {"device_class": "cpu/avx2/5.1"},
    }
    status, answer = await farm.jane.call("POST", "/jobs/dispatch", body)
    assert status == 202, answer
    await farm.verifier(EXACT)

    async def refused() -> Any:
        status, answer = await farm.jane.call("POST", "/jobs/dispatch", body)
        if status == 202:  # not refused yet: its credits are needed for the next try
            await farm.jane.call("POST", f"/jobs/{answer['job_id']}/cancel")
        return answer["errors"] if status == 422 else None

    [fault] = await until(refused, within=WITHIN)
    assert (fault["field"], fault["code"]) == ("needs.device_class", "value")
    own = {**body, "pool": "mine"}
    assert (await farm.jane.call("POST", "/jobs/dispatch", own))[0] == 202
    odd = {**body, "needs": {"device": "cpu", "vram": 8 << 30}}
    status, answer = await farm.jane.call("POST", "/jobs/dispatch", odd)
    assert (status, answer["errors"][0]["field"]) == (422, "needs.vram")
    known = {**body, "needs": {"device_class": "cpu/sse/5.2"}}
    assert (await farm.jane.call("POST", "/jobs/dispatch", known))[0] == 202
