"""A gateway that keeps a checkpoint of another log, or something that nobody can read."""

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sql.audit import Audit
from sql.database import Database
from sql.halt import SeenHead, Unreadable
from sql.restoring import connected
from tests.integration.web.test_halts import halted, ready
from tests.integration.web.test_put_back import (
    NOW,
    Machine,
    entered,
    history,
    proved,
    refused,
)
from tests.integration.web.test_put_back import machine as machine  # noqa: PLC0414 - a fixture
from tests.support.until import until
from web.commands.chain import chain as command
from web.log.log_memory import FileMemory, memory_file, put_aside

OTHER = {"origin": "another.example/log", "size": 9, "root": "ab" * 32, "time": NOW.isoformat()}
KEPT = [json.dumps(OTHER), "", "{", "[]", '{"origin": "x"}', "\xff"]


@pytest.fixture
def data(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of the gateway whose file is the machine's, and its settings."""
    monkeypatch.setenv("RENDERTRUST_DATA", str(tmp_path))
    monkeypatch.setenv("RENDERTRUST_DATABASE_URL", machine.database.app_dsn)
    monkeypatch.setenv("RENDERTRUST_CHAIN_URL", "embedded")  # it is not asked
    machine.file = memory_file(tmp_path)
    machine.file.parent.mkdir()
    return tmp_path


async def reopen(*words: str) -> Any:
    """As somebody says it at the command line: with a loop of its own."""
    words = ("reopen", "--reason", "why", *words)
    call = partial(CliRunner().invoke, command, [*words], standalone_mode=False)
    return await asyncio.to_thread(call)


async def lifted() -> dict[str, Any]:
    ended = await reopen("--lift", "--yes", "--json")
    assert ended.exception is None, (ended.exception, ended.output)
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


async def noted(machine: Machine) -> None:
    """A log of its own, and Jane with an entry in it."""
    async with machine.gateway() as (_, jane):
        await jane.register()
        await proved(jane, await entered(jane, "first"))


async def halts_written(machine: Machine) -> int:
    async with connected(machine.database.app_dsn) as connection:
        return int(await connection.fetchval("SELECT count(*) FROM log_halt"))


@pytest.mark.parametrize("text", KEPT)
async def test_it_halts_its_own_gateway_alone_and_stays_as_it_is(
    machine: Machine, text: str
) -> None:
    other = machine.file.with_name("another gateway's")
    async with machine.gateway(other) as (_, jane):
        await jane.register()
        first = await entered(jane, "first")
    machine.file.write_text(text, "latin-1")
    async with machine.gateway() as (_, here), machine.gateway(other) as (_, there):
        here.headers = there.headers = jane.headers
        why = await refused(here, "no")
        assert "gateway/log-seen" in why
        assert "`rendertrust chain reopen --lift" in why
        assert ("another.example/log" in why) == (text == KEPT[0])
        assert "this gateway writes nothing" in await halted(here)
        await proved(there, await entered(there, "yes"))
        assert (await ready(there))["log"]["halted"] is None
        assert (await here.call("GET", "/credits/balance"))[0] == 200
        await proved(here, first)
        await refused(here, "still not")
    assert machine.file.read_text("latin-1") == text
    assert await halts_written(machine) == 0


async def test_it_signs_nothing(machine: Machine) -> None:
    """The database may be another one."""
    await noted(machine)
    machine.file.write_text(json.dumps(OTHER))
    async with connected(machine.database.owner_dsn) as connection:
        before = await connection.fetchval("SELECT max(size) FROM checkpoints")
        await connection.execute("DELETE FROM log_halt")
        async with machine.gateway() as (_, here):
            assert "another.example/log" in await halted(here)
            await connection.execute(
                "INSERT INTO transfers (debit, credit, subject, amount, kind, reference,"
                " created_at) SELECT a.id, b.id, a.id, 1, 'ADJUSTMENT', 'x', now()"
                " FROM accounts a, accounts b WHERE a.name = 'payouts' AND b.name = 'disputes'"
            )
            for name, amount in (("payouts", -1), ("disputes", 1)):
                await connection.execute(
                    "INSERT INTO entries (id, transfer_id, account_id, version, amount, before,"
                    " after, created_at) SELECT gen_random_uuid(), t.id, a.id, 1, $1, 0, $1, now()"
                    " FROM transfers t, accounts a WHERE t.reference = 'x' AND a.name = $2",
                    *(amount, name),
                )

            async def taken_up() -> bool:
                size = await connection.fetchval("SELECT size FROM log_head")
                return int(size) > int(before)

            await until(taken_up)
            await halted(here)
        assert await connection.fetchval("SELECT max(size) FROM checkpoints") == before


@pytest.mark.parametrize("text", KEPT[:3])
async def test_an_operator_puts_it_aside_and_the_gateway_goes_on(
    machine: Machine, data: Path, text: str
) -> None:
    await noted(machine)
    machine.file.write_text(text)
    async with machine.gateway() as (_, jane):
        await halted(jane)
        asked = await reopen("--lift")
        assert "Nobody said yes" in str(asked.exception)
        assert "Halted: " in asked.stderr
        found = await lifted()
        assert found["epoch"] is None
        aside = Path(found["aside"])
        assert aside.parent == machine.file.parent
        assert aside.read_text() == text
        await jane.register()
        proof = await proved(jane, await entered(jane, "yes"))
        assert "/epoch/" not in proof["checkpoint"]
        await until(lambda: machine.file.exists() and machine.kept["size"] >= proof["tree_size"])
    pool = Database(lambda: machine.database.app_dsn)
    (act,) = [one for one in await Audit(pool).page(None, None, 10) if one.act == "chain.lift"]
    await pool.close()
    assert (act.reason, act.details["file"]) == ("why", found["aside"])
    assert act.details["halt"] == ("STRANGE" if text == KEPT[0] else "UNREADABLE")
    assert "nothing is halted" in str((await reopen("--lift", "--yes")).exception)


async def test_a_checkpoint_of_a_copy_that_went_its_own_way_is_lifted_for_all(
    machine: Machine, data: Path
) -> None:
    """The same log by its name: the halt is everybody's, and so is its end."""
    await history(machine)
    machine.chain.away = False
    machine.chain.lose(1)  # the anchor that the database has not: the chain has nothing against it
    other = machine.file.with_name("another gateway's")
    other.write_text(machine.file.read_text())
    async with machine.gateway() as (_, jane), machine.gateway(other) as (_, again):
        why = await halted(jane)
        assert "`rendertrust chain reopen --lift` it goes on without one" in why
        found = await lifted()
        assert (found["epoch"], found["aside"]) == (None, None)
        for person in (jane, again):
            await person.register()
            proof = await proved(person, await entered(person, "yes"))
            assert "/epoch/" not in proof["checkpoint"]
    async with machine.gateway(other) as (_, person):  # after a start, too
        await person.register()
        await entered(person, "yes")
    assert await halts_written(machine) == 0


async def test_without_a_chain_it_halts_nothing_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "log-seen"
    for text in KEPT:
        path.write_text(text, "latin-1")
        memory = FileMemory(path)
        for size in (3, 99):
            await memory.note(SeenHead("log", size, b"r" * 32, NOW))
        assert path.read_text("latin-1") == text
        assert isinstance(memory.head, SeenHead if text == KEPT[0] else Unreadable)


async def test_what_saw_nothing_yet_gives_way(tmp_path: Path) -> None:
    """A log of no leaves is everybody's beginning."""
    path = tmp_path / "log-seen"
    path.write_text(json.dumps({**OTHER, "size": 0}))
    head = SeenHead("log", 3, b"r" * 32, NOW)
    memory = FileMemory(path)
    await memory.note(head)
    assert memory.head == FileMemory(path).head == head


async def test_what_is_put_aside_is_overwritten_by_nobody(tmp_path: Path) -> None:
    path, aside = tmp_path / "log-seen", tmp_path / "aside"
    path.write_text("x")
    aside.write_text("y")
    with pytest.raises(FileExistsError):
        put_aside(path, aside)
    aside.unlink()
    put_aside(path, aside)
    assert (path.exists(), aside.read_text()) == (False, "x")


async def test_the_chains_own_halt_is_not_lifted(
    machine: Machine, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await noted(machine)
    async with connected(machine.database.app_dsn) as connection:
        await connection.execute(
            "INSERT INTO log_halt (reason, found_at, chain_id, contract, size, root)"
            " VALUES ('AHEAD', now(), 1, '0x00', 99, $1)",
            b"r" * 32,
        )
    assert "without --lift asks the chain" in str((await reopen("--lift", "--yes")).exception)
    assert await halts_written(machine) == 1
