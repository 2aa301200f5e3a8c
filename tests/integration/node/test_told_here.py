"""Status of a running node, as its own commands and pages tell the operator."""

import asyncio

import aiohttp
import attrs

from rendertrust.cli.node_status import facts
from rendertrust.node import agent, doctor
from rendertrust.protocol import Hello, JobCancel, JobStatus, NodeStanding
from tests.integration.node.conftest import QUICK, Start
from tests.integration.node.gateway import Gateway
from tests.support.until import until


async def test_why_a_unit_was_taken_back_is_told(
    peer: Gateway, start: Start, gate: asyncio.Event
) -> None:
    async with start() as node:
        await peer.next(Hello)
        await peer.send(peer.dispatch("gated"))
        await peer.next(JobStatus)
        await peer.send(JobCancel(job_id="j1", unit=0, attempt=1, reason="no progress"))
        assert (await peer.result("j1")).status == "cancelled"
        [told] = [line for line in node.told if "recalled" in line]
        assert told == "the gateway recalled j1 unit 0: no progress"


async def test_a_node_in_quarantine_says_so_where_its_operator_looks(
    peer: Gateway, start: Start
) -> None:
    async with start() as node:
        await peer.next(Hello)
        await peer.send(NodeStanding(standing="QUARANTINED"))
        await until(lambda: node.folder.told().get("standing") == "QUARANTINED")
        said = "in quarantine: it gets only its owner's work; why: rendertrust nodes show n1"
        assert f"this node is {said}" in node.told
        seen = agent.status(node.folder.path)
        assert isinstance(seen, agent.Status)
        assert said in str(facts(seen)["standing"])
        looked = doctor.agent(seen)
        assert (looked.state, said in looked.said) == (doctor.BAD, True)
        await peer.send(NodeStanding(standing="ACTIVE"))
        await until(lambda: node.folder.told().get("standing") == "ACTIVE")


async def test_why_a_node_is_in_quarantine_is_told_where_its_operator_looks(
    peer: Gateway, start: Start
) -> None:
    async with start() as node:
        await peer.next(Hello)
        for reason in ("frames are black", "frames of May are \x1b[2Jblack"):
            await peer.send(NodeStanding(standing="QUARANTINED", reason=reason))
            await until(lambda: node.folder.told().get("standing_reason") == reason)  # noqa: B023
            assert any(line.endswith(f"owner's work; why: {reason}") for line in node.told)
        seen = agent.status(node.folder.path)
        assert isinstance(seen, agent.Status)
        assert seen.standing_reason == reason
        said = str(facts(seen)["standing"])
        assert "frames of May are" in said
        assert "\x1b" not in said, "a reason cannot control the terminal"
        assert doctor.agent(seen).said.endswith(f"why: {reason}")
        await peer.send(NodeStanding(standing="ACTIVE"))
        await until(lambda: node.folder.told().get("standing_reason") == "")


async def test_a_port_that_is_taken_is_said_and_another_used(peer: Gateway, start: Start) -> None:
    taken = peer.server.port
    assert taken is not None
    async with start(attrs.evolve(QUICK, health_port=taken)) as node:
        await peer.next(Hello)
        await until(lambda: bool(node.folder.told().get("connected")))
        port = node.folder.told()["health_port"]
        assert port not in (None, taken)
        url = f"http://127.0.0.1:{port}/"
        assert f"port {taken} is in use: the health page is at {url}" in node.told
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            assert response.status == 200


async def test_what_it_did_is_known_after_a_restart(peer: Gateway, start: Start) -> None:
    async with start():
        await peer.next(Hello)
        for job in ("j1", "j2"):
            await peer.send(peer.dispatch("echo", job))
            await peer.result(job)
        await peer.send(peer.dispatch("nonsense", "j3"))
        await peer.result("j3")
    async with start() as node:
        await peer.next(Hello)
        seen = agent.status(node.folder.path)
    assert isinstance(seen, agent.Status)
    said = [line.said for line in seen.history]
    assert "echo j1 unit 0: done" in said
    assert "nonsense j3 unit 0: failed: no nonsense on this node" in said
    assert said.index("ended: stopped") < len(said) - 1
    assert seen.units_ended == {"completed": 2, "failed": 1}


async def test_a_gateway_that_fell_silent_is_no_connection(peer: Gateway, start: Start) -> None:
    """The socket stays open, because nothing reported that the connection is cut."""
    async with start(attrs.evolve(QUICK, silent_seconds=1.0, health_port=0)) as node:
        await until(lambda: bool(node.folder.told().get("connected")))
        peer.answers.clear()
        try:
            await until(lambda: bool(node.folder.told().get("silent_seconds")))
            seen = agent.status(node.folder.path)
            assert isinstance(seen, agent.Status)
            assert (seen.running, seen.connected) == (True, False)
            assert str(facts(seen)["state"]).startswith("running, no answer from the gateway for ")
            looked = doctor.agent(seen)
            assert (looked.state, looked.remedy.count("rendertrust node status")) == (doctor.BAD, 1)
        finally:
            peer.answers.set()
        await until(lambda: bool(node.folder.told().get("connected")))
