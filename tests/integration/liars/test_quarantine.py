"""The end of a quarantine by valid results for the node's owner, at a whole gateway."""

from typing import Any

from rendertrust.protocol import JobDispatch, NodeStanding
from rendertrust.testing import FakeNode
from sql.reputation import RELEASED_BY, STRIKES_MOST
from tests.integration.liars.test_liars import EXACT, WITHIN, Farm, Lie, delivers, farm, wrong_hash
from tests.integration.liars.test_new_keys import admin, stands, tell
from tests.support.proof_readers import Person
from tests.support.until import until

__all__ = ["farm"]


async def ordered(owner: Person, frames: int) -> str:
    """Order frames of the owner's own, as ``submit --frames 1-N --pool mine`` does."""
    body = {
        "job_type": "render",
        "payload_ref": "s3://bucket/k.blend",
        "frames": f"1-{frames}",
        "pool": "mine",
    }
    status, placed = await owner.call("POST", "/jobs/dispatch", body)
    assert status == 200, placed
    return str(placed["job_id"])


async def rendered(farm: Farm, owner: Person, frames: int, verdict: str) -> None:
    """Order frames, and wait until each has this verdict."""
    job = await ordered(owner, frames)

    async def decided() -> bool:
        rows = await farm.owner.fetch("SELECT verdict FROM checks WHERE job_id = $1", job)
        return [row["verdict"] for row in rows] == [verdict] * frames

    await until(decided, within=WITHIN)
    if verdict == "invalid":  # the frame would be retried
        assert (await owner.call("POST", f"/jobs/{job}/stop"))[0] == 200


async def is_standing(person: Person, node: Any, standing: str) -> None:
    async def found() -> bool:
        return await stands(person, node) == standing

    await until(found, within=WITHIN)


async def test_ten_valid_frames_for_its_owner_release_a_node_that_lied_thrice(farm: Farm) -> None:
    now: list[Lie] = [wrong_hash]

    async def behave(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
        await now[-1](farm, node, dispatch)

    node = await farm.liar(behave)
    await farm.verifier(EXACT)
    eve = farm.operators["eve"]

    async def lies() -> None:
        job = await farm.place()
        await farm.blamed(job)
        assert (await farm.jane.call("POST", f"/jobs/{job}/stop"))[0] == 200

    for _ in range(STRIKES_MOST):
        await lies()
    await is_standing(eve, node, "QUARANTINED")
    await node.next(NodeStanding, within=WITHIN)
    _, shown = await eve.answered("GET", f"/nodes/{node.node_id}")
    assert "10 valid results in a row for its owner" in shown["standing_reason"]

    for verdict, lie, frames in (
        ("exact", delivers, RELEASED_BY - 1),
        ("invalid", wrong_hash, 1),
        ("exact", delivers, RELEASED_BY - 1),
    ):
        now.append(lie)
        await rendered(farm, eve, frames, verdict)
        assert await stands(eve, node) == "QUARANTINED"
    await rendered(farm, eve, 1, "exact")
    await is_standing(eve, node, "ACTIVE")
    assert (await node.next(NodeStanding, within=WITHIN)).standing == "ACTIVE"
    acts = await farm.owner.fetch("SELECT act, actor FROM audit ORDER BY number")
    assert [(act["act"], act["actor"]) for act in acts] == [
        ("node.quarantine", "verifier"),
        ("node.release", "verifier"),
    ]
    _, shown = await eve.answered("GET", f"/nodes/{node.node_id}")
    assert [known["strikes"] for known in shown["reputation"]] == [STRIKES_MOST - 1]
    now.append(wrong_hash)
    await lies()
    await is_standing(eve, node, "QUARANTINED")
    await farm.sound()


async def test_frames_for_its_owner_do_not_end_a_quarantine_that_an_admin_ordered(
    farm: Farm,
) -> None:
    node, ann = await farm.liar(delivers), await admin(farm)
    await farm.verifier(EXACT)
    eve = farm.operators["eve"]
    await tell(ann, node, "quarantine")
    await rendered(farm, eve, RELEASED_BY, "unverified")
    assert await stands(eve, node) == "QUARANTINED"
    await farm.sound()
