"""Name look-ups of webhooks are shared fairly between users."""

import asyncio
import socket
from collections.abc import Iterator
from uuid import UUID

import pytest

from actors.ports.webhooks import Answered, Letter, NotSent
from supervisors.engines import webhook_http as engine
from supervisors.engines.webhook_http import HttpPost
from tests.integration.engines.test_post_conformance import SlowNames
from tests.support.listening import listening
from tests.support.until import until

HASTY, PATIENT = UUID(int=1), UUID(int=2)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowNames]:
    slow = SlowNames()
    monkeypatch.setattr(socket, "getaddrinfo", slow)
    yield slow
    slow.ends.set()


async def test_names_of_one_user_that_are_never_found_leave_room_for_everybody_else(
    names: SlowNames,
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()

    post, count = HttpPost(private=True), 2 * engine.LOOKUPS_MOST
    slow = [Letter(f"http://{n}.slow.example", {}, b"{}", HASTY) for n in range(count)]
    sending = asyncio.create_task(post.send(slow))
    await until(lambda: len(names.asked) >= engine.LOOKUPS_OF_ONE)
    async with listening(answer) as port:
        here = Letter(f"http://localhost:{port}", {}, b"{}", PATIENT)
        assert await post.send([here]) == [Answered(204)]
    assert len(names.asked) == engine.LOOKUPS_OF_ONE
    names.ends.set()
    assert all(isinstance(one, NotSent) for one in await sending)
    await post.close()


async def test_who_gives_up_waiting_leaves_their_turn(names: SlowNames) -> None:
    """Cancelled tasks wait at either place: for a turn of their user, or for a free look-up."""
    lookups = engine.NameLookups(most=1)

    def ask(host: str, who: str) -> "asyncio.Task[object]":
        return asyncio.create_task(lookups.look_up(host, 80, socket.AF_INET, who))

    first = ask("a.slow.example", "A")
    await until(lambda: names.asked == ["a.slow.example"])
    waiting = [ask("b.slow.example", "A"), ask("c.slow.example", "A"), ask("d.slow.example", "B")]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
    names.ends.set()
    with pytest.raises(OSError, match="no answer"):
        await first
    for who in ("A", "B"):
        assert await asyncio.gather(*(ask("localhost", who) for _ in range(3)))
    assert names.asked == ["a.slow.example"]
