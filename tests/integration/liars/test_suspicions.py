"""A suspicion is shown to admins, with whose it is; to the node's owner after the verdict alone."""

from typing import Any
from uuid import uuid4

import pytest

from sql.check_desk import CheckDesk, Wanted
from tests.integration.liars.test_liars import EXACT, OFF, WITHIN, Farm, delivers, farm
from tests.support.proof_readers import Person
from tests.support.until import until

__all__ = ["farm"]


async def admin(farm: Farm) -> Person:
    """One who logged in."""
    ann, email = Person(farm.http, farm.gateway.url), f"{uuid4()}@example.org"
    account = {"email": email, "password": "a long password"}
    await ann.call("POST", "/auth/register", {**account, "name": "Ann"})
    await farm.owner.execute("UPDATE users SET role = 'admin' WHERE email = $1", email)
    _, answer = await ann.call("POST", "/auth/login", account)
    ann.headers = {"Authorization": f"Bearer {answer['access_token']}"}
    return ann


@pytest.mark.parametrize(
    ("second", "verdict", "became"), [(EXACT, "exact", "refuted"), (OFF, "doubtful", "open")]
)
async def test_a_suspicion_is_shown_to_admins_while_it_waits_and_to_its_owner_afterwards(
    farm: Farm, second: Any, verdict: str, became: str
) -> None:
    accuser = await farm.checker("olga", OFF)
    node = await farm.liar(delivers)
    await farm.place()
    ann, desk = await admin(farm), CheckDesk(farm.gateway.gateway.database)

    async def told(person: Person, word: str) -> Any:
        _, found = await person.call("GET", f"/nodes/{node.node_id}/checks")
        return next((one for one in found["checks"] if one["became"] == word), None)

    seen = await until(lambda: told(ann, "waits"), within=WITHIN)
    assert (seen["verdict"], seen["suspicion"]) == (None, "0.9 times the noise")
    assert seen["suspected_by"] == str(accuser.node_id)
    [row] = await desk.page(None, Wanted(verdict="suspected"), 10)
    assert (row.said, row.suspected_by, row.became) == (seen["suspicion"], "olga-1", "waits")
    assert await desk.counts(None, row.opened_at) == {"suspected": 1}
    await nothing_tells_its_owner(farm, node.node_id, desk)
    await farm.checker("otto", second)
    seen = await until(lambda: told(farm.operators["eve"], became), within=WITHIN)
    assert (seen["verdict"], seen["suspected_by"]) == (verdict, None)
    [row] = await desk.page(None, Wanted(verdict=verdict), 10)
    assert (row.suspicion, row.suspected_by) == ("0.9 times the noise", "olga-1")
    await farm.sound()


async def nothing_tells_its_owner(farm: Farm, node: str, desk: CheckDesk) -> None:
    """That somebody looks at what it delivered, or has found something."""
    eve = farm.operators["eve"]
    _, found = await eve.call("GET", f"/nodes/{node}/checks")
    [one] = found["checks"]
    assert (one["verdict"], one["said"], one["decided_at"]) == (None, "", None)
    assert {one["suspicion"], one["suspected_by"], one["became"]} == {None}
    query = "SELECT drawn FROM checks WHERE node_id = $1"
    assert await farm.owner.fetchval(query, node) is True, "its session drew"
    owner = await farm.owner.fetchval("SELECT owner_id FROM nodes WHERE id = $1", node)
    [row] = await desk.page(owner, Wanted(), 10)
    assert (row.verdict, row.said, row.suspicion, row.became) == ("pending", "", None, None)
    assert await desk.page(owner, Wanted(verdict="suspected"), 10) == []
    assert await desk.counts(owner, row.opened_at) == {"pending": 1}
