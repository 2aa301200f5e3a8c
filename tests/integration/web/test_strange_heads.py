"""A gateway whose kept checkpoint belongs to another log or cannot be read."""

import json
from pathlib import Path

import pytest

from sql.database_swap import connected
from sql.halts import SeenHead, UnreadableHead
from tests.integration.web.test_halts import halted, ready
from tests.integration.web.test_put_back import (
    NOW,
    Machine,
    deduct_when_accepted,
    proved,
    reason_of_refusal,
)
from tests.integration.web.test_put_back import machine as machine  # noqa: PLC0414 - a fixture
from tests.support.transfers import transfer_between
from tests.support.until import until
from web.log.newest_checkpoint import FileMemory

OTHER = {"origin": "another.example/log", "size": 9, "root": "ab" * 32, "time": NOW.isoformat()}
KEPT = [json.dumps(OTHER), "", "{", "[]", '{"origin": "x"}', "\xff"]


async def begin_log(machine: Machine) -> None:
    """Begin the machine's own log, with an entry by Jane."""
    async with machine.gateway() as (_, jane):
        await jane.register()
        await proved(jane, await deduct_when_accepted(jane, "first"))


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
        first = await deduct_when_accepted(jane, "first")
    machine.file.write_text(text, "latin-1")
    async with machine.gateway() as (_, here), machine.gateway(other) as (_, there):
        here.headers = there.headers = jane.headers
        why = await reason_of_refusal(here, "no")
        assert "gateway/log-seen" in why
        assert "move `gateway/log-seen` on this machine" in why
        assert ("another.example/log" in why) == (text == KEPT[0])
        assert "this gateway writes nothing" in await halted(here)
        await proved(there, await deduct_when_accepted(there, "yes"))
        assert (await ready(there))["log"]["halted"] is None
        assert (await here.call("GET", "/credits/balance"))[0] == 200
        await proved(here, first)
        await reason_of_refusal(here, "still not")
    assert machine.file.read_text("latin-1") == text
    assert await halts_written(machine) == 0


async def test_it_signs_nothing(machine: Machine) -> None:
    """The gateway cannot know whether it has the right database."""
    await begin_log(machine)
    machine.file.write_text(json.dumps(OTHER))
    async with connected(machine.database.owner_dsn) as connection:
        before = await connection.fetchval("SELECT max(size) FROM checkpoints")
        await connection.execute("DELETE FROM log_halt")
        async with machine.gateway() as (_, here):
            assert "another.example/log" in await halted(here)
            await connection.execute(transfer_between("payouts", "disputes"))

            async def taken_up() -> bool:
                size = await connection.fetchval("SELECT size FROM log_head")
                return int(size) > int(before)

            await until(taken_up)
            await halted(here)
        assert await connection.fetchval("SELECT max(size) FROM checkpoints") == before


@pytest.mark.parametrize("text", KEPT[:3])
async def test_an_operator_moves_it_away_and_the_gateway_goes_on(
    machine: Machine, text: str
) -> None:
    await begin_log(machine)
    machine.file.write_text(text)
    async with machine.gateway() as (_, jane):
        await halted(jane)
        machine.file.rename(machine.file.with_name("aside"))

        async def goes_on() -> bool:
            return (await ready(jane))["log"]["halted"] is None

        await until(goes_on)
        await jane.register()
        proof = await proved(jane, await deduct_when_accepted(jane, "yes"))
        assert "/epoch/" not in proof["checkpoint"]
        await until(lambda: machine.file.exists() and machine.kept["size"] >= proof["tree_size"])


async def test_it_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "log-seen"
    for text in KEPT:
        path.write_text(text, "latin-1")
        memory = FileMemory(path)
        for size in (3, 99):
            await memory.note(SeenHead("log", size, b"r" * 32, NOW))
        assert path.read_text("latin-1") == text
        assert isinstance(memory.head, SeenHead if text == KEPT[0] else UnreadableHead)


async def test_what_saw_nothing_yet_gives_way(tmp_path: Path) -> None:
    """A checkpoint without leaves fits any log."""
    path = tmp_path / "log-seen"
    path.write_text(json.dumps({**OTHER, "size": 0}))
    head = SeenHead("log", 3, b"r" * 32, NOW)
    memory = FileMemory(path)
    await memory.note(head)
    assert memory.head == FileMemory(path).head == head
