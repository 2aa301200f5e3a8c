"""Before its verdict nothing tells an owner whether a result of theirs was drawn."""

from sql.check_desk import CheckDesk, Wanted
from tests.integration.liars.test_liars import WITHIN, Farm, delivers, farm
from tests.support.until import until

__all__ = ["farm"]


async def test_nothing_tells_its_owner_that_a_result_was_drawn(farm: Farm) -> None:
    """It waits for a verifier; a second one, which was not drawn, looks the same."""
    node = await farm.liar(delivers)
    for _ in range(2):
        await farm.place()
    eve, desk = farm.operators["eve"], CheckDesk(farm.gateway.gateway.database)

    async def both() -> bool:
        query = "SELECT count(*) FROM checks WHERE state = 'PENDING' AND drawn"
        return bool(await farm.owner.fetchval(query) == 2)

    await until(both, within=WITHIN)
    await farm.owner.execute(
        "UPDATE checks SET drawn = false"
        " WHERE job_id = (SELECT max(job_id::text)::uuid FROM checks)"
    )
    _, found = await eve.call("GET", f"/nodes/{node.node_id}/checks")
    told = [{n: v for n, v in one.items() if n not in DIFFER} for one in found["checks"]]
    assert told[0] == told[1]
    assert (told[0]["verdict"], told[0]["said"], told[0]["decided_at"]) == (None, "", None)
    assert not {"drawn", "odds"} & told[0].keys()
    owner = await farm.owner.fetchval("SELECT owner_id FROM nodes WHERE id = $1", node.node_id)
    rows = await desk.page(owner, Wanted(), 10)
    assert {(row.verdict, row.said, row.verifier_name) for row in rows} == {("pending", "", None)}


DIFFER = ("job_id", "opened_at")
