"""The Anchor over a faulty node: no anchor is lost or doubled, and no nonce is used twice."""

import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import pytest_asyncio
from eth_account import Account

from actors.anchor.actor import AnchorActor
from actors.anchor.policy import AnchorSettings
from actors.kernel import Actor
from actors.ports import ChainUnavailable
from sql.anchors import Anchors
from sql.database import Database
from sql.halts import Halts
from supervisors.chain_audit import audit_chain
from supervisors.child import Child
from supervisors.engines.anvil import ChainEndpoint
from supervisors.engines.chain_web3 import Web3Chain
from supervisors.engines.current_endpoint import CurrentEndpoint
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.faults.chain import RECEIPT, SEND, FaultyNode
from tests.faults.chain_troubles import (
    ANYTHING_BY_DAY,
    AT_ANYTHING,
    AT_SENDING,
    LATE_SECONDS,
    NONSENSE,
    SENDING_BY_DAY,
)
from tests.integration.conformance.conftest import sql_stage
from tests.integration.engines.test_anchor_on_a_node import rpc
from tests.integration.sql.test_anchor import Scene as Log
from tests.support.anchors_on_chain import anchors_on
from tests.support.databases import fetch, findings
from tests.support.examples import chosen, series
from tests.support.until import until
from tests.twins.signer import TwinSigner

# If a node does not answer, web3 asks for the tip in another way and warns of it.
OTHER_WAY = "ignore:There was an issue with the method eth_maxPriorityFeePerGas"
pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings(OTHER_WAY)]
CALL_SECONDS = 0.6 * LATE_SECONDS
SIZE = "0x949d225d"  # selector of the contract's function for the number of anchored leaves
FOR_EVER = -1
TIMES = chosen(day=5, night=20)
STORM_ROUNDS = 15
BY_DAY = (b"<html>", b'{"jsonrpc": "2.0", "id": 0, "result": null}')


@attrs.frozen
class Scene:
    """A growing log; ``truth`` asks the chain's node directly, the Anchor goes through the faulty
    ``node``.
    """

    log: Log
    node: FaultyNode
    truth: Web3Chain
    books: PostgresEndpoint
    anvil: ChainEndpoint

    async def rows(self) -> list[Any]:
        return list(
            await fetch(self.books.owner_dsn, "SELECT * FROM chain_transactions ORDER BY nonce")
        )

    async def grown(self) -> int:
        return (await self.log.grow())[0]

    async def anchored(self, size: int) -> None:
        """Wait until an anchor of ``size`` leaves is confirmed."""

        async def done() -> bool:
            return any(
                (row["size"], row["state"]) == (size, "CONFIRMED") for row in await self.rows()
            )

        await until(done)

    async def failed(self) -> bool:
        return any(row["state"] == "FAILED" for row in await self.rows())

    async def asked(self, more: int) -> None:
        """Wait until the node got ``more`` further calls."""
        wanted = self.node.calls + more
        await until(lambda: self.node.calls >= wanted)

    async def check(self, *sizes: int) -> None:
        """Check that the chain has exactly these anchors in this order, and that database, log and
        audits agree.
        """
        rows = await self.rows()
        state = await self.truth.state()
        assert [row["nonce"] for row in rows] == list(range(state.nonce))
        assert {row["state"] for row in rows} == {"CONFIRMED"}, rows
        (contract,) = {row["contract"] for row in rows}
        there = await anchors_on(self.truth, contract)
        kept = [(row["size"], row["root"], row["mined_hash"]) for row in rows if row["size"]]
        assert there == kept
        assert [size for size, _, _ in there] == list(sizes)
        assert await Halts(self.log.pool, chain=True).now() is None
        assert await findings(self.books.owner_dsn) == []
        assert await audit_chain(self.truth, self.log.anchors, self.log.stage.clock) == []


@pytest_asyncio.fixture(loop_scope="session")
async def node(anvil: ChainEndpoint) -> AsyncIterator[FaultyNode]:
    async with FaultyNode(anvil.url) as node:
        yield node


@pytest_asyncio.fixture(loop_scope="session")
async def scene(
    anvil: ChainEndpoint,
    node: FaultyNode,
    database: PostgresEndpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Scene]:
    """Yield a scene with a new account, so that other tests' nonces do not matter."""
    monkeypatch.setattr("actors.anchor.actor.AWAY_SECONDS", 0.05)
    monkeypatch.setattr("supervisors.engines.chain_web3.CALL_SECONDS", CALL_SECONDS)
    account: Any = Account.create()
    await rpc(anvil.url, "anvil_setBalance", account.address, hex(10**20))
    key = account.key.hex()
    truth, played = (
        Web3Chain(CurrentEndpoint(ChainEndpoint(url, anvil.chain_id, key)), fee_cap_gwei=100)
        for url in (anvil.url, node.url)
    )
    pool = Database(lambda: database.app_dsn)
    chain: Any = played
    yield Scene(Log(sql_stage(pool), chain, Anchors(pool), pool), node, truth, database, anvil)
    await pool.close()
    await truth.close()
    await played.close()


@asynccontextmanager
async def anchoring(scene: Scene, **settings: Any) -> AsyncGenerator[None]:
    """Run an Anchor until the block ends, without restarts after a crash."""
    words: dict[str, Any] = {"every_seconds": 0.01, "anchor_seconds": 0.0, **settings}
    chosen, log = AnchorSettings(**words), scene.log

    def make() -> Actor[Any]:
        return AnchorActor(
            log.chain, log.anchors, log.stage.clock, settings=chosen, signer=TwinSigner()
        )

    child = Child("anchor", make)
    outside = Supervisor("Outside", Strategy.ONE_FOR_ONE, Intensity(0, 1.0), [child])
    await outside.start()
    try:
        yield
    finally:
        await outside.stop()


async def test_answers_to_what_was_sent_are_swallowed_again_and_again(scene: Scene) -> None:
    lost, sizes = scene.node.swallow(SEND, times=FOR_EVER), list[int]()
    async with anchoring(scene):
        for _ in range(TIMES):
            sizes.append(await scene.grown())
            await scene.anchored(sizes[-1])
    assert lost.sprung >= TIMES + 1  # plus one for the contract
    await scene.check(*sizes)


@pytest.mark.parametrize("name", series(AT_SENDING, SENDING_BY_DAY))
async def test_what_is_sent_meets_trouble(scene: Scene, name: str) -> None:
    trouble = AT_SENDING[name]
    made = trouble(scene.node)
    async with anchoring(scene):
        sizes = [await scene.grown()]  # the contract is deployed first
        await until(lambda: made.sprung)
        await scene.anchored(sizes[0])
        again = trouble(scene.node)
        sizes.append(await scene.grown())
        await until(lambda: again.sprung)
        await scene.anchored(sizes[1])
    await scene.check(*sizes)


@pytest.mark.parametrize("name", series(AT_ANYTHING, ANYTHING_BY_DAY))
async def test_whatever_is_asked_meets_trouble(scene: Scene, name: str) -> None:
    trouble = AT_ANYTHING[name]
    async with anchoring(scene):
        sizes = [await scene.grown()]
        await scene.anchored(sizes[0])
        snare = trouble(scene.node)
        sizes.append(await scene.grown())
        await until(lambda: snare.sprung >= 3)
        await scene.anchored(sizes[1])
    await scene.check(*sizes)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(body, id=str(number), marks=[] if body in BY_DAY else pytest.mark.nightly)
        for number, body in enumerate(NONSENSE)
    ],
)
async def test_a_node_that_babbles_is_one_that_is_away(scene: Scene, body: bytes) -> None:
    """A nonsensical answer to any call counts as an unreachable node."""
    async with anchoring(scene):
        sizes = [await scene.grown()]
        await scene.anchored(sizes[0])
        for method in (*ASKED_OF, ""):
            # Without the tip, web3 asks for it in another way instead of asking again.
            times = 1 if method == "eth_maxPriorityFeePerGas" else 2
            snare = scene.node.babble(method, body, times=times)
            if method in (SEND, "eth_estimateGas", "eth_maxPriorityFeePerGas", RECEIPT):
                sizes.append(await scene.grown())
            await until(lambda snare=snare, times=times: snare.sprung == times)  # type: ignore[misc]
            await scene.anchored(sizes[-1])
    await scene.check(*sizes)


ASKED_OF = (
    "eth_chainId",
    "eth_blockNumber",
    "eth_getTransactionCount",
    "eth_getBalance",
    "eth_call",
    "eth_maxPriorityFeePerGas",
    "eth_estimateGas",
    SEND,
    RECEIPT,
)


async def test_a_transaction_that_no_node_takes_is_made_anew(scene: Scene) -> None:
    """A nonsensical gas estimate made a transaction that can never be mined."""
    async with anchoring(scene, rebid_seconds=60.0):
        sizes = [await scene.grown()]
        await scene.anchored(sizes[0])
        wrong = scene.node.say("eth_estimateGas", hex(1 << 40))
        sizes.append(await scene.grown())
        await until(lambda: wrong.sprung)
        await scene.asked(20)
        scene.log.stage.clock.pass_by(61)
        await scene.anchored(sizes[1])
    await scene.check(*sizes)


async def test_an_anchor_has_gas_enough_though_a_lagging_node_estimated_it(scene: Scene) -> None:
    """A node that does not know the contract yet estimates hardly any gas for a call."""
    async with anchoring(scene):
        sizes = [await scene.grown()]
        await scene.anchored(sizes[0])

        async def lag() -> None:
            scene.node.lag = 2  # hides the contract and its first anchor

        estimated = scene.node.first("eth_estimateGas", lag)
        sizes.append(await scene.grown())
        await until(lambda: estimated.sprung)
        scene.node.mend()
        await until(lambda: are_settled(scene, 3))
        assert [row["error"] for row in await scene.rows()] == [None] * 3
        await scene.anchored(sizes[1])
    await scene.check(*sizes)


async def are_settled(scene: Scene, count: int) -> bool:
    """Return True if ``count`` transactions were made and none is pending."""
    rows = await scene.rows()
    return len(rows) == count and all(row["state"] != "PENDING" for row in rows)


async def test_another_transaction_under_its_number_is_believed_when_it_lasts(
    scene: Scene,
) -> None:
    """Somebody else used the key, so the anchor is sent again with the next nonce."""
    async with anchoring(scene, doubt_seconds=60.0):
        sizes = [await scene.grown()]
        await scene.anchored(sizes[0])
        gone = scene.node.say(RECEIPT, None, times=FOR_EVER)
        sizes.append(await scene.grown())
        await until(lambda: gone.sprung >= 5)
        assert [row["state"] for row in await scene.rows()][2:] == ["PENDING"]
        scene.log.stage.clock.pass_by(61)
        await until(scene.failed)


async def test_offers_do_not_pile_up_at_the_cap(scene: Scene, anvil: ChainEndpoint) -> None:
    """The chain's fees stay above the cap for days."""
    await rpc(anvil.url, "evm_setAutomine", False)
    async with anchoring(scene, rebid_seconds=60.0):
        due = await scene.grown()
        for _ in range(60):
            scene.log.stage.clock.pass_by(61)
            await scene.asked(15)
        rows = await scene.rows()
        await rpc(anvil.url, "evm_setAutomine", True)
        await rpc(anvil.url, "evm_mine")
        await scene.anchored(due)
    assert len(set(rows[0]["hashes"])) == len(rows[0]["hashes"]) < 50
    await scene.check(due)
    assert (await scene.truth.bid(raised=100_000)).most == 100 * 10**9


@pytest.mark.parametrize("how", series(["behind", "behind now and then"], ["behind now and then"]))
async def test_a_node_that_lags_behind_makes_nothing_be_anchored_twice(
    scene: Scene, how: str
) -> None:
    async with anchoring(scene):
        sizes = [await scene.grown()]
        await scene.anchored(sizes[0])
        for lag in (1, 2, 3):
            scene.node.lag, scene.node.flapping = lag, how == "behind now and then"
            sizes.append(await scene.grown())
            await scene.asked(100)
            scene.node.mend()
            await scene.anchored(sizes[-1])
    await scene.check(*sizes)


@pytest.mark.parametrize("how", ["silent", "away"])
async def test_a_log_grows_on_without_the_chain_and_one_anchor_covers_it(
    scene: Scene, how: str
) -> None:
    async with anchoring(scene):
        sizes = [await scene.grown()]
        await scene.anchored(sizes[0])
        if how == "silent":
            scene.node.hush()
        else:
            await scene.node.down()
        due = [await scene.grown() for _ in range(5)][-1]
        scene.node.speak()
        await scene.node.up()
        await scene.anchored(due)
        sizes.append(due)
    await scene.check(*sizes)


async def test_an_anchor_that_comes_while_the_contract_is_read_is_no_other_log(
    scene: Scene,
) -> None:
    """The size is read before a block and the root after it, so together they match no log."""
    async with anchoring(scene):
        sizes = [await scene.grown()]
        await scene.anchored(sizes[0])
        await rpc(scene.anvil.url, "evm_setAutomine", False)
        sent = scene.node.swallow(SEND)
        sizes.append(await scene.grown())
        await until(lambda: sent.sprung)

        async def then() -> None:
            scene.node.first("eth_call", mined)

        async def mined() -> None:
            await rpc(scene.anvil.url, "evm_mine")

        torn = scene.node.first(SIZE, then)
        await until(lambda: torn.sprung)
        await scene.asked(20)
        await rpc(scene.anvil.url, "evm_setAutomine", True)
        await scene.anchored(sizes[-1])
    await scene.check(*sizes)


async def test_an_answer_without_an_end_is_not_read_to_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervisors.engines.chain_web3.CALL_SECONDS", 30.0)
    scene.node.flood()
    with pytest.raises(ChainUnavailable):
        await scene.log.chain.state()
    assert scene.node.flooded < 100 << 20


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(1, 6))]
)
async def test_two_gateways_in_a_storm_anchor_each_root_once(scene: Scene, seed: int) -> None:
    """Faults and reorganisations come at any time; afterwards another Anchor completes the work.

    The first two Anchors may have asked the node during the faults, and may record its answers
    later.
    """
    chance = random.Random(seed)
    troubles = [*AT_SENDING.values(), *AT_ANYTHING.values()]
    # The account's funds are in no block: a rollback to before these blocks would take them away.
    await rpc(scene.anvil.url, "anvil_mine", hex(STORM_ROUNDS))
    async with anchoring(scene), anchoring(scene):
        await scene.anchored(await scene.grown())
        for _ in range(STORM_ROUNDS):
            for trouble in chance.sample(troubles, 2):
                trouble(scene.node)
            scene.node.lag, scene.node.flapping = chance.randint(0, 2), chance.random() < 0.5
            await scene.grown()
            await scene.asked(chance.randint(1, 60))
            if chance.random() < 0.3:
                await rpc(scene.anvil.url, "anvil_rollback", 1)
            if chance.random() < 0.5:
                scene.node.mend()
    scene.node.mend()
    async with anchoring(scene):
        due = await scene.grown()
        await scene.anchored(due)
        await until(lambda: all_confirmed(scene))
    await scene.check(*[row["size"] for row in await scene.rows() if row["size"]])


async def all_confirmed(scene: Scene) -> bool:
    return {row["state"] for row in await scene.rows()} == {"CONFIRMED"}
