"""Log leaves that a reopening gave up: the answer about such an entry says that there may be no
proof.
"""

from typing import Any
from uuid import uuid4

from rendertrust.client import LeavesGivenUp, NotFound
from rendertrust.client.errors import refusal
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.web.test_anchors import wait_until_verified
from tests.integration.web.test_halts import anchor_unknown_leaves, begin_epoch, deduct, halted
from tests.integration.web.test_halts import chain as chain  # noqa: PLC0414 - a fixture
from tests.integration.web.test_halts import gateway as gateway  # noqa: PLC0414 - a fixture
from tests.support.databases import connected
from tests.support.proof_readers import Person
from tests.support.until import until
from tests.support.whole_gateway import Whole
from tests.twins.chain import ChainTwin

ABSENT = "Entry not found"


async def test_an_entry_that_is_not_there_may_have_been_given_up(
    gateway: Whole, creator: Person, chain: ChainTwin
) -> None:
    entry = await creator.deduct()
    await wait_until_verified(creator, entry)
    asked = [f"/ledger/{word}/{what}" for word in (999, uuid4()) for what in ("proof", "verify")]
    for path in asked:
        status, before = await creator.answered("GET", path)
        assert (status, before["detail"], "given_up" in before) == (404, ABSENT, False)
        assert type(refusal(404, before)) is NotFound
    await anchor_unknown_leaves(chain, 50)
    await halted(creator)
    row = await begin_epoch(gateway, chain)
    assert row.size > row.leaf_index
    for path in asked:
        status, found = await creator.answered("GET", path)
        assert status == 404
        assert f"leaves {row.leaf_index} to {row.size - 1} of the log" in found["detail"]
        assert "no proof of it can be made" in found["detail"]
        (gone,) = found["given_up"]
        wanted = (2, row.leaf_index, row.size - 1)
        assert (gone["epoch"], gone["first"], gone["last"]) == wanted
        error = refusal(404, found)
        assert isinstance(error, LeavesGivenUp)
        assert [one["last"] for one in error.given_up] == [row.size - 1]
    assert (await creator.answered("GET", f"/ledger/{entry['entry_id']}/proof"))[0] == 200


async def test_an_entry_that_somebody_removed_is_said_to_be(
    gateway: Whole, creator: Person, chain: ChainTwin, database: PostgresEndpoint
) -> None:
    """The log still has the entry's leaf, so the reopening did not give the entry up."""
    await wait_until_verified(creator, await creator.deduct())
    await anchor_unknown_leaves(chain, 50)
    await halted(creator)
    await begin_epoch(gateway, chain)

    async def goes_on() -> Any:
        status, found = await deduct(creator, "after the epoch began")
        return found if status == 200 else None

    number = (await until(goes_on))["entry_id"]
    assert (await creator.answered("GET", f"/ledger/{number}/proof"))[0] == 200
    async with connected(database.owner_dsn) as owner:
        await owner.execute("ALTER TABLE transfers DISABLE TRIGGER USER")
        await owner.execute("DELETE FROM transfers WHERE id = ($1::bigint + 1) / 2", number)
    for what in ("proof", "verify"):
        status, found = await creator.answered("GET", f"/ledger/{number}/{what}")
        assert (status, "given_up" in found) == (404, False)
        assert "somebody removed it" in found["detail"]
    status, found = await creator.answered("GET", "/ledger/9999/proof")
    assert status == 404
    assert "removed" not in found["detail"]


async def test_where_nothing_was_given_up_nothing_is_said_of_it(
    gateway: Whole, creator: Person, chain: ChainTwin
) -> None:
    """The epoch began although the chain had no more leaves than the database."""
    await wait_until_verified(creator, await creator.deduct())
    async with gateway.gateway.database.transaction() as connection:
        await connection.execute(
            "INSERT INTO epochs (number, leaf_index, leaf, origin, chain_id, contract, size, root,"
            " sender, nonce, at) SELECT 2, size, 'x', 'y', 1, 'z', size, root, 's', 0, now()"
            " FROM log_head"
        )
    _, found = await creator.answered("GET", "/ledger/999/proof")
    assert (found["detail"], "given_up" in found) == (ABSENT, False)
