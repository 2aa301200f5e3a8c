"""The end of a quarantine by valid results for the node's owner, at a whole gateway."""

import hashlib
from typing import Any

from rendertrust.protocol import JobDispatch, NodeStanding
from rendertrust.testing import FakeNode
from sql.reputation_rules import RELEASED_BY, STRIKES_MOST
from tests.integration.liars.test_liars import (
    EXACT,
    WITHIN,
    Farm,
    Lie,
    delivers,
    farm,
    honest,
    wrong_hash,
)
from tests.integration.liars.test_new_keys import admin, stands, tell
from tests.support.proof_readers import Person
from tests.support.until import until

__all__ = ["farm"]


async def differs(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
    """Deliver a valid picture that is equal to no other."""
    content = f"picture {dispatch.unit} of {dispatch.job_id}".encode()
    await farm.put(dispatch, content)
    sha256 = hashlib.sha256(content).hexdigest()
    await node.send(honest(node, dispatch, sha256=sha256, size=len(content)))


async def ordered(owner: Person, frames: int, **more: Any) -> str:
    """Order frames of the owner's own, as ``submit --frames 1-N --pool mine`` does."""
    body = {
        "job_type": "render",
        "payload_ref": "s3://bucket/k.blend",
        "frames": f"1-{frames}",
        "pool": "mine",
        **more,
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


async def lies(farm: Farm) -> None:
    """Place a job, wait until its node has lied, and stop the job."""
    job = await farm.place()
    await farm.blamed(job)
    assert (await farm.jane.call("POST", f"/jobs/{job}/stop"))[0] == 200


async def quarantined(farm: Farm, now: list[Lie]) -> FakeNode:
    """Connect a node that behaves like the last of ``now``, and lies first until it is caught."""

    async def behave(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
        await now[-1](farm, node, dispatch)

    node = await farm.liar(behave)
    await farm.verifier(EXACT)
    now.append(wrong_hash)
    for _ in range(STRIKES_MOST):
        await lies(farm)
    await is_standing(farm.operators["eve"], node, "QUARANTINED")
    return node


async def test_ten_valid_frames_for_its_owner_release_a_node_that_lied_thrice(farm: Farm) -> None:
    now: list[Lie] = []
    node, eve = await quarantined(farm, now), farm.operators["eve"]
    await node.next(NodeStanding, within=WITHIN)
    _, shown = await eve.answered("GET", f"/nodes/{node.node_id}")
    assert "10 different valid frames in a row for its owner" in shown["standing_reason"]

    for verdict, lie, frames in (
        ("exact", delivers, RELEASED_BY),  # the same picture
        ("exact", differs, RELEASED_BY - 2),
        ("invalid", wrong_hash, 1),
        ("exact", differs, RELEASED_BY - 1),
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
    await lies(farm)
    await is_standing(eve, node, "QUARANTINED")
    now.append(differs)
    await rendered(farm, eve, RELEASED_BY, "unverified")
    _, shown = await eve.answered("GET", f"/nodes/{node.node_id}")
    assert shown["standing_reason"].endswith("An admin releases it.")
    assert shown["standing"] == "QUARANTINED", "results release a node only once"
    await farm.sound()


async def delivers_tile(farm: Farm, node: FakeNode, dispatch: JobDispatch) -> None:
    """Deliver a tile, or a picture merged from tiles: the gateway asks for no evidence of it."""
    content = f"tile {dispatch.unit}".encode()
    assert dispatch.output is not None
    assert dispatch.evidence is None
    await farm.gateway.gateway.ports.objects.put(dispatch.output.key, content)
    changed = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    await node.send(honest(node, dispatch, evidence=None, **changed))


async def test_the_tiles_of_a_frame_do_not_end_a_quarantine(farm: Farm) -> None:
    now: list[Lie] = []
    node, eve = await quarantined(farm, now), farm.operators["eve"]
    now.append(delivers_tile)
    job = await ordered(eve, 1, tiles="4x3", params={"width": 64, "height": 64})

    async def settled() -> bool:
        rows = await farm.owner.fetch("SELECT verdict FROM checks WHERE job_id = $1", job)
        return [row["verdict"] for row in rows] == ["unverified"] * 13

    await until(settled, within=WITHIN)
    assert await stands(eve, node) == "QUARANTINED"
    await farm.sound()


async def test_frames_for_its_owner_do_not_end_a_quarantine_that_an_admin_ordered(
    farm: Farm,
) -> None:
    node, ann = await farm.liar(differs), await admin(farm)
    await farm.verifier(EXACT)
    eve = farm.operators["eve"]
    await tell(ann, node, "quarantine")
    await rendered(farm, eve, RELEASED_BY, "unverified")
    assert await stands(eve, node) == "QUARANTINED"
    await farm.sound()


async def test_frames_that_no_verifier_may_check_do_not_wait(farm: Farm) -> None:
    """The owner of the node owns the only verifier."""
    now: list[Lie] = [wrong_hash]

    async def behave(node: FakeNode, dispatch: JobDispatch) -> None:
        await now[-1](farm, node, dispatch)

    node = await farm.node("the gateway's", behave, "render")
    await farm.verifier(EXACT)
    for _ in range(STRIKES_MOST):
        await lies(farm)
    owner = farm.operators["the gateway's"]
    await is_standing(owner, node, "QUARANTINED")
    now.append(differs)
    await rendered(farm, owner, 1, "unverified")
    await farm.sound()
