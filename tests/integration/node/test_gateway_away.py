"""A gateway and its store that stop while a unit runs, and return much later."""

import asyncio

import attrs

from rendertrust.protocol import Hello, JobStatus, Running, Urls, UrlsRequest, Welcome
from tests.integration.node.conftest import QUICK, Listen, Start
from tests.integration.node.gateway import Gateway, ack_of
from tests.support.until import until

REF = Running(job_id="j1", unit=0, attempt=1)


async def test_what_was_done_while_it_was_away_is_not_done_again(
    peer: Gateway, listen: Listen, start: Start, gate: asyncio.Event
) -> None:
    async with start() as node:
        await peer.next(Hello)
        port = peer.server.port
        assert port is not None
        await peer.send(peer.dispatch("gated", output=peer.output("old-address")))
        await peer.next(JobStatus)
        await peer.sockets[-1].close(code=1012)
        await peer.server.close()
        gate.set()
        await until(lambda: node.folder.told().get("waiting_results") == 1, within=60)
        successor = Gateway()
        successor.answer = ack_of
        successor.expired = {"old-address"}
        await listen(successor, port)
        assert (await successor.next(Hello)).running == (REF,)
        await successor.send(Welcome(keep=(REF,)))
        # The gateway sends the unit again, as after a restart that lost the session's state.
        await successor.send(successor.dispatch("gated", output=successor.output("old-address")))
        await successor.next(UrlsRequest)
        fresh = successor.output("new-address")
        await successor.send(Urls(job_id="j1", unit=0, attempt=1, output=fresh))
        result = await successor.result("j1")
        assert (result.status, result.result_ref) == ("completed", "results/new-address")
        await until(lambda: node.folder.told().get("waiting_results") == 0)
        assert list(successor.objects) == ["new-address"]
        assert len([line for line in node.told if line.endswith("started")]) == 1


async def test_a_gateway_that_is_away_is_asked_again_until_it_is_back(
    peer: Gateway, listen: Listen, start: Start
) -> None:
    settings = attrs.evolve(QUICK, backoff_seconds_least=0.01, backoff_seconds_most=0.05)
    async with start(settings) as node:
        await peer.next(Hello)
        port = peer.server.port
        assert port is not None
        await peer.sockets[-1].close(code=1012)
        await peer.server.close()
        away = "cannot reach"
        await until(lambda: sum(away in line for line in node.told) > 5, within=90)
        successor = await listen(port=port)
        await successor.next(Hello, within=90)
