"""A database replaced by an older copy: the gateway's file has a checkpoint that the database
lacks.
"""

import contextlib
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import attrs
import pytest

from rendertrust.checkpoint import Checkpoint
from rendertrust.consistency import names
from rendertrust.epoch import NO_CHAIN, NOWHERE
from rendertrust.proof_check import read_epochs
from sql.anchors import Anchors
from sql.audit_log import Act
from sql.database import Database
from sql.database_swap import connected
from sql.epochs import ChainPosition, EpochRow, reopen
from sql.fsck import run_fsck
from sql.halts import BEHIND, Halted, Halts, SeenHead
from supervisors.chain_audit import see
from supervisors.engines.postgres import PostgresEndpoint
from supervisors.engines.system_clock import SystemClock
from tests.integration.web.test_halts import SETTINGS, deduct, halted, ready
from tests.support.databases import execute, with_database
from tests.support.http_gateway import settings_for_tests
from tests.support.proof_readers import Person, holds
from tests.support.until import until
from tests.support.whole_gateway import Whole, whole
from tests.twins.chain import CHAIN_ID, SENDER, ChainTwin
from web.log.newest_checkpoint import FileMemory, is_newer

Json = dict[str, Any]
NOW = datetime(2026, 3, 13, 12, tzinfo=UTC)
CLOCK = SystemClock()


@attrs.define
class Machine:
    """A database that can be copied and restored, a chain, and the gateway's own file."""

    database: PostgresEndpoint
    chain: ChainTwin
    http: aiohttp.ClientSession
    file: Path

    @contextlib.asynccontextmanager
    async def gateway(
        self, file: Path | None = None, *, chain: bool = True
    ) -> AsyncGenerator[tuple[Whole, Person]]:
        settings = settings_for_tests(credits={"starter": "100"}, proof={"checkpoint_seconds": 0.1})
        memory = FileMemory(file or self.file)
        anchoring = (self.chain, SETTINGS) if chain else None
        async with whole(self.database, settings, anchoring=anchoring, memory=memory) as running:
            yield running, Person(self.http, running.url)

    @property
    def kept(self) -> Json:
        found: Json = json.loads(self.file.read_text())
        return found

    @property
    def name(self) -> str:
        return urlsplit(self.database.owner_dsn).path.removeprefix("/")

    async def copy(self) -> None:
        await self._do(f"CREATE DATABASE {self.name}_copy TEMPLATE {self.name}")

    async def put_back(self) -> None:
        await self._do(f"DROP DATABASE {self.name}")
        await self._do(f"CREATE DATABASE {self.name} TEMPLATE {self.name}_copy")

    async def forget(self) -> None:
        await self._do(f"DROP DATABASE IF EXISTS {self.name}_copy")

    async def _do(self, statement: str) -> None:
        await execute(with_database(self.database.owner_dsn, "postgres"), statement)


@pytest.fixture
async def machine(
    database: PostgresEndpoint,
    http: aiohttp.ClientSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncGenerator[Machine]:
    monkeypatch.setattr("actors.anchor.actor.AWAY_SECONDS", 0.05)
    monkeypatch.setattr("sql.halts.FRESH_SECONDS", 0.05)
    machine = Machine(database, ChainTwin(), http, tmp_path / "log-seen")
    yield machine
    await machine.forget()


async def proved(person: Person, number: int) -> Json:
    async def done() -> Json | None:
        status, proof = await person.call("GET", f"/ledger/{number}/proof")
        return proof if status == 200 and holds(proof) else None

    found = await until(done)
    assert found is not None
    return found


async def deduct_when_accepted(person: Person, reference: str) -> int:
    """Wait until a deduction is accepted, and return the number of its entry."""

    async def done() -> int | None:
        status, found = await deduct(person, reference)
        return int(found["entry_id"]) if status == 200 else None

    found = await until(done)
    assert found is not None
    return found


async def reason_of_refusal(person: Person, reference: str) -> str:
    """Wait for the reason why deductions are refused, and check that no deduction is accepted
    meanwhile.
    """

    async def why() -> str | None:
        status, found = await deduct(person, reference)
        assert status == 503, found
        detail = str(found["detail"])
        return detail if "until somebody has" in detail or "by a copy" in detail else None

    found = await until(why)
    assert found is not None
    return found


async def make_history(machine: Machine) -> Person:
    """Make Jane's first entry before the copy and two after it, restore the copy, and return
    Jane.
    """
    async with machine.gateway() as (_, jane):
        await jane.register()
        await proved(jane, await deduct_when_accepted(jane, "first"))
    await machine.copy()
    async with machine.gateway() as (_, again):
        again.headers = jane.headers
        await proved(again, await deduct_when_accepted(again, "second"))
        machine.chain.away = True  # checkpoints from here on are not anchored
        proof = await proved(again, await deduct_when_accepted(again, "third"))
        await until(lambda: machine.kept["size"] >= proof["tree_size"])
    await machine.put_back()
    return jane


async def begin_epoch(machine: Machine) -> EpochRow:
    """Begin an epoch as `chain reopen` does, where the chain has nothing that the database
    lacks.
    """
    pool, chain = Database(lambda: machine.database.app_dsn), machine.chain
    seen, now = await see(chain, Anchors(pool), CLOCK), CLOCK.now()
    assert seen.newest is not None
    there = ChainPosition(
        CHAIN_ID, str(seen.contract), seen.newest.size, seen.newest.root, SENDER, seen.state.nonce
    )
    act = Act(now, None, "me", "chain.reopen", "log", "why")
    row = await reopen(pool, there, now, lambda _: act)
    await pool.close()
    return row


async def test_not_one_write_is_taken_and_nothing_signed_while_the_chain_is_away(
    machine: Machine,
) -> None:
    jane = await make_history(machine)
    before = machine.kept
    async with machine.gateway() as (running, again):
        again.headers = jane.headers
        for number in range(5):  # the first request is refused, too
            why = await reason_of_refusal(again, str(number))
            assert f"a checkpoint of {before['size']} leaves" in why, why
        with pytest.raises(Halted):
            async with running.store.transaction():
                pass
        _, newest = await again.answered("GET", "/ledger/checkpoint")
        assert newest["size"] < before["size"]
        assert (await again.answered("GET", "/credits/balance"))[0] == 200
        assert "chain reopen" in await halted(again)
    assert machine.kept == before
    async with connected(machine.database.app_dsn) as connection:
        (found,) = await run_fsck(connection)
    assert (found.invariant, found.subject) == ("I12", f"checkpoint {before['size']}")


async def test_the_chains_word_does_not_end_it_and_an_epoch_does(machine: Machine) -> None:
    jane = await make_history(machine)
    before = machine.kept
    machine.chain.away = False
    machine.chain.lose(1)  # remove the anchor that the copy lacks
    async with machine.gateway() as (_, again):
        again.headers = jane.headers
        looks = machine.chain.looks
        await until(lambda: machine.chain.looks > looks + 3)
        await reason_of_refusal(again, "no")
        assert (await again.answered("GET", "/ledger/checkpoint"))[1]["size"] < before["size"]
        row = await begin_epoch(machine)

        proof = await proved(again, await deduct_when_accepted(again, "yes"))
        assert proof["checkpoint"].startswith(f"{row.origin}\n")
        await until(lambda: machine.kept["origin"] == row.origin)
    async with machine.gateway() as (_, again):
        again.headers = jane.headers
        await deduct_when_accepted(again, "after a start")
    other = machine.file.with_name("another gateway's")
    other.write_text(json.dumps(before))
    async with machine.gateway(other) as (_, again):
        again.headers = jane.headers
        await deduct_when_accepted(again, "at another gateway")
        assert (await ready(again))["log"]["halted"] is None


async def test_without_a_chain_the_file_halts_it_too_and_an_epoch_names_what_was_lost(
    machine: Machine,
) -> None:
    async with machine.gateway(chain=False) as (_, jane):
        await jane.register()
        await proved(jane, await deduct_when_accepted(jane, "first"))
    await machine.copy()
    async with machine.gateway(chain=False) as (_, again):
        again.headers = jane.headers
        lost = await proved(again, await deduct_when_accepted(again, "second"))
        await until(lambda: machine.kept["size"] >= lost["tree_size"])
    await machine.put_back()
    before = machine.kept
    async with machine.gateway(chain=False) as (_, again):
        again.headers = jane.headers
        assert "chain reopen" in await reason_of_refusal(again, "no")
        assert machine.kept == before

        pool, now = Database(lambda: machine.database.app_dsn), CLOCK.now()
        there = ChainPosition(
            NO_CHAIN, NOWHERE, before["size"], bytes.fromhex(before["root"]), "", 0
        )
        act = Act(now, None, "me", "chain.reopen", "log", "why")
        row = await reopen(pool, there, now, lambda _: act)
        await pool.close()
        proof = await proved(again, await deduct_when_accepted(again, "yes"))
        assert proof["checkpoint"].startswith(f"{row.origin}\n")
        size = proof["tree_size"]
        listed = read_epochs((await again.answered("GET", f"/ledger/epochs?size={size}"))[1])
        assert not isinstance(listed, str)
        (link,) = listed
        kept = Checkpoint(before["origin"], before["size"], bytes.fromhex(before["root"]), NOW)
        newer = Checkpoint(row.origin, size, bytes.fromhex(proof["merkle_root"]), NOW)
        assert names([link], kept, newer) == link
    async with connected(machine.database.app_dsn) as connection:
        assert await run_fsck(connection) == []


async def test_a_copy_of_before_an_epoch_is_found_too(machine: Machine) -> None:
    jane = await make_history(machine)
    machine.chain.away = False
    row = None
    async with machine.gateway() as (_, again):
        again.headers = jane.headers
        await halted(again)
        row = await begin_epoch(machine)
        await until(lambda: machine.kept["origin"] == row.origin)
    await machine.put_back()
    machine.chain.away = True
    async with machine.gateway() as (_, again):
        again.headers = jane.headers
        assert row.origin in await reason_of_refusal(again, "no")
    assert machine.kept["origin"] == row.origin


async def test_a_file_that_lags_behind_or_is_lost_harms_nobody(machine: Machine) -> None:
    async with machine.gateway() as (_, jane):
        await jane.register()
        await proved(jane, await deduct_when_accepted(jane, "first"))
        await until(machine.file.exists)
        old = machine.file.read_text()
        await proved(jane, await deduct_when_accepted(jane, "second"))
        await until(lambda: machine.file.read_text() != old)
    machine.file.write_text(old)
    async with machine.gateway() as (_, again):
        again.headers = jane.headers
        await deduct_when_accepted(again, "one")
    machine.file.unlink()
    async with machine.gateway() as (_, again):
        again.headers = jane.headers
        await deduct_when_accepted(again, "two")
        await until(machine.file.exists)


async def test_a_gateway_that_signs_nothing_learns_what_the_other_one_signed(
    machine: Machine,
) -> None:
    async with machine.gateway() as (_, jane):
        await jane.register()
        await proved(jane, await deduct_when_accepted(jane, "first"))
    other = machine.file.with_name("other")
    async with machine.gateway(other):
        await until(other.exists)
    assert json.loads(other.read_text()) == machine.kept


async def test_what_is_noted_is_there_after_a_start_and_never_goes_back(tmp_path: Path) -> None:
    path = tmp_path / "log-seen"
    memory = FileMemory(path)
    assert memory.head is None
    first = SeenHead("log", 5, b"a" * 32, NOW)
    later = NOW + timedelta(seconds=1)
    for head, kept in (
        (first, first),
        (SeenHead("log", 4, b"b" * 32, later), first),
        (SeenHead("log/epoch/2-00000000", 3, b"c" * 32, NOW - timedelta(seconds=1)), first),
    ):
        await memory.note(head)
        assert memory.head == FileMemory(path).head == kept
    assert path.stat().st_mode & 0o777 == 0o600
    epoch = SeenHead("log/epoch/2-00000000", 3, b"c" * 32, later)
    await memory.note(epoch)
    assert FileMemory(path).head == epoch
    assert not is_newer(epoch, epoch)
    (tmp_path / "log-seen").unlink()
    assert memory.head is None
    tmp_path.chmod(0o500)
    # the failed write is logged, not raised
    await memory.note(SeenHead("log/epoch/2-00000000", 9, b"d" * 32, later))
    tmp_path.chmod(0o700)


async def test_who_looked_before_the_epoch_halts_nobody_after_it(machine: Machine) -> None:
    """A gateway may compare the logs before an admin reopens the log, and record its finding only
    afterwards.
    """
    await make_history(machine)
    machine.chain.away = False
    head = FileMemory(machine.file).head
    assert isinstance(head, SeenHead)
    pool = Database(lambda: machine.database.app_dsn)
    found = await Halts(pool, chain=True, seen=lambda: head).now()
    assert found is not None
    assert found.reason == BEHIND
    await begin_epoch(machine)
    kept = (found.found_at, found.size, found.root, found.origin, found.seen_at)
    await pool.execute("halts_behind", *kept)
    assert await Halts(pool, chain=True, seen=lambda: head).now() is None
    assert await Halts(pool, chain=True).now() is None
    await pool.close()
