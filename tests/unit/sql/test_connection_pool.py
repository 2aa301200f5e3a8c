"""Tests of the pool of connections, with connections that only know whether they are closed."""

import asyncio
from typing import cast

from sql.connection_pool import Connection, ConnectionPool


class Line:
    """A connection."""

    def __init__(self) -> None:
        self.closed = False

    def is_closed(self) -> bool:
        return self.closed

    def terminate(self) -> None:
        self.closed = True


class Server:
    """Opens connections, or refuses."""

    def __init__(self) -> None:
        self.opened = 0
        self.refuses = False

    async def open(self) -> Connection:
        await asyncio.sleep(0)
        if self.refuses:
            raise ConnectionRefusedError
        self.opened += 1
        return cast("Connection", Line())


async def test_the_connection_that_was_returned_last_is_lent_first() -> None:
    server = Server()
    pool = ConnectionPool(server.open, 3)
    one, other = await pool.acquire(), await pool.acquire()
    pool.release(one)
    pool.release(other)
    assert (pool.size, pool.busy) == (2, 0)
    assert await pool.acquire() is other
    assert server.opened == 2


async def test_who_waits_gets_the_next_connection_in_order() -> None:
    pool = ConnectionPool(Server().open, 1)
    lent = await pool.acquire()
    waiting = [asyncio.create_task(pool.acquire()) for _ in range(2)]
    await asyncio.sleep(0)
    pool.release(lent)
    assert await waiting[0] is lent
    assert not waiting[1].done()
    pool.release(lent)
    assert await waiting[1] is lent


async def test_a_closed_connection_makes_room_for_another() -> None:
    server = Server()
    pool = ConnectionPool(server.open, 1)
    lent = await pool.acquire()
    waiting = asyncio.create_task(pool.acquire())
    await asyncio.sleep(0)
    lent.terminate()
    pool.release(lent)
    assert await waiting is not lent
    assert (server.opened, pool.size) == (2, 1)


async def test_a_connection_for_somebody_who_left_goes_to_the_next() -> None:
    pool = ConnectionPool(Server().open, 1)
    lent = await pool.acquire()
    leaving, staying = (asyncio.create_task(pool.acquire()) for _ in range(2))
    await asyncio.sleep(0)
    pool.release(lent)
    leaving.cancel()
    assert await staying is lent
    assert pool.busy == 1


async def test_a_refused_connection_takes_no_room() -> None:
    server = Server()
    server.refuses = True
    pool = ConnectionPool(server.open, 1)
    first, second = (asyncio.create_task(pool.acquire()) for _ in range(2))
    done = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(one) for one in done] == [ConnectionRefusedError] * 2
    assert pool.size == 0
    server.refuses = False
    await pool.acquire()
    assert pool.size == 1


async def test_expired_connections_are_closed_unless_they_are_lent() -> None:
    pool = ConnectionPool(Server().open, 2)
    lent, free = await pool.acquire(), await pool.acquire()
    pool.release(free)
    pool.expire()
    assert (lent.is_closed(), free.is_closed()) == (False, True)
    pool.terminate()
    assert lent.is_closed()
