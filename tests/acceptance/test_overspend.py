"""Many hands on one purse: what is there is spent, and no more."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from tests.acceptance.gateway import Gateway
from tests.acceptance.people import Creator, PlainNode


async def test_of_32_concurrent_dispatches_against_credits_for_10_exactly_10_are_accepted(
    gateway: Gateway, creator: Creator, make_node: Callable[..., Awaitable[PlainNode]]
) -> None:
    await make_node("render")
    answers = await asyncio.gather(*(creator.dispatch("render") for _ in range(32)))
    assert Counter(status for status, _ in answers) == {200: 10, 402: 22}
    for status, body in answers:
        if status == 402:
            assert body["requested"] == "10.0000"
            assert body["available"] == "0.0000"
            assert body["detail"]
    _, balance = await creator.call("GET", "/credits/balance")
    assert balance["balance"] == "100.0000"
    assert (balance["held"], balance["available"]) == ("100.0000", "0.0000")
    code, said = await gateway.fsck()
    assert code == 0, said
