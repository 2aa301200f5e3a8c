"""The relay's reader leaves relay frames in the node's socket while the session is busy."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

from aiohttp import WSMessage, WSMsgType, web

from actors.kernel import Ref, handles
from actors.node_session.messages import NodeSession, Received, RelayFramesHandled
from tests.support.stand_in import StandIn
from tests.support.until import until
from tests.unit.dispatch.stage import on_stage
from tests.unit.simulated_time import simulated
from web.nodes.relay import AHEAD_MAX, CATCH_UP_SECONDS, read

FRAME = "x" * 65_000


class BusySession(StandIn[NodeSession]):
    """A session that handles no relay frame until it is allowed to."""

    def __init__(self, may: asyncio.Event) -> None:
        self._may = may

    @handles(Received)
    async def received(self, message: Received) -> None:
        await self._may.wait()

    @handles(RelayFramesHandled)
    async def caught_up(self, message: RelayFramesHandled) -> bool:
        return True


class Frames:
    """A socket with ``most`` relay frames; ``taken`` counts the relay frames that were read."""

    def __init__(self, most: int) -> None:
        self.taken = 0
        self._most = most

    async def __aiter__(self) -> AsyncIterator[WSMessage]:
        while self.taken < self._most:
            self.taken += 1
            yield WSMessage(WSMsgType.TEXT, FRAME, None)


def reading(frames: Frames, session: Ref[Any]) -> "asyncio.Task[None]":
    return asyncio.create_task(read(cast("web.WebSocketResponse", frames), session))


@simulated
async def test_few_long_frames_are_ahead_of_a_session_that_is_busy() -> None:
    may, frames = asyncio.Event(), Frames(500)
    async with on_stage("session", lambda: BusySession(may)) as ref:
        task = reading(frames, ref)
        await asyncio.sleep(CATCH_UP_SECONDS / 2)
        assert frames.taken <= AHEAD_MAX // len(FRAME) + 1
        may.set()
        await until(lambda: frames.taken == 500)
        await task


@simulated
async def test_a_session_that_never_catches_up_is_not_read_for_any_more() -> None:
    may, frames = asyncio.Event(), Frames(500)
    async with on_stage("session", lambda: BusySession(may)) as ref:
        await reading(frames, ref)
        assert frames.taken < 500
        may.set()
