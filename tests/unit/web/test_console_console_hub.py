"""How often the console's hub reads the pages that are open."""

import asyncio
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from actors.console_hub.messages import LiveView
from actors.console_hub.open_view import RESTS, SHARE, OpenView
from web.console.live_updates import LiveHandler, LiveStream
from web.console.registry import Pages


async def nothing() -> None:
    """Do nothing: the page is never read."""


VIEW = LiveView("a", "/console", frozenset(), every=5.0, rest=0.5, inside=False, read=nothing)


@pytest.mark.parametrize(
    ("took", "all_took", "rest"),
    [
        (0.004, 0.004, 0.5),  # the only open page pauses as long as its view asks
        (0.1, 0.1, 0.1 * RESTS),  # a slow page does not hold up others
        (0.004, 0.4, 0.4 * SHARE),  # one of a hundred pages that nobody else has open
        (0.02, 2.0, 5.0),  # pauses have an upper limit
    ],
)
def test_what_is_read_rests(took: float, all_took: float, rest: float) -> None:
    watched = OpenView(VIEW)
    watched.read_at(100.0, took, all_took)
    watched.stirred = True
    assert not watched.is_due(100.0 + rest - 0.01)
    assert watched.is_due(100.0 + rest + 0.01)


def test_who_comes_waits_for_no_other_view() -> None:
    watched = OpenView(VIEW)
    watched.read_at(100.0, 0.004, 0.4)
    watcher: Any = None
    watched.join(watcher)
    assert watched.is_due(100.0 + 0.004 * RESTS + 0.01)


async def test_who_left_before_anything_was_sent_is_no_error() -> None:
    """If the client has left, aiohttp-sse raises AssertionError, which must not get out."""
    request = make_mocked_request("GET", "/console/live?of=/console")
    request.protocol.transport = None
    gateway: Any = None
    claims: Any = None
    door = LiveHandler(gateway, Pages())
    answer = await door.stream(request, claims, LiveStream(asyncio.Event()))
    assert not answer.prepared
