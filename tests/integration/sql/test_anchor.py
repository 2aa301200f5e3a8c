"""Tests of the Anchor over PostgreSQL and the chain's twin: a crash at any step leaves no duplicate
nonce and no gap.
"""

import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

from actors.anchor.actor import AnchorActor
from actors.anchor.messages import Anchor
from actors.anchor.policy import AnchorSettings
from actors.kernel import Actor, Ref
from actors.ports import Anchored, AnchorStore
from sql.anchors import AnchorRow, Anchors, SentRow
from sql.database import Database, Unavailable
from sql.halts import Halts, read_backlog
from supervisors.chain_audit import ForeignLog, audit_chain, make_contract
from supervisors.child import Child
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.integration.conformance.conftest import sql_stage
from tests.integration.conformance.stage import Stage
from tests.integration.conformance.test_log import ask_for_checkpoint, post_transfers, sequencing
from tests.support.databases import execute, findings
from tests.support.examples import series
from tests.support.until import until
from tests.twins.chain import CHAIN_ID, SENDER, ChainTwin
from tests.twins.signer import TwinSigner


@attrs.define
class Scene:
    """A growing log, a chain twin and the database rows that connect them."""

    stage: Stage
    chain: ChainTwin
    anchors: Anchors
    pool: Database

    async def grow(self) -> tuple[int, bytes]:
        """Add two entries to the log and a checkpoint that covers them."""
        async with sequencing(self.stage) as ref:
            await post_transfers(self.stage, 1)
            await ask_for_checkpoint(ref)
        due = await self.anchors.due()
        assert due is not None
        return due

    async def page(self) -> list[AnchorRow]:
        return list(await self.anchors.page(None, 100, 0))

    async def anchored(self, size: int) -> None:
        """Wait until an anchor of ``size`` leaves is confirmed."""

        async def done() -> bool:
            return any((row.size, row.state) == (size, "CONFIRMED") for row in await self.page())

        await until(done)

    async def check(self, *anchors: tuple[int, bytes]) -> None:
        """Check that the chain has exactly these anchors, each in its own transaction."""
        sent = await self.anchors.sent(CHAIN_ID, SENDER, 0)
        assert [row.nonce for row in sent] == list(range(len(self.chain.blocks)))
        contract = sent[0].contract
        found = [b for b in self.chain.blocks if b.get("to") == contract]
        assert [(b["size"], b["root"]) for b in found] == [(s, r.hex()) for s, r in anchors]
        assert await self.chain.newest(contract) == Anchored(*anchors[-1])


@pytest.fixture
async def scene(database: PostgresEndpoint) -> AsyncIterator[Scene]:
    pool = Database(lambda: database.app_dsn)
    yield Scene(sql_stage(pool), ChainTwin(), Anchors(pool), pool)
    await pool.close()


@asynccontextmanager
async def anchoring(
    scene: Scene, store: AnchorStore | None = None, **settings: Any
) -> AsyncGenerator[Ref[Anchor]]:
    """Run an Anchor until the block ends; a supervisor restarts it after a crash."""
    words: dict[str, Any] = {"every_seconds": 0.01, "anchor_seconds": 0.0, **settings}
    chosen = AnchorSettings(**words)

    def make() -> Actor[Anchor]:
        return AnchorActor(
            scene.chain,
            store or scene.anchors,
            scene.stage.clock,
            settings=chosen,
            signer=TwinSigner(),
        )

    child = Child("anchor", make)
    outside = Supervisor("Outside", Strategy.ONE_FOR_ONE, Intensity(1000, 1.0), [child])
    await outside.start()
    try:
        yield child.ref
    finally:
        await outside.stop()


async def test_checkpoints_are_anchored_one_after_the_other(scene: Scene) -> None:
    first = await scene.grow()
    async with anchoring(scene):
        await scene.anchored(first[0])
        second = await scene.grow()
        await scene.anchored(second[0])
    await scene.check(first, second)
    newest, oldest = await scene.page()
    assert (newest.size, newest.root, newest.state) == (*second, "CONFIRMED")
    assert newest.block_number == 3
    assert oldest.confirmed_at is not None


async def test_an_anchor_is_confirmed_when_it_is_deep_and_kept(scene: Scene) -> None:
    due = await scene.grow()
    async with anchoring(scene):
        await until(lambda: len(scene.chain.blocks) == 2)
        scene.chain.kept = False
    async with anchoring(scene, confirmations=2):
        looks = scene.chain.looks
        await until(lambda: scene.chain.looks >= looks + 5)
        scene.chain.kept = True
        await until(lambda: scene.chain.looks >= looks + 10)
        (row,) = await scene.page()
        assert (row.state, row.confirmed_at) == ("PENDING", None)  # no block was mined on top of it
    async with anchoring(scene):
        await scene.anchored(due[0])
    await scene.check(due)


@pytest.mark.parametrize("blocks", series([1, 2, 3], [2]))
async def test_what_the_chain_loses_is_sent_again_as_it_was(scene: Scene, blocks: int) -> None:
    first = await scene.grow()
    async with anchoring(scene):
        await scene.anchored(first[0])
        second = await scene.grow()
        await scene.anchored(second[0])
        before = list(scene.chain.blocks)
        scene.chain.lose(blocks)
        await until(lambda: len(scene.chain.blocks) == len(before))
        await scene.anchored(second[0])
        assert scene.chain.blocks == before
        third = await scene.grow()
        await scene.anchored(third[0])
    await scene.check(first, second, third)


async def test_a_chain_that_is_away_costs_nothing_but_time(scene: Scene) -> None:
    scene.chain.away = True
    async with anchoring(scene):
        await scene.grow()
        due = await scene.grow()
        scene.chain.away = False
        await scene.anchored(due[0])
    await scene.check(due)


async def test_a_chain_that_is_down_for_an_hour_leaves_one_anchor_for_all_of_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.anchor.actor.AWAY_SECONDS", 0.01)
    first = await scene.grow()
    async with anchoring(scene, anchor_seconds=300.0):
        await scene.anchored(first[0])
        scene.chain.away, due = True, first
        for _ in range(6):
            due = await scene.grow()  # the log grows and gets new checkpoints meanwhile
            scene.stage.clock.pass_by(600)
        backlog = await read_backlog(scene.pool)
        assert backlog is not None
        assert (backlog.size, backlog.anchored) == (due[0], first[0])
        assert len(scene.chain.blocks) == 2
        scene.chain.away = False
        await scene.anchored(due[0])
    await scene.check(first, due)


async def test_a_transaction_that_waits_for_too_long_offers_more(scene: Scene) -> None:
    due = await scene.grow()
    scene.chain.mining = False
    async with anchoring(scene, rebid_seconds=60.0):
        await until(lambda: 0 in scene.chain.waiting)
        first = scene.chain.waiting[0]
        scene.stage.clock.pass_by(61)
        await until(lambda: scene.chain.waiting[0] != first)
        scene.chain.mining = True
        scene.chain.mine()
        await scene.anchored(due[0])
    await scene.check(due)
    deployed = (await scene.anchors.sent(CHAIN_ID, SENDER, 0))[0]
    assert len(deployed.hashes) == 2


async def test_anchors_keep_their_distance_over_a_restart_too(scene: Scene) -> None:
    first = await scene.grow()
    async with anchoring(scene, anchor_seconds=60.0):
        await scene.anchored(first[0])
    second = await scene.grow()
    sent, looks = scene.chain.sent, scene.chain.looks
    async with anchoring(scene, anchor_seconds=60.0):
        await until(lambda: scene.chain.looks >= looks + 5)
        assert scene.chain.sent == sent
        scene.stage.clock.pass_by(60)
        await scene.anchored(second[0])


async def test_two_gateways_use_no_number_twice(scene: Scene) -> None:
    anchors: list[tuple[int, bytes]] = []
    async with anchoring(scene), anchoring(scene), anchoring(scene):
        for _ in range(5):
            anchors.append(await scene.grow())
            await scene.anchored(anchors[-1][0])
    await scene.check(*anchors)


class FailingAtRandom:
    """An anchor store and a chain whose steps fail at random, before or after they take effect."""

    def __init__(self, scene: Scene, seed: int) -> None:
        self._store, self._chance = scene.anchors, random.Random(seed)
        self._chain_send = scene.chain.send
        scene.chain.send = self._send  # type: ignore[method-assign]
        self.calm = False

    def _perhaps(self) -> None:
        if not self.calm and self._chance.random() < 0.3:
            raise ZeroDivisionError("as if killed here")

    async def _send(self, raw: bytes) -> None:
        self._perhaps()
        await self._chain_send(raw)
        self._perhaps()

    async def sent(self, chain_id: int, sender: str, nonce: int) -> Any:
        if not self.calm and self._chance.random() < 0.1:
            raise Unavailable("away")
        return await self._store.sent(chain_id, sender, nonce)

    async def failed(self, chain_id: int, sender: str, nonce: int, limit: int) -> Any:
        return await self._store.failed(chain_id, sender, nonce, limit)

    async def due(self) -> Any:
        return await self._store.due()

    async def keep(self, row: Any) -> bool:
        self._perhaps()
        kept = await self._store.keep(row)
        self._perhaps()
        return kept

    async def rebid(self, row: Any, raw: bytes, name: str, at: Any) -> bool:
        self._perhaps()
        return await self._store.rebid(row, raw, name, at)

    async def become(self, row: Any, state: str, at: Any, became: Any) -> None:
        self._perhaps()
        await self._store.become(row, state, at, became)
        self._perhaps()

    async def unknown(self, chain_id: int, sender: str, nonce: int) -> Any:
        return await self._store.unknown(chain_id, sender, nonce)

    async def own(self, size: int) -> Any:
        return await self._store.own(size)

    async def halt(self, halt: Any) -> None:
        await self._store.halt(halt)

    async def resume(self) -> None:
        await self._store.resume()


@pytest.mark.parametrize("seed", series(range(6), [0]))
async def test_deaths_at_every_step_make_no_hole_and_anchor_nothing_twice(
    scene: Scene, seed: int
) -> None:
    dying, chance = FailingAtRandom(scene, seed), random.Random(seed)
    async with anchoring(scene, dying):
        for number in range(4):
            await scene.grow()
            if number % 2 and scene.chain.blocks:
                scene.chain.lose(chance.randint(1, len(scene.chain.blocks)))
        dying.calm = True
        due = await scene.anchors.due()
        assert due is not None
        await scene.anchored(due[0])

        async def kept() -> bool:  # the chain may have just lost a confirmed transaction
            return len(await scene.anchors.sent(CHAIN_ID, SENDER, 0)) == len(scene.chain.blocks)

        await until(kept)
    sent = await scene.anchors.sent(CHAIN_ID, SENDER, 0)
    assert [row.nonce for row in sent] == list(range(len(scene.chain.blocks)))
    sizes = [row.size for row in sent if row.size is not None]
    assert sizes == sorted(set(sizes))
    assert await scene.chain.newest(sent[0].contract) == Anchored(*due)


async def anchor_unknown_leaves(
    scene: Scene, contract: str, anchor: Anchored, previous: bytes
) -> None:
    """Put an anchor on the chain that the database does not know of."""
    nonce, bid = len(scene.chain.blocks), await scene.chain.bid()
    signed = await scene.chain.sign_anchor(contract, anchor, previous, nonce, bid)
    await scene.chain.send(signed.raw)


async def wait_for_halt(scene: Scene) -> str:
    """Wait for the halt and return its reason; check that the Anchor sends nothing afterwards."""

    async def found() -> str | None:
        halt = await Halts(scene.pool, chain=True).now()
        return None if halt is None else halt.reason

    async with anchoring(scene):
        reason = await until(found)
        assert reason is not None
        sent, looks = scene.chain.sent, scene.chain.looks
        await until(lambda: scene.chain.looks >= looks + 5)
        assert scene.chain.sent == sent
    return reason


async def contract_of(scene: Scene) -> str:
    return (await scene.anchors.sent(CHAIN_ID, SENDER, 0))[0].contract


@pytest.mark.parametrize(("further", "why"), [(50, "AHEAD"), (1, "OTHER")])
async def test_a_chain_with_another_log_than_the_databases_halts_it(
    scene: Scene, further: int, why: str
) -> None:
    """The chain has more leaves than the log, or a different root for the same leaves."""
    due = await scene.grow()
    async with anchoring(scene):
        await scene.anchored(due[0])
    contract = await contract_of(scene)
    await anchor_unknown_leaves(scene, contract, Anchored(due[0] + further, b"r" * 32), due[1])
    await scene.grow()
    assert await wait_for_halt(scene) == why


async def test_an_anchor_whose_contract_nobody_knows_any_more_is_found(
    scene: Scene, database: PostgresEndpoint
) -> None:
    """After a restore from before the first anchor, the contract is found by the sender's
    nonces.
    """
    due = await scene.grow()
    async with anchoring(scene):
        await scene.anchored(due[0])
    contract = await contract_of(scene)
    await anchor_unknown_leaves(scene, contract, Anchored(due[0] + 50, b"r" * 32), due[1])
    await execute(database.owner_dsn, "DELETE FROM chain_transactions")
    assert await wait_for_halt(scene) == "AHEAD"


async def sql(endpoint: PostgresEndpoint, statement: str) -> None:
    """Run a statement as the owner of the database."""
    await execute(endpoint.owner_dsn, statement)


async def test_a_contract_of_the_log_that_the_database_lacks_gets_no_second_one_beside_it(
    scene: Scene, database: PostgresEndpoint
) -> None:
    async with anchoring(scene):
        await scene.anchored((await scene.grow())[0])
    contract = await contract_of(scene)
    await sql(database, "DELETE FROM chain_transactions")
    await scene.grow()
    sent, looks = scene.chain.sent, scene.chain.looks
    async with anchoring(scene):
        await until(lambda: scene.chain.looks >= looks + 5)
    assert scene.chain.sent == sent
    assert ("I12", f"contract {contract}") in await findings_of(scene, database)
    with pytest.raises(ForeignLog, match="chain reopen"):
        await make_contract(
            scene.chain, scene.anchors, scene.stage.clock, AnchorSettings(), lambda told: None
        )


async def test_an_earlier_contract_that_nobody_knows_any_more_is_found(
    scene: Scene, database: PostgresEndpoint
) -> None:
    async with anchoring(scene):
        await scene.anchored((await scene.grow())[0])
    first = await contract_of(scene)
    await sql(database, "DELETE FROM chain_transactions")
    await deploy_another(scene)
    assert ("I12", f"contract {first}") in await findings_of(scene, database)


async def deploy_another(scene: Scene) -> None:
    """Deploy a second contract of the same sender, and record its transaction in the database."""
    nonce = len(scene.chain.blocks)
    signed = await scene.chain.sign_deploy(nonce, await scene.chain.bid())
    named = (CHAIN_ID, SENDER, nonce, str(signed.contract), None, None, signed.raw)
    now = scene.stage.clock.now()
    await scene.anchors.keep(SentRow(*named, (signed.hash,), "PENDING", None, now))
    await scene.chain.send(signed.raw)


NEWEST = "WHERE size = (SELECT max(size) FROM chain_transactions)"
FAILED = "state = 'FAILED', block_number = NULL, confirmed_at = NULL, note = NULL"


@pytest.mark.parametrize(
    "change",
    [FAILED, "note = 'x'", "note = replace(note, 'block ', 'block 1')", "block_number = 9"],
)
async def test_an_anchors_row_that_is_changed_is_found(
    scene: Scene, database: PostgresEndpoint, change: str
) -> None:
    async with anchoring(scene):
        await scene.anchored((await scene.grow())[0])
        size, _ = await scene.grow()
        await scene.anchored(size)
    assert await findings_of(scene, database) == []
    await sql(database, f"UPDATE chain_transactions SET {change} {NEWEST}")
    assert ("I12", f"anchor {size}") in await findings_of(scene, database)


async def findings_of(scene: Scene, endpoint: PostgresEndpoint) -> list[tuple[str, str]]:
    """Return the findings of fsck, including findings that need the chain."""
    all_ = list(await findings(endpoint.app_dsn))
    all_ += await audit_chain(scene.chain, scene.anchors, scene.stage.clock)
    return [(found.invariant, found.subject) for found in all_]


@pytest.mark.parametrize("nonce", series([0, 1, 2, 3], [0, 2]))
async def test_an_anchors_row_that_is_removed_is_found(
    scene: Scene, database: PostgresEndpoint, nonce: int
) -> None:
    async with anchoring(scene):
        for _ in range(3):
            await scene.anchored((await scene.grow())[0])
    assert await findings_of(scene, database) == []
    await execute(database.owner_dsn, "DELETE FROM chain_transactions WHERE nonce = $1", nonce)
    found = await findings_of(scene, database)
    name = "contract" if nonce == 0 else f"transaction {nonce} of"
    assert [subject for kind, subject in found if kind == "I12" and name in subject], found


@pytest.mark.parametrize("root", ["ab" * 32, None])
async def test_an_anchor_that_the_chain_has_not_is_found(
    scene: Scene, database: PostgresEndpoint, root: str | None
) -> None:
    async with anchoring(scene):
        for _ in range(2):
            await scene.anchored((await scene.grow())[0])
    if root is None:
        scene.chain.lose(1)
    else:
        scene.chain.blocks[1]["root"] = root
    found = await findings_of(scene, database)
    assert [subject for kind, subject in found if kind == "I12" and "anchor " in subject], found


async def test_of_numbers_that_nobody_knows_the_first_and_the_newest_are_looked_at(
    scene: Scene,
) -> None:
    """However old the restored backup is, one of the first unknown nonces made the contract."""
    for nonce, count in ((0, 0), (3, 3), (256, 256), (5000, 256 + 1024)):
        found = await scene.anchors.unknown(CHAIN_ID, SENDER, nonce)
        assert (len(found), sorted(set(found))) == (count, list(found))
        assert list(found[:3]) == list(range(min(nonce, 3)))
    assert found[-1] == 4999
    due = await scene.grow()
    async with anchoring(scene):
        await scene.anchored(due[0])
    assert list(await scene.anchors.unknown(CHAIN_ID, SENDER, 4)) == [2, 3]
