"""An operator cannot escape a quarantine by registering another key."""

from typing import Any
from uuid import uuid4

import pytest

from sql.query_loader import QUERIES
from sql.reputation_rules import STRIKES_MOST
from tests.integration.liars.test_liars import WITHIN, Farm, delivers, farm, wrong_hash
from tests.support.proof_readers import Person
from tests.support.until import until

__all__ = ["farm"]


async def admin(farm: Farm) -> Person:
    """Register an admin, logged in."""
    ann, email = Person(farm.http, farm.gateway.url), f"{uuid4()}@example.org"
    account = {"email": email, "password": "a long password"}
    await ann.call("POST", "/auth/register", {**account, "name": "Ann"})
    await farm.owner.execute("UPDATE users SET role = 'admin' WHERE email = $1", email)
    _, answer = await ann.call("POST", "/auth/login", account)
    ann.headers = {"Authorization": f"Bearer {answer['access_token']}"}
    return ann


async def stands(person: Person, node: Any) -> str:
    _, found = await person.answered("GET", f"/nodes/{node.node_id}")
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
    _, found = await eve.answered("GET", f"/nodes/{again.node_id}")
    assert "another node of its owner" in found["standing_reason"]
    assert found["standing_reason"].endswith("an admin releases it")
    assert await stands(eve, before) == "ACTIVE", "a node from before keeps a record of its own"
    assert await stands(farm.operators["olga"], other) == "ACTIVE"
    await tell(ann, again, "release")
    assert await stands(eve, again) == "ACTIVE"


async def test_who_was_released_is_free_to_enrol_others(farm: Farm) -> None:
    first, ann = await farm.liar(delivers), await admin(farm)
    await tell(ann, first, "quarantine")
    await tell(ann, first, "release")
    assert await stands(farm.operators["eve"], await farm.liar(delivers)) == "ACTIVE"


async def test_strikes_of_a_key_that_was_given_up_stay_with_its_owner(farm: Farm) -> None:
    """If strikes did not stay, each new key would allow two lies at no cost."""
    before, first = await farm.liar(delivers), await farm.liar(wrong_hash)
    eve = farm.operators["eve"]
    await tell(eve, before, "drain")
    for _ in range(STRIKES_MOST - 1):
        await farm.blamed(await farm.place())
    await tell(eve, first, "revoke")
    again = await farm.liar(wrong_hash)
    await farm.blamed(await farm.place())

    async def is_caught() -> bool:
        return await stands(eve, again) == "QUARANTINED"

    await until(is_caught, within=WITHIN)
    assert await stands(eve, before) == "DRAINING", "it was there before those strikes"
    await farm.sound()


async def test_who_gives_a_key_up_before_its_verdicts_has_its_quarantine_with_the_next(
    farm: Farm,
) -> None:
    first, eve = await farm.liar(delivers), farm.operators["eve"]
    await tell(eve, first, "revoke")
    await farm.owner.execute(
        QUERIES["node_quarantine"],
        *(first.node_id, "3 of its results were wrong", None),
    )
    assert await stands(eve, first) == "REVOKED"
    assert await stands(eve, await farm.liar(delivers)) == "QUARANTINED"
