"""Cost of the log: for the Ledger, in memory, and for verification.

    python -m bench.log [--leaves 1000000] [--transfers 20000] [--rounds 5]

Proofs and their verification are timed for a tree in memory with ``--leaves`` leaves. Then
transfers are posted in batches of 256: without a Sequencer, with the usual Sequencer, and with a
Sequencer that never pauses, in turns. Goals: with the Sequencer at least 0.9 of the rate without
it, and 100,000 proofs a second.
"""

import argparse
import asyncio
import os
import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from statistics import median

from actors.ledger.effects import Transfer
from actors.ledger.messages import Commit
from actors.ports import Clock
from actors.sequencer.log_growth import grow
from bench.probe import Table, fdatasync_rate, machine
from rendertrust import log_tiles, merkle
from rendertrust.leaf import SALTS_BYTES
from rendertrust.log_tiles import TilePlace, TreeEdge
from rendertrust.proof_builder import LogTree, TileHashes
from sql.account_names import user_account
from sql.books import TransferRow
from sql.database import Database
from sql.migrate import migrate
from supervisors.engines.engine_account import engine_account
from supervisors.engines.postgres import EmbeddedPostgres
from supervisors.engines.system_clock import SystemClock
from tests.integration.conformance.conftest import sql_stage
from tests.integration.conformance.stage import Stage, fresh_id
from tests.integration.conformance.test_log import sequencing, wait_until_covered
from tests.support.engines import engine_folder

ACCOUNTS, BATCH = 1000, 256
EVERY_SECONDS = 0.5


class Timeless(SystemClock):
    """A clock that stands still, so that the Sequencer never pauses."""

    def monotonic(self) -> float:
        return 0.0


# The clock of each contestant's Sequencer.
CONTESTANTS: dict[str, Clock | None] = {
    "alone": None,
    "with the Sequencer": SystemClock(),
    "with one that never pauses": Timeless(),
}


def per_second(count: int, work: Callable[[], object]) -> str:
    """Return the number of tasks that ``work`` does per second of CPU time."""
    begun = time.process_time()
    work()
    return f"{count / (time.process_time() - begun):,.0f}"


def in_memory(leaves: int) -> Table:
    """Measure appending, proving and verifying over this many leaves."""
    table = Table(f"{leaves:,} leaves in memory", "per second of CPU")
    hashes = [merkle.leaf_hash(b"%d" % number) for number in range(leaves)]
    edge, made = TreeEdge(), dict[TilePlace, bytes]()

    def append() -> None:
        for found in hashes:
            made.update({tile.place: tile.hashes for tile in edge.append(found)})

    table.add("leaf hashes appended", per_second(leaves, append))
    partial = {place: row for place, row in rows_of(hashes).items() if place not in made}
    rows = {place: TileHashes(row) for place, row in (made | partial).items()}
    tree, root = LogTree(leaves, rows.__getitem__), edge.root()
    assert tree.root() == root
    chance = random.Random(1)
    asked = [chance.randrange(leaves) for _ in range(50_000)]
    proofs: list[list[bytes]] = []

    def prove() -> None:
        proofs.extend(tree.inclusion(index) for index in asked)

    prove()  # the first proof computes the hashes over each tile
    proofs.clear()
    table.add("inclusion proofs", per_second(len(asked), prove))

    def verify() -> None:
        for index, proof in zip(asked, proofs, strict=True):
            assert merkle.verify_inclusion(hashes[index], index, leaves, proof, root)

    table.add("inclusion proofs verified", per_second(len(asked), verify))
    sizes = sorted(chance.randrange(1, leaves) for _ in range(5000))

    def consist() -> None:
        for size in sizes:
            tree.consistency(size)

    consist()
    table.add("consistency proofs", per_second(len(sizes), consist))
    shown = [(size, tree.consistency(size), older(rows, size)) for size in sizes[::10]]

    def follow() -> None:
        for size, proof, before in shown:
            assert merkle.verify_consistency(size, leaves, proof, before, root)

    table.add("consistency proofs verified", per_second(len(shown), follow))
    transfers = [transfer(number) for number in range(1, 20_001)]
    salts = os.urandom(SALTS_BYTES * len(transfers))
    grown = per_second(len(transfers), lambda: grow(TreeEdge(), transfers, salts))
    table.add("transfers made to leaves", grown)
    return table


def older(rows: dict[TilePlace, TileHashes], size: int) -> bytes:
    """Return the root of the first ``size`` leaves."""
    return LogTree(size, rows.__getitem__).root()


def rows_of(hashes: list[bytes]) -> dict[TilePlace, bytes]:
    """Return the log tiles of all levels, including incomplete tiles."""
    found: dict[TilePlace, bytes] = {}
    level, row = 0, hashes
    while row:
        parts = [b"".join(row[at : at + 256]) for at in range(0, len(row), 256)]
        found |= {TilePlace(level, index): part for index, part in enumerate(parts)}
        row = [log_tiles.tile_root(part) for part in parts if len(part) == 256 * 32]
        level += 1
    return found


def transfer(number: int) -> TransferRow:
    """Return a transfer like those in the books."""
    payer = f"user:{fresh_id()}"
    return TransferRow(
        debit=payer,
        credit="revenue",
        subject=payer,
        amount=100_000,
        kind="USAGE",
        reference=f"job:{fresh_id()}:0",
        description="Job execution: render",
        created_at=datetime(2026, 3, 13, tzinfo=UTC),
        key=fresh_id(),
        debit_version=number,
        credit_version=number,
        debit_after=9_900_000,
        credit_after=100_000 * number,
        id=number,
    )


async def post(stage: Stage, people: list[str], transfers: int) -> tuple[float, float]:
    """Post transfers; return their number per second, and per second of this process's CPU time."""
    chance = random.Random(transfers)
    begun, used = time.perf_counter(), time.process_time()
    for _ in range(0, transfers, BATCH):
        pairs = [chance.sample(people, 2) for _ in range(BATCH)]
        await stage.commit(*(Commit((move(*pair),)) for pair in pairs))
    passed, spent = time.perf_counter() - begun, time.process_time() - used
    return transfers / passed, transfers / spent


def move(debit: str, credit: str) -> Transfer:
    return Transfer(debit, credit, debit, 1, "REFUND", str(fresh_id()), "Job execution: render")


async def beside_the_ledger(stage: Stage, transfers: int, rounds: int) -> Table:
    """Measure the Ledger alone, with the Sequencer, and with one that never pauses, in turns."""
    stage.clock = SystemClock()  # type: ignore[assignment]
    people = [user_account(await stage.user(1_000_000)) for _ in range(ACCOUNTS)]
    found: dict[str, list[tuple[float, float, int]]] = {}
    size = ACCOUNTS
    async with sequencing(stage, clock=Timeless()):
        await wait_until_covered(stage, size)
    for _ in range(rounds):
        for name, clock in CONTESTANTS.items():
            async with AsyncExitStack() as stack:
                if clock is not None:
                    beside = sequencing(stage, every_seconds=EVERY_SECONDS, clock=clock)
                    await stack.enter_async_context(beside)
                rate, cpu = await post(stage, people, transfers)
                look = await stage.store.log_look(1)  # type: ignore[attr-defined]
            found.setdefault(name, []).append((rate, cpu, look.head.size - size))
            size += -(-transfers // BATCH) * BATCH
            async with sequencing(stage, clock=Timeless()):
                await wait_until_covered(stage, size)
    return summary_table(found)


def summary_table(found: dict[str, list[tuple[float, float, int]]]) -> Table:
    """Return the medians, and their ratio to the Ledger alone."""
    table = Table("the Ledger", "transfers/s", "of alone", "per CPU second", "leaves appended")
    medians = {
        name: [median(column) for column in zip(*rows, strict=True)] for name, rows in found.items()
    }
    for name, (rate, cpu, taken) in medians.items():
        part = rate / medians["alone"][0]
        table.add(name, f"{rate:,.0f}", f"{part:.2f}", f"{cpu:,.0f}", f"{taken:,.0f}")
    return table


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leaves", type=int, default=1_000_000)
    parser.add_argument("--transfers", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(machine())
    in_memory(options.leaves).print()
    with engine_folder() as folder:
        print(f"fdatasync: {fdatasync_rate(folder):,.0f}/s")
        engine = EmbeddedPostgres(folder / "data", account=engine_account())
        endpoint = await engine.start()
        await migrate(endpoint.owner_dsn)
        database = Database(lambda: endpoint.app_dsn)
        table = await beside_the_ledger(sql_stage(database), options.transfers, options.rounds)
        await database.close()
        await engine.stop()
    table.print()


if __name__ == "__main__":
    asyncio.run(main())
