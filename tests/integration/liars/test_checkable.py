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
    assert found["checkable"] is None, "it renders nothing"
