"""Transactions that the Anchor recorded as failed although the chain has them."""

import hashlib

import pytest

from actors.anchor.actor import AnchorActor
from actors.anchor.policy import AnchorSettings
from actors.ports import Anchored
from sql.anchors import CONFIRMED, FAILED, SentRow, TransactionOutcome
from sql.fsck import audit_within
from supervisors.chain_audit import audit_chain
from tests.integration.sql.test_anchor import Scene
from tests.integration.sql.test_anchor import scene as scene  # noqa: PLC0414 - a fixture
from tests.twins.chain import CHAIN_ID, SENDER
from tests.twins.signer import TwinSigner

SETTINGS = AnchorSettings(anchor_seconds=0.0, doubt_seconds=60.0)
LONG = 61.0


def gateway(scene: Scene) -> AnchorActor:
    """Return an Anchor that works only when a test calls it."""
    clock = scene.stage.clock
    return AnchorActor(scene.chain, scene.anchors, clock, settings=SETTINGS, signer=TwinSigner())


async def anchored(scene: Scene, anchor: AnchorActor) -> tuple[int, bytes]:
    """Grow the log and let this gateway anchor it; return the size and the root."""
    due = await scene.grow()
    for _ in range(10):
        await anchor.run_once()
        if any((row.size, row.state) == (due[0], CONFIRMED) for row in await scene.page()):
            return due
    raise AssertionError(f"{due[0]} leaves are not anchored: {await scene.page()}")


async def rows(scene: Scene) -> list[SentRow]:
    return list(await scene.anchors.sent(CHAIN_ID, SENDER, 0))


async def check(scene: Scene, *anchors: tuple[int, bytes]) -> None:
    """Check that the chain has these anchors, all transactions are confirmed and audits find
    nothing.
    """
    await scene.check(*anchors)
    assert [row.state for row in await rows(scene)] == [CONFIRMED] * (1 + len(anchors))
    async with scene.pool.transaction(within=60, snapshot=True) as connection:
        assert not (await audit_within(connection)).findings
    assert await audit_chain(scene.chain, scene.anchors, scene.stage.clock) == []


@pytest.mark.parametrize("nonce", [0, 1, 2], ids=["contract", "anchor", "newest anchor"])
async def test_what_failed_is_confirmed_when_it_is_found_on_the_chain(
    scene: Scene, nonce: int
) -> None:
    anchor = gateway(scene)
    sizes = [await anchored(scene, anchor), await anchored(scene, anchor)]
    row, lost = (
        (await rows(scene))[nonce],
        TransactionOutcome(error="another transaction has used its number"),
    )
    await scene.anchors.become(row, FAILED, scene.stage.clock.now(), lost)
    anchor = gateway(scene)
    sizes.append(await anchored(scene, anchor))
    await check(scene, *sizes)


async def test_it_is_looked_for_again_and_again_while_the_gateway_runs(scene: Scene) -> None:
    anchor = gateway(scene)
    sizes = [await anchored(scene, anchor)]
    sizes.append(await scene.grow())
    await anchor.run_once()
    scene.chain.blind = True
    await anchor.run_once()
    scene.stage.clock.pass_by(LONG)
    await anchor.run_once()
    assert (await rows(scene))[-1].state == FAILED
    for _ in range(3):
        scene.stage.clock.pass_by(LONG)
        await anchor.run_once()
    scene.chain.blind = False
    scene.stage.clock.pass_by(LONG)
    for _ in range(3):
        await anchor.run_once()
    await check(scene, *sizes)


async def test_what_the_contract_refused_stays_failed(scene: Scene) -> None:
    """The transaction is in a block, but the contract reverted it."""
    anchor = gateway(scene)
    await anchored(scene, anchor)
    contract, (size, root) = (await rows(scene))[0].contract, await scene.grow()
    nonce, bid = len(scene.chain.blocks), await scene.chain.bid()
    wrong = await scene.chain.sign_anchor("0x404", Anchored(size, root), b"x" * 32, nonce, bid)
    raw = wrong.raw.replace(b"0x404", contract.encode())
    name = "0x" + hashlib.sha256(raw).hexdigest()
    named = (CHAIN_ID, SENDER, nonce, contract, size, root, raw, (name,))
    await scene.anchors.keep(SentRow(*named, "PENDING", None, scene.stage.clock.now()))
    for _ in range(4):
        await anchor.run_once()
        scene.stage.clock.pass_by(LONG)
    failed = await scene.anchors.failed(CHAIN_ID, SENDER, nonce + 1, 16)
    assert [row.nonce for row in failed] == [nonce]
    assert await scene.chain.newest(contract) == Anchored(size, root), "another one anchored it"


async def test_a_doubt_from_long_ago_proves_nothing(scene: Scene) -> None:
    """One gateway once missed a transaction that another gateway confirmed.

    When the chain loses the transaction much later, the time of the first miss must not count.
    """
    one, other = gateway(scene), gateway(scene)
    sizes = [await anchored(scene, one)]
    sizes.append(await scene.grow())
    await one.run_once()
    scene.chain.blind = True
    await one.run_once()
    scene.chain.blind = False
    sizes.append(await anchored(scene, other))
    await one.run_once()
    scene.stage.clock.pass_by(LONG)
    scene.chain.lose(2)
    await one.run_once()
    scene.chain.blind = True
    await one.run_once()
    assert FAILED not in {row.state for row in await rows(scene)}
    scene.chain.blind = False
    for _ in range(3):
        await one.run_once()
    await check(scene, *sizes)
