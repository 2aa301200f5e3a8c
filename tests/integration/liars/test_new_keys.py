"""A quarantine is not washed off by another key of the same operator."""

from typing import Any

import pytest

from tests.integration.liars.test_liars import Farm, delivers, farm
from tests.integration.liars.test_suspicions import admin
from tests.readers import Person

__all__ = ["farm"]


async def stands(person: Person, node: Any) -> str:
    _, found = await person.call("GET", f"/nodes/{node.node_id}")
    return str(found["standing"])


async def tell(person: Person, node: Any, verb: str) -> None:
    status, found = await person.call(
        "POST", f"/nodes/{node.node_id}/{verb}", {"reason": "it lied"}
    )
    assert status == 200, found


@pytest.mark.parametrize("given_up", [False, True])
async def test_a_new_key_of_who_has_a_node_in_quarantine_begins_there(
    farm: Farm, given_up: bool
) -> None:
    first, ann = await farm.liar(delivers), await admin(farm)
    eve = farm.operators["eve"]
    before = await farm.liar(delivers)
    await tell(ann, first, "quarantine")
    if given_up:
        await tell(eve, first, "revoke")
    again, other = await farm.liar(delivers), await farm.node("olga", delivers, "render")
    assert await stands(eve, again) == "QUARANTINED"
    _, found = await eve.call("GET", f"/nodes/{again.node_id}")
    assert "another node of its owner" in found["standing_reason"]
    assert await stands(eve, before) == "ACTIVE", "it has a record of its own"
    assert await stands(farm.operators["olga"], other) == "ACTIVE"
    await tell(ann, again, "release")
    assert await stands(eve, again) == "ACTIVE"


async def test_who_was_released_is_free_to_enrol_others(farm: Farm) -> None:
    first, ann = await farm.liar(delivers), await admin(farm)
    await tell(ann, first, "quarantine")
    await tell(ann, first, "release")
    assert await stands(farm.operators["eve"], await farm.liar(delivers)) == "ACTIVE"
