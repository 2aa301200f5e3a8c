"""The record of nodes' connections, and when it is written to the database."""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import attrs
import pytest

from sql.database import Unavailable
from sql.node_connections import ConnectionRow
from tests.twins.clock import TwinClock
from tests.twins.random import TwinRandom
from tests.unit.simulated_time import simulated
from web.nodes import connections as module
from web.nodes.connections import LOST, STOPPED, Connections, OpenConnection


@attrs.define
class Rows:
    """A table that may be unavailable; ``was_there``: other gateways still saw this one
    as alive.
    """

    written: dict[UUID, ConnectionRow] = attrs.field(factory=dict[UUID, ConnectionRow])
    batches: list[int] = attrs.field(factory=list[int])
    away: bool = False
    was_there: bool = True

    async def write(self, gateway: UUID, rows: Sequence[ConnectionRow], within: float) -> bool:
        if self.away:
            raise Unavailable
        self.batches.append(len(rows))
        self.written |= {row.id: row for row in rows}
        was_there, self.was_there = self.was_there, True
        return was_there

    async def of(self, node: UUID) -> Sequence[ConnectionRow]:
        return [row for row in reversed(self.written.values()) if row.node_id == node]

    async def end(self, silent: float, code: int) -> None: ...


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def known(rows: Rows) -> Connections:
    return Connections(uuid4(), rows, TwinClock(), TwinRandom())


async def test_a_replaced_one_ends_after_its_successor_has_begun(known: Connections) -> None:
    node = uuid4()
    older = known.opened(node, "192.0.2.1")
    newer = known.opened(node, "192.0.2.2")
    known.ended(older, ours=4003, theirs=None)
    assert known.open_of(node) is newer
    assert (older.code, older.by_us, older.why) == (4003, True, "Replaced by a newer connection")
    assert known.living == 1
    told = await known.of(node)
    assert [each.code for each in told] == [None, 4003]
    assert list(known.by_pong(newest_first=True)) == [node]


async def test_who_ended_it_and_with_what_is_told_apart(known: Connections) -> None:
    node, found = uuid4(), list[tuple[int | None, bool]]()
    for ours, theirs in ((4001, 1006), (None, 1001), (None, None), (None, 4999)):
        one = known.opened(node, "192.0.2.1")
        known.ended(one, ours=ours, theirs=theirs)
        found.append((one.code, one.by_us))
    assert found == [(4001, True), (1001, False), (LOST, False), (4999, False)]
    assert (await known.of(node))[0].why == "An unknown code"
    assert (known.living, known.open_of(node)) == (0, None)


async def test_a_gateway_that_went_is_told_from_a_node_that_did(known: Connections) -> None:
    one = known.opened(uuid4(), "")
    known.ended(one, ours=None, theirs=None)
    assert one.why == "Lost without a word"
    assert attrs.evolve(one, by_us=True).why == STOPPED


async def test_what_could_not_be_written_is_written_later(known: Connections, rows: Rows) -> None:
    rows.away = True
    one = known.opened(uuid4(), "")
    with pytest.raises(Unavailable):
        await known.write()
    known.ended(one, ours=None, theirs=1000)
    rows.away = False
    await known.write()
    assert [row.code for row in rows.written.values()] == [1000]


async def test_who_was_taken_for_gone_tells_what_is_open(known: Connections, rows: Rows) -> None:
    one = known.opened(uuid4(), "")
    await known.write()
    rows.written.clear()
    await known.write()
    assert not rows.written
    rows.was_there = False
    await known.write()
    assert list(rows.written) == [one.id]


async def test_many_go_in_batches_and_too_many_are_let_go(
    known: Connections, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 4)
    monkeypatch.setattr(module, "UNWRITTEN_MOST", 10)
    made: list[OpenConnection] = [known.opened(uuid4(), "") for _ in range(13)]
    await known.write()
    assert rows.batches == [4, 4, 2]
    assert list(rows.written) == [each.id for each in made[3:]]


@simulated
async def test_pongs_are_written_once_a_minute_and_for_who_asks(rows: Rows) -> None:
    known = Connections(uuid4(), rows, TwinClock(), TwinRandom())
    one = known.opened(uuid4(), "")
    await known.write()
    for _ in range(4):
        await asyncio.sleep(20.0)
        known.answered(one)
        await known.write()
    written = rows.written[one.id].pong_at
    assert rows.batches == [1, 0, 0, 1, 0]
    assert one.pong_at is not None
    assert written is not None
    assert written < one.pong_at
    assert [each.pong_at for each in await known.of(one.node_id)] == [one.pong_at]
