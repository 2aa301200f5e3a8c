"""Anchors that were confirmed before the gateway signed notes on them get theirs afterwards."""

import asyncpg
import pytest

from rendertrust import anchor_note
from rendertrust.anchor_note import AnchorNote
from supervisors.engines.postgres import PostgresEndpoint
from tests.integration.sql.test_anchor import Scene, anchoring
from tests.integration.sql.test_anchor import scene as scene  # noqa: PLC0414 - a fixture
from tests.support.until import until
from tests.twins.chain import CHAIN_ID
from tests.twins.signer import TwinSigner


async def notes(database: PostgresEndpoint) -> dict[int, str | None]:
    """What was signed, by the anchors' sizes."""
    owner = await asyncpg.connect(database.owner_dsn)
    rows = await owner.fetch("SELECT size, note FROM chain_transactions WHERE size IS NOT NULL")
    await owner.close()
    return {row["size"]: row["note"] for row in rows}


async def forget(database: PostgresEndpoint) -> None:
    """As they were before notes were kept."""
    owner = await asyncpg.connect(database.owner_dsn)
    await owner.execute("UPDATE chain_transactions SET note = NULL, block_hash = NULL")
    await owner.close()


async def grown(scene: Scene, times: int) -> list[int]:
    """So many anchors, each confirmed."""
    sizes = list[int]()
    async with anchoring(scene):
        for _ in range(times):
            due = await scene.grow()
            await scene.anchored(due[0])
            sizes.append(due[0])
    return sizes


async def test_they_are_signed_by_what_the_chain_says_now(
    scene: Scene, database: PostgresEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same notes as if they had been signed then; however many there are."""
    monkeypatch.setattr("actors.anchor.older.AT_ONCE", 2)
    sizes = await grown(scene, 5)
    before = await notes(database)
    assert set(before) == set(sizes)
    await forget(database)
    assert await scene.anchors.noted() is None

    async def all_signed() -> bool:
        return None not in (await notes(database)).values()

    async with anchoring(scene):
        await until(all_signed)
    assert await notes(database) == before
    covering = await scene.anchors.covering(0)
    assert covering is not None
    assert covering.anchor is not None
    (verifier,) = TwinSigner().verifiers(covering.signed.origin)
    said = anchor_note.read(covering.anchor, verifier)
    assert isinstance(said, AnchorNote)
    assert (said.size, said.root) == (covering.signed.size, covering.signed.root)
    assert (said.transaction, said.block) == (covering.hash, covering.block_number)


async def test_what_the_chain_does_not_say_is_not_signed_and_hinders_nothing(
    scene: Scene, database: PostgresEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that somebody wrote by hand: another block, and another root than the contract has."""
    monkeypatch.setattr("actors.anchor.older.AT_ONCE", 2)
    first, second, third, fourth, fifth = await grown(scene, 5)
    await forget(database)
    owner = await asyncpg.connect(database.owner_dsn)
    for size, change in (
        (fourth, "block_number = block_number + 1"),
        (third, "root = sha256('another')"),
        (second, "hashes = ARRAY['0x00'], mined_hash = '0x00'"),
    ):
        await owner.execute(f"UPDATE chain_transactions SET {change} WHERE size = $1", size)
    await owner.close()

    async def is_signed() -> bool:
        found = await notes(database)
        return found[first] is not None and found[fifth] is not None

    async with anchoring(scene):
        await until(is_signed)
    found = await notes(database)
    assert {size for size, signed in found.items() if signed is None} == {second, third, fourth}


async def test_one_that_the_chain_took_back_meanwhile_gets_none(
    scene: Scene, database: PostgresEndpoint
) -> None:
    (size,) = await grown(scene, 1)
    await forget(database)
    (row,) = await scene.anchors.unnoted(CHAIN_ID, 10, 0)
    owner = await asyncpg.connect(database.owner_dsn)
    await owner.execute("UPDATE chain_transactions SET state = 'PENDING' WHERE size = $1", size)
    await owner.close()
    await scene.anchors.note(row, "a note")
    assert await notes(database) == {size: None}
