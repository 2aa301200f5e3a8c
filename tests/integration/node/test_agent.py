"""Tests of the node agent against a gateway over a real socket."""

import asyncio
import os
from pathlib import Path

import aiohttp
import attrs
import orjson
import pytest

from rendertrust import node_key
from rendertrust.node import agent
from rendertrust.node.state_folder import StateFolder
from rendertrust.protocol import (
    Ack,
    Drain,
    Hello,
    JobCancel,
    JobStatus,
    NodeStanding,
    Running,
    Urls,
    UrlsRequest,
    Welcome,
)
from tests.integration.node.conftest import QUICK, Listen, Start
from tests.integration.node.gateway import Gateway, ack_of
from tests.integration.node.processes import descendants, is_alive
from tests.support.until import until

LONG = {"rows": 10_000}


def spooled(folder: StateFolder) -> int:
    return int(folder.told().get("waiting_results", -1))


async def test_echo_is_uploaded_told_and_forgotten_when_acked(peer: Gateway, start: Start) -> None:
    peer.answer = ack_of
    async with start() as node:
        hello = await peer.next(Hello)
        assert (hello.slots, hello.running) == (1, ())
        assert set(hello.capabilities) >= {"echo", "cpu_benchmark"}
        words = peer.input("in.txt", b"hello")
        await peer.send(
            peer.dispatch("echo", inputs=(words,), output=peer.output("o1"), params={"a": [1]})
        )
        assert (await peer.next(JobStatus)).progress == 0
        result = await peer.result("j1")
        assert (result.status, result.unit, result.attempt) == ("completed", 0, 1)
        assert result.result_ref == "results/o1"
        content = peer.objects["o1"]
        assert result.size == len(content)
        echoed = orjson.loads(content)
        assert echoed["params"] == {"a": [1]}
        assert echoed["inputs"] == {"in.txt": 5}
        await until(lambda: spooled(node.folder) == 0)
    headers = dict(peer.puts)["o1"]
    assert headers["If-None-Match"] == "*"
    assert "Content-Type" not in headers


async def test_minimal_dispatch_of_the_reference_completes(peer: Gateway, start: Start) -> None:
    async with start():
        await peer.next(Hello)
        await peer.sockets[-1].send_str(
            '{"type":"job_dispatch","job_id":"j9","job_type":"echo","payload_ref":"s3://b/k"}'
        )
        result = await peer.result("j9")
        assert (result.status, result.result_ref, result.unit) == ("completed", "none:j9", None)


async def test_unacked_result_is_sent_again_after_a_restart_of_the_node(
    peer: Gateway, start: Start
) -> None:
    async with start(kill=True):
        await peer.next(Hello)
        await peer.send(peer.dispatch("echo", output=peer.output("o1")))
        first = await peer.result("j1")
    async with start() as node:
        hello = await peer.next(Hello)
        assert hello.running == (Running(job_id="j1", unit=0, attempt=1),)
        assert await peer.result("j1") == first
        await peer.send(Ack(job_id="j1", unit=0, attempt=1))
        await until(lambda: spooled(node.folder) == 0)
    assert len([name for name, _ in peer.puts if name == "o1"]) == 1


async def test_unacked_result_is_sent_again_to_a_gateway_that_restarted(
    peer: Gateway, listen: Listen, start: Start
) -> None:
    async with start() as node:
        await peer.next(Hello)
        await peer.send(peer.dispatch("echo", output=peer.output("o1")))
        first = await peer.result("j1")
        port = peer.server.port
        for socket in peer.sockets:
            await socket.close(code=1012)
        await peer.server.close()
        successor = Gateway()
        successor.answer = ack_of
        assert port is not None
        await listen(successor, port)
        await successor.next(Hello)
        assert await successor.result("j1") == first
        await until(lambda: spooled(node.folder) == 0)


async def test_killed_node_leaves_the_unit_to_the_gateway(peer: Gateway, start: Start) -> None:
    async with start(kill=True):
        await peer.next(Hello)
        await peer.send(peer.dispatch("cpu_benchmark", params=LONG))
        await peer.next(JobStatus)
    async with start():
        assert (await peer.next(Hello)).running == ()


async def test_leases_are_renewed_while_a_unit_runs(peer: Gateway, start: Start) -> None:
    settings = attrs.evolve(QUICK, progress_seconds_least=60.0)
    async with start(settings):
        await peer.next(Hello)
        await peer.send(peer.dispatch("cpu_benchmark", params=LONG))
        for _ in range(3):
            assert (await peer.next(JobStatus)).status == "running"


async def test_a_short_lease_is_renewed_in_time(peer: Gateway, start: Start) -> None:
    settings = attrs.evolve(QUICK, progress_seconds_least=60.0, lease_seconds=60.0)
    async with start(settings):
        await peer.next(Hello)
        await peer.send(attrs.evolve(peer.dispatch("cpu_benchmark", params=LONG), lease_seconds=2))
        for _ in range(4):
            assert (await peer.next(JobStatus, within=30)).status == "running"


async def test_cancel_kills_the_worker_and_says_so(peer: Gateway, start: Start) -> None:
    async with start() as node:
        await peer.next(Hello)
        others = descendants(os.getpid())  # engines that earlier tests started
        await peer.send(peer.dispatch("cpu_benchmark", params=LONG))
        await until(lambda: any(isinstance(f, JobStatus) and f.progress for f in peer.frames))
        running = descendants(os.getpid()) - others
        assert running
        await peer.send(JobCancel(job_id="j1", unit=0, attempt=1))
        assert (await peer.result("j1")).status == "cancelled"
        await until(lambda: not any(is_alive(pid) for pid in running))
        assert spooled(node.folder) <= 0


async def test_other_attempts_are_not_cancelled(
    peer: Gateway, start: Start, gate: asyncio.Event
) -> None:
    async with start():
        await peer.next(Hello)
        await peer.send(peer.dispatch("gated", attempt=2, output=peer.output("o1")))
        await peer.send(JobCancel(job_id="j1", unit=0, attempt=1))
        answers = [await peer.result("j1")]
        gate.set()
        answers.append(await peer.result("j1"))
        assert [(a.status, a.attempt) for a in answers] == [("cancelled", 1), ("completed", 2)]


async def test_welcome_drops_what_the_gateway_wants_no_longer(peer: Gateway, start: Start) -> None:
    async with start() as node:
        await peer.next(Hello)
        await peer.send(peer.dispatch("cpu_benchmark", params=LONG))
        await peer.next(JobStatus)
        await peer.sockets[-1].close(code=1012)
        hello = await peer.next(Hello)
        assert hello.running == (Running(job_id="j1", unit=0, attempt=1),)
        await peer.send(Welcome(drop=hello.running))
        assert (await peer.result("j1")).status == "cancelled"
        await until(lambda: node.folder.told().get("units") == [])


async def test_same_dispatch_twice_runs_once(peer: Gateway, start: Start) -> None:
    async with start():
        await peer.next(Hello)
        for _ in range(3):
            await peer.send(peer.dispatch("echo", output=peer.output("o1")))
        assert (await peer.result("j1")).status == "completed"
        await peer.send(peer.dispatch("echo", output=peer.output("o1")))
        assert (await peer.result("j1")).status == "completed"
    assert len(peer.puts) == 1


async def test_unknown_job_type_fails_as_the_gateways_fault(peer: Gateway, start: Start) -> None:
    async with start():
        await peer.next(Hello)
        await peer.send(peer.dispatch("weather"))
        result = await peer.result("j1")
        assert (result.status, result.failure) == ("failed", "gateway")


async def test_input_with_another_content_is_refused(peer: Gateway, start: Start) -> None:
    async with start():
        await peer.next(Hello)
        wanted = peer.input("x", b"good")
        peer.objects[wanted.sha256] = b"evil"
        await peer.send(peer.dispatch("echo", inputs=(wanted,)))
        result = await peer.result("j1")
        assert result.failure == "scene"
        assert "SHA-256" in (result.error or "")


async def test_input_path_outside_the_folder_is_refused(peer: Gateway, start: Start) -> None:
    async with start():
        await peer.next(Hello)
        await peer.send(peer.dispatch("echo", inputs=(peer.input("../../x", b"good"),)))
        assert (await peer.result("j1")).failure == "gateway"


async def test_input_is_fetched_once(peer: Gateway, start: Start) -> None:
    async with start():
        await peer.next(Hello)
        words = peer.input("x", b"good")
        for job in ("j1", "j2"):
            await peer.send(peer.dispatch("echo", job, inputs=(words,)))
            assert (await peer.result(job)).status == "completed"
    assert peer.fetches == [words.sha256]


async def test_upload_that_meets_its_own_first_try_counts_as_stored(
    peer: Gateway, start: Start
) -> None:
    peer.objects["o1"] = b"there already"
    async with start():
        await peer.next(Hello)
        await peer.send(peer.dispatch("echo", output=peer.output("o1")))
        assert (await peer.result("j1")).status == "completed"


async def test_upload_is_tried_again_and_an_expired_url_is_replaced(
    peer: Gateway, start: Start
) -> None:
    peer.store_answers = [503, 403]
    async with start():
        await peer.next(Hello)
        await peer.send(peer.dispatch("echo", output=peer.output("o1")))
        asked = await peer.next(UrlsRequest)
        assert (asked.job_id, asked.unit, asked.attempt) == ("j1", 0, 1)
        await peer.send(Urls(job_id="j1", unit=0, attempt=1, output=peer.output("o2")))
        assert (await peer.result("j1")).status == "completed"
    assert set(peer.objects) == {"o2"}


async def test_upload_that_is_refused_fails_the_unit(peer: Gateway, start: Start) -> None:
    peer.store_answers = [400]
    async with start():
        await peer.next(Hello)
        await peer.send(peer.dispatch("echo", output=peer.output("o1")))
        result = await peer.result("j1")
        assert (result.status, result.failure) == ("failed", "gateway")


@pytest.mark.parametrize(("answers", "stored"), [([], True), ([400], False), ([403], False)])
async def test_a_check_is_told_even_if_its_comparison_sheet_is_not_stored(
    peer: Gateway, start: Start, gate: asyncio.Event, answers: list[int], *, stored: bool
) -> None:
    peer.store_answers = answers
    gate.set()
    async with start():
        await peer.next(Hello)
        await peer.send(peer.dispatch("check", output=peer.output("o1")))
        result = await peer.result("j1")
        assert (result.status, result.result_ref, result.sha256) == ("completed", "none:j1", None)
        assert ("o1" in peer.objects) is stored


async def test_stopping_gives_running_units_back(peer: Gateway, start: Start) -> None:
    peer.answer = ack_of
    async with start() as node:
        await peer.next(Hello)
        await peer.send(peer.dispatch("cpu_benchmark", params=LONG))
        await peer.next(JobStatus)
        node.stop.set()
        result = await peer.result("j1")
        assert (result.status, result.failure) == ("failed", "network")
        assert await node.ended() == agent.AgentExit(reason="stopped", ok=True)


async def test_drain_finishes_what_runs_and_leaves(
    peer: Gateway, start: Start, gate: asyncio.Event
) -> None:
    peer.answer = ack_of
    async with start() as node:
        await peer.next(Hello)
        await peer.send(peer.dispatch("gated", output=peer.output("o1")))
        await peer.next(JobStatus)
        await peer.send(Drain())
        await peer.send(peer.dispatch("echo", "j2"))
        assert (await peer.result("j2")).status == "failed"
        gate.set()
        assert (await peer.result("j1")).status == "completed"
        assert await node.ended() == agent.AgentExit(reason="drained", ok=True)


async def test_a_drain_that_is_taken_back_lets_the_node_go_on(
    peer: Gateway, start: Start, gate: asyncio.Event
) -> None:
    peer.answer = ack_of
    async with start() as node:
        await peer.next(Hello)
        await peer.send(peer.dispatch("gated", output=peer.output("o1")))
        await peer.next(JobStatus)
        await peer.send(Drain())
        await peer.send(NodeStanding(standing="ACTIVE"))
        await peer.send(JobCancel(job_id="j0", unit=0, attempt=1))
        assert (await peer.result("j0")).status == "cancelled", "the node has read earlier frames"
        gate.set()
        assert (await peer.result("j1")).status == "completed"
        await peer.send(peer.dispatch("echo", "j2", output=peer.output("o2")))
        assert (await peer.result("j2")).status == "completed"
        node.stop.set()
        assert await node.ended() == agent.AgentExit(reason="stopped", ok=True)


async def test_replaced_node_stops_for_good(peer: Gateway, start: Start) -> None:
    async with start() as node:
        await peer.next(Hello)
        await peer.sockets[-1].close(code=4003)
        ended = await node.ended()
        assert not ended.ok
        assert "took over" in ended.reason


@pytest.mark.parametrize(
    ("code", "told"), [(422, "run: rendertrust node join"), (403, "has excluded this node")]
)
async def test_node_that_is_refused_for_good_says_so(
    peer: Gateway, start: Start, code: int, told: str
) -> None:
    peer.tokens, peer.refuses_registration = set(), code
    async with start() as node:
        node_key.load_or_create_key(node.folder.key)
        ended = await node.ended()
        assert not ended.ok
        assert told in ended.reason


async def test_heartbeats_tell_the_load(peer: Gateway, start: Start) -> None:
    async with start():
        await peer.next(Hello)
        await peer.send(peer.dispatch("cpu_benchmark", params=LONG))
        await until(lambda: bool(peer.beats) and peer.beats[-1]["current_load"] == 1.0)


async def test_malformed_frames_are_ignored(peer: Gateway, start: Start) -> None:
    async with start():
        await peer.next(Hello)
        for text in ("{", "[]", '{"type":"job_dispatch"}', '{"type":"of_tomorrow"}'):
            await peer.sockets[-1].send_str(text)
        await peer.send(peer.dispatch("echo"))
        assert (await peer.result("j1")).status == "completed"


async def test_health_page_tells_what_runs(peer: Gateway, start: Start) -> None:
    async with start(attrs.evolve(QUICK, health_port=0)) as node:
        await peer.next(Hello)
        await until(lambda: bool(node.folder.told().get("connected")))
        port = node.folder.told()["health_port"]
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/") as response,
        ):
            page = await response.json()
        assert response.status == 200
        assert (page["node_id"], page["connected"]) == ("n1", True)
        seen = agent.status(node.folder.path)
        assert isinstance(seen, agent.Status)
        assert (seen.running, seen.connected, seen.health_port) == (True, True, port)
    after = agent.status(node.folder.path)
    assert isinstance(after, agent.Status)
    assert not after.running


async def test_second_agent_on_one_folder_does_not_start(peer: Gateway, start: Start) -> None:
    async with start() as node:
        await peer.next(Hello)
        second = await agent.run(node.folder.path, settings=QUICK)
        assert not second.ok
        assert "another agent" in second.reason


async def test_agent_without_enrolment_says_how_to_join(tmp_path: Path) -> None:
    ended = await agent.run(tmp_path, settings=QUICK)
    assert "rendertrust node join" in ended.reason
    assert isinstance(agent.status(tmp_path), agent.NotJoined)


async def test_agent_leaves_no_task_behind(peer: Gateway, start: Start) -> None:
    before = asyncio.all_tasks()
    async with start() as node:
        await peer.next(Hello)
        node.stop.set()
        await node.ended()
    left = {task for task in asyncio.all_tasks() - before if not task.done()}
    assert not {task for task in left if "agent" in repr(task)}


async def test_a_check_does_not_wait_for_what_renders(
    peer: Gateway, start: Start, gate: asyncio.Event
) -> None:
    """Checks have one place of their own beside the slots, which renders cannot use."""
    async with start():
        await peer.next(Hello)
        for job, kind in (("j1", "gated"), ("c1", "check"), ("c2", "check_batch"), ("j2", "gated")):
            await peer.send(peer.dispatch(kind, job, output=peer.output(job)))
        begun = set[str]()
        async with asyncio.timeout(120):
            while len(begun) < 2:
                begun.add((await peer.next(JobStatus)).job_id)
        begun |= {(await peer.next(JobStatus)).job_id for _ in range(8)}
        assert begun == {"j1", "c1"}
        gate.set()
        for job in ("j1", "c1", "c2", "j2"):
            assert (await peer.result(job)).status == "completed"
