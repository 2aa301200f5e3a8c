"""A node sends no secrets to a stranger who answers at its gateway's address."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import attrs
import orjson
import pytest
from pytest_aiohttp import AiohttpServer

from rendertrust import node_key
from rendertrust.cli.credentials import CredentialsFile
from rendertrust.client import Tokens
from rendertrust.node import enrolment, gateway_key, plugins
from rendertrust.node.agent_settings import AgentSettings
from rendertrust.node.state_folder import StateFolder
from rendertrust.protocol import Hello
from tests.integration.client.conftest import Program
from tests.integration.node.conftest import QUICK, Running, Start
from tests.integration.node.gateway import Gateway
from tests.integration.node.stranger import ANSWERS, LOOK, Stranger
from tests.support.until import until

OLD, NEW = node_key.generate_key(), node_key.generate_key()
LOOKS = 4
Appear = Callable[[str, tuple[int, bytes]], Awaitable[Stranger]]


@pytest.fixture
def stranger(aiohttp_server: AiohttpServer) -> Appear:
    """Return a function that starts a stranger's server at the address of a stopped gateway."""

    async def appear(url: str, answer: tuple[int, bytes]) -> Stranger:
        one = Stranger(answer)
        await aiohttp_server(one.app(), port=urlsplit(url).port)
        return one

    return appear


async def stop_gateway(peer: Gateway) -> str:
    """Stop the gateway, free its port, and return its address."""
    url = peer.url
    for socket in peer.sockets:
        await socket.close(code=1012)
    await peer.server.close()
    return url


async def spool_result(peer: Gateway, node: Running) -> None:
    """Leave a result on the node that the store did not take."""
    peer.store_answers = [503] * 100
    await peer.next(Hello)
    await peer.send(peer.dispatch("echo", output=peer.output("o1")))
    await until(lambda: bool(peer.puts) and node.folder.told().get("waiting_results") == 1)


async def wait_for_looks(heard: list[tuple[str, str]], node: Running) -> None:
    """Wait until the node has asked for the key a few times, or has ended."""
    await until(lambda: heard.count(LOOK) >= LOOKS or node.task.done())


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_a_node_that_starts_shows_nothing(
    peer: Gateway, start: Start, stranger: Appear, answer: tuple[int, bytes]
) -> None:
    peer.log_keys = [OLD]
    async with start(kill=True) as before:
        await spool_result(peer, before)
    false = await stranger(await stop_gateway(peer), answer)
    async with start() as node:
        await wait_for_looks(false.heard, node)
    assert false.secrets == []
    assert LOOK in false.heard


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_a_node_that_comes_back_shows_nothing(
    peer: Gateway,
    start: Start,
    gate: asyncio.Event,
    stranger: Appear,
    answer: tuple[int, bytes],
) -> None:
    """The node sends no token, no URL of a spooled result, and no result finished meanwhile."""
    peer.log_keys = [OLD]
    async with start() as node:
        await spool_result(peer, node)
        await peer.send(peer.dispatch("gated", "j2", output=peer.output("o2")))
        await until(lambda: any(getattr(f, "job_id", "") == "j2" for f in peer.frames))
        false = await stranger(await stop_gateway(peer), answer)
        gate.set()
        await wait_for_looks(false.heard, node)
    assert false.secrets == []
    assert LOOK in false.heard


async def test_who_repeats_what_the_gateway_said_is_shown_nothing(
    peer: Gateway, start: Start, stranger: Appear
) -> None:
    """A stranger can replay the checkpoint, but without the log's key it cannot answer a new
    nonce.
    """
    peer.log_keys = [OLD]
    nonce = f"{peer.url}{gateway_key.PATH}?nonce={'ab' * 32}"
    async with aiohttp.ClientSession() as session, session.get(nonce) as answer:
        repeated = await answer.read()
    members = orjson.loads(repeated)
    del members["answer"]
    async with start(kill=True) as before:
        await spool_result(peer, before)
    false = await stranger(await stop_gateway(peer), (200, repeated))
    for content in (repeated, orjson.dumps(members)):
        false.answer = (200, content)
        false.heard.clear()
        async with start() as node:
            await wait_for_looks(false.heard, node)
        assert false.secrets == []
        assert LOOK in false.heard


async def test_a_key_that_changes_as_the_token_is_refused_gets_no_proof(
    peer: Gateway, start: Start
) -> None:
    peer.log_keys = [OLD]
    async with start() as node:
        await peer.next(Hello)
        node_key.load_or_create_key(node.folder.key)
        peer.changes_at_refusal = [NEW]
        peer.tokens = set()
        await peer.sockets[-1].close(code=1012)
        assert not (await node.ended()).ok
    assert peer.registrations == []


async def test_a_node_beats_and_uploads_once_its_gateway_holds(peer: Gateway, start: Start) -> None:
    peer.log_keys = [OLD]
    async with start() as node:
        await peer.next(Hello)
        await until(lambda: len(peer.beats) > 1)
        await peer.send(peer.dispatch("echo", output=peer.output("o1")))
        assert (await peer.result("j1")).status == "completed"
        assert not node.task.done()


async def test_a_result_waits_for_the_gateway_and_is_not_given_up(
    peer: Gateway, start: Start
) -> None:
    """The node keeps the result however long it cannot check the gateway's key."""
    peer.log_keys = [OLD]
    async with start(kill=True) as before:
        await spool_result(peer, before)
    peer.checkpoint_status, peer.store_answers = 503, []
    puts = len(peer.puts)
    settings = attrs.evolve(QUICK, upload_seconds_max=0.0)
    async with start(settings) as node:
        await until(lambda: any("upload of j1 waits" in line for line in node.told), within=60)
        assert len(peer.puts) == puts
        peer.checkpoint_status = 200
        assert (await peer.result("j1")).status == "completed"


async def test_a_gateway_that_changes_while_the_machine_is_tried_out_is_not_told(
    peer: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.log_keys = [OLD]

    async def offered(
        folder: StateFolder, settings: AgentSettings, **given: Any
    ) -> plugins.PluginOffer:
        peer.log_keys = [NEW]
        return await offer(folder, settings, **given)

    offer = plugins.offer
    monkeypatch.setattr("rendertrust.node.enrolment.plugins.offer", offered)
    for accept in (False, True):
        peer.log_keys = [OLD]
        refused = await enrolment.join(
            peer.url, state=tmp_path, token="access", accept_new_key=accept
        )
        assert isinstance(refused, enrolment.JoinRefused)
        assert "another key" in refused.reason
    assert peer.registrations == []


@pytest.mark.parametrize("words", ["earnings", "doctor", "status", "drain", "join", "run"])
async def test_commands_of_the_node_show_nothing(
    peer: Gateway, tmp_path: Path, stranger: Appear, words: str
) -> None:
    peer.log_keys = [OLD]
    state = tmp_path / "state"
    joined = await enrolment.join(peer.url, name="box", state=state, token="access")
    assert isinstance(joined, enrolment.Joined)
    program = Program(peer.url, tmp_path)
    tokens = Tokens("access", "refresh")
    CredentialsFile(program.credentials).keep(peer.url, tokens, "jane@example.com")
    false = await stranger(await stop_gateway(peer), ANSWERS["another key"])
    nowhere = str(tmp_path)  # no sandbox is found, so Blender is not probed
    told = await program.run("node", words, "--state", str(state), PATH=nowhere)
    assert false.secrets == []
    assert (LOOK in false.heard) == (words not in ("status", "drain"))
    if words in ("earnings", "join", "run"):
        assert told.code != 0
        assert "--accept-new-key" in told.err


async def test_earnings_are_asked_of_the_gateway_that_was_joined(
    peer: Gateway, tmp_path: Path
) -> None:
    peer.log_keys = [OLD]
    state = tmp_path / "state"
    assert isinstance(await enrolment.join(peer.url, state=state), enrolment.Joined)
    program = Program(peer.url, tmp_path)
    CredentialsFile(program.credentials).keep(
        peer.url, Tokens("access", "refresh"), "jane@example.com"
    )
    peer.asked.clear()
    await program.run("node", "earnings", "--state", str(state))
    assert peer.asked[0] == gateway_key.PATH, "before anything secret is sent"
    assert "/api/v1/operators/me/earnings" in peer.asked
