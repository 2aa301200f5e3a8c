"""Who is suspected is seen, and what became of it; by whom, admins see alone."""

from typing import Any
from uuid import uuid4

import pytest

from sql.check_desk import CheckDesk, Wanted
from tests.integration.liars.test_liars import EXACT, OFF, WITHIN, Farm, delivers, farm
from tests.readers import Person
from tests.until import until

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
async def test_a_suspicion_is_shown_while_it_waits_and_afterwards(
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
    await farm.checker("otto", second)
    seen = await until(lambda: told(farm.operators["eve"], became), within=WITHIN)
    assert (seen["verdict"], seen["suspected_by"]) == (verdict, None)
    [row] = await desk.page(None, Wanted(verdict=verdict), 10)
    assert (row.suspicion, row.suspected_by) == ("0.9 times the noise", "olga-1")
    await farm.sound()
