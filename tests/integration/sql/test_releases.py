"""Effect of a release from quarantine on a node's strikes, for quarantines by an admin and by the
Verifier.
"""

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import attrs
import pytest

from sql.audit_log import Act
from sql.database import Connection, Database
from sql.nodes import NewChallenge, NewNode, Nodes, StandingChange
from sql.query_loader import QUERIES
from sql.reputation_rules import STRIKES_MOST, Record, strikes_of
from sql.store import SqlStore
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.conformance.conftest import sql_stage
from tests.integration.conformance.stage import Stage

CHECK = """
INSERT INTO checks (job_id, unit, attempt, node_id, device_class, verified, share_percent,
                    window_seconds, opened_at, state, verdict, said, decided_at, verifier_id,
                    strike)
VALUES ($1, 0, 7, $2, $3, true, 70, 60, now(), 'DECIDED', $4, '', now(), $5, $4 = 'invalid')
"""


@attrs.define
class OwnedNodes:
    """Nodes of one owner, with the verdicts and admin decisions on them."""

    stage: Stage
    nodes: Nodes
    database: Database
    owner: UUID

    async def node(self) -> UUID:
        """Register and verify a new node of the owner."""
        node, now = uuid4(), datetime.now(UTC)
        key = NewNode(node, "box", node.bytes * 2, ("render",), {})
        await self.nodes.insert(
            key, NewChallenge(node.bytes * 2, self.owner, now + timedelta(hours=1))
        )
        assert await self.nodes.verify(node.bytes * 2, node, now) is not None
        return node

    async def add_verdicts(self, node: UUID, letters: str, device_class: str = "cpu") -> list[UUID]:
        """Record verdicts on a node's work ('v' valid, 'm' strike); return the jobs."""
        return [await self._add_verdict(node, letter, device_class) for letter in letters]

    async def _add_verdict(self, node: UUID, letter: str, device_class: str) -> UUID:
        _, other, job = await self.stage.dispatched(100)
        verdict = "invalid" if letter == "m" else "exact"
        async with self.database.connection() as connection:
            await connection.execute(CHECK, job, node, device_class, verdict, other)
        return job

    async def quarantine_as_verifier(self, node: UUID) -> bool:
        """Quarantine a node as the Verifier does; return True if this changed anything."""
        [*records] = await self.nodes.records([node])
        return await self.quarantine_for(node, records)

    async def quarantine_for(self, node: UUID, records: Sequence[Record]) -> bool:
        """Quarantine a node for these records; return True if this changed anything."""
        act = Act(datetime.now(UTC), None, "verifier", "node.quarantine", f"node:{node}", "it lied")
        released_at = records[0].released_at if records else None
        return await SqlStore(self.database).quarantine(node, released_at, act) is not None

    async def set_standing(self, node: UUID, standing: str) -> None:
        shown = await self.nodes.shown(node)
        assert shown is not None
        word = StandingChange(node, shown.standing.version, standing, "as an admin says")
        assert await self.nodes.stand(word, None) is not None

    async def quarantine_and_release(self, node: UUID) -> None:
        """Quarantine a node as an admin, and release it."""
        await self.set_standing(node, "QUARANTINED")
        await self.set_standing(node, "ACTIVE")

    async def strikes(self, node: UUID) -> int:
        return strikes_of(await self.nodes.records([node]))

    async def streak(self, node: UUID) -> int:
        [record] = await self.nodes.records([node])
        return record.reputation.valid_in_row

    async def standing(self, node: UUID) -> str:
        shown = await self.nodes.shown(node)
        assert shown is not None
        return shown.standing.name


@pytest.fixture
async def owned(database: PostgresEndpoint) -> AsyncGenerator[OwnedNodes]:
    pool = Database(lambda: database.owner_dsn)
    stage = sql_stage(pool)
    yield OwnedNodes(stage, Nodes(pool), pool, await stage.user())
    await pool.close()


@pytest.mark.parametrize("letters", ["", "vvv", "mv", "mvmvv"])
async def test_a_quarantine_by_hand_and_its_release_change_nothing(
    owned: OwnedNodes, letters: str
) -> None:
    node = await owned.node()
    await owned.add_verdicts(node, letters)
    before = await owned.nodes.records([node])
    await owned.quarantine_and_release(node)
    assert await owned.nodes.records([node]) == before


async def test_who_is_released_after_his_third_lie_begins_with_two(owned: OwnedNodes) -> None:
    node = await owned.node()
    await owned.add_verdicts(node, "mvmm")
    assert await owned.quarantine_as_verifier(node)
    await owned.set_standing(node, "ACTIVE")
    assert (await owned.strikes(node), await owned.streak(node)) == (STRIKES_MOST - 1, 0)
    await owned.add_verdicts(node, "v")
    before = await owned.nodes.records([node])
    await owned.quarantine_and_release(node)
    assert await owned.nodes.records([node]) == before, (
        "a later quarantine by an admin, and its end, change no record"
    )
    await owned.add_verdicts(node, "m")
    assert await owned.strikes(node) == STRIKES_MOST


async def test_a_record_from_before_a_release_that_had_begun_quarantines_nobody(
    owned: OwnedNodes,
) -> None:
    """Only an admin could end a second quarantine."""
    node = await owned.node()
    await owned.add_verdicts(node, "mmm")
    assert await owned.quarantine_as_verifier(node)
    async with owned.database.transaction() as release:  # begins before the record is read
        await release.fetchrow(QUERIES["node_caught"], node)
        read = await owned.nodes.records([node])
        assert strikes_of(read) == STRIKES_MOST
        assert await release.fetchrow(
            QUERIES["node_stand"], *(node, 1, "ACTIVE", "released", True, None)
        )
    assert not await owned.quarantine_for(node, read)
    assert await owned.standing(node) == "ACTIVE"


async def test_the_third_lie_that_is_found_in_a_quarantine_by_hand_counts(
    owned: OwnedNodes,
) -> None:
    """The quarantine gets the Verifier's reason; after release the node has two strikes and stays
    active.
    """
    node = await owned.node()
    await owned.add_verdicts(node, "mm")
    await owned.set_standing(node, "QUARANTINED")
    await owned.add_verdicts(node, "m")
    assert await owned.quarantine_as_verifier(node)
    assert not await owned.quarantine_as_verifier(node), "quarantined only once"
    shown = await owned.nodes.shown(node)
    assert shown is not None
    assert (shown.standing.name, shown.standing_reason) == ("QUARANTINED", "it lied")
    await owned.set_standing(node, "QUARANTINED")
    await owned.add_verdicts(node, "v" * 3)
    await owned.set_standing(node, "ACTIVE")
    assert await owned.strikes(node) == STRIKES_MOST - 1


async def test_a_new_key_of_whose_other_is_in_quarantine_begins_with_two(owned: OwnedNodes) -> None:
    first = await owned.node()
    await owned.set_standing(first, "QUARANTINED")
    again = await owned.node()
    assert await owned.standing(again) == "QUARANTINED"
    await owned.set_standing(again, "QUARANTINED")
    for node, strikes in ((again, STRIKES_MOST - 1), (first, 0)):
        await owned.set_standing(node, "ACTIVE")
        await owned.add_verdicts(node, "v")
        assert await owned.strikes(node) == strikes


@pytest.mark.parametrize(("withdrawn", "strikes"), [(1, 2), (2, 1), (3, 0)])
async def test_strikes_that_were_withdrawn_are_none_at_a_release(
    owned: OwnedNodes, withdrawn: int, strikes: int
) -> None:
    node = await owned.node()
    jobs = await owned.add_verdicts(node, "mmm")
    assert await owned.quarantine_as_verifier(node)
    async with owned.database.connection() as connection:
        await withdraw(connection, jobs[:withdrawn])
    await owned.set_standing(node, "ACTIVE")
    await owned.add_verdicts(node, "v")
    assert await owned.strikes(node) == strikes


async def withdraw(connection: Connection, jobs: list[UUID]) -> None:
    await connection.execute("UPDATE checks SET withdrawn = true WHERE job_id = ANY($1)", jobs)
