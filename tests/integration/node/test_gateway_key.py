"""A node trusts the key of the gateway it joined, and no other gateway at that address."""

from pathlib import Path

import attrs
import pytest

from rendertrust import node_key
from rendertrust.cli import exit_codes
from rendertrust.cli.credentials import CredentialsFile
from rendertrust.client import Tokens
from rendertrust.node import enrolment
from rendertrust.node.state_folder import StateFolder
from rendertrust.protocol import Hello
from tests.integration.client.conftest import Program
from tests.integration.node.conftest import Start
from tests.integration.node.gateway import Gateway
from tests.support.until import until

OLD, NEW, THIRD = (node_key.generate_key() for _ in range(3))


async def joined(
    peer: Gateway, state: Path, *, accept: bool = False
) -> enrolment.JoinRefused | None:
    answer = await enrolment.join(peer.url, name="box", state=state, accept_new_key=accept)
    return answer if isinstance(answer, enrolment.JoinRefused) else None


def kept(state: Path) -> str:
    found = StateFolder(state).enrolment()
    assert found is not None
    return found.gateway_key or ""


async def test_joining_keeps_the_key_and_another_is_refused(peer: Gateway, tmp_path: Path) -> None:
    peer.log_keys = [OLD]
    assert await joined(peer, tmp_path) is None
    before = kept(tmp_path)
    assert before.startswith("farm.example/log+")
    peer.log_keys = [NEW]
    refused = await joined(peer, tmp_path)
    assert refused is not None
    assert "--accept-new-key" in refused.reason
    assert kept(tmp_path) == before
    assert len(peer.registrations) == 1  # the node sent nothing to the stranger
    assert await joined(peer, tmp_path, accept=True) is None
    assert kept(tmp_path) != before


async def test_login_of_the_gateway_of_before_is_not_shown_to_another(
    peer: Gateway, tmp_path: Path
) -> None:
    peer.log_keys = [OLD]
    assert await joined(peer, tmp_path / "state") is None
    peer.log_keys = [NEW]
    peer.asked.clear()
    program = Program(peer.url, tmp_path)
    CredentialsFile(program.credentials).keep(
        peer.url, Tokens("access", "refresh"), "jane@example.com"
    )
    told = await program.run("node", "join", peer.url, "--state", str(tmp_path / "state"))
    assert told.code == exit_codes.FAILURE
    assert "--accept-new-key" in told.err
    assert peer.asked == ["/api/v1/ledger/checkpoint"]


async def test_a_key_that_was_kept_and_is_damaged_is_not_none(
    peer: Gateway, tmp_path: Path
) -> None:
    peer.log_keys = [OLD]
    assert await joined(peer, tmp_path) is None
    folder = StateFolder(tmp_path)
    enrolled = folder.enrolment()
    assert enrolled is not None
    damaged = attrs.evolve(enrolled, gateway_key=kept(tmp_path)[:-6] + "AAAAAA")
    folder.enrol(damaged)
    peer.log_keys = [NEW]
    refused = await joined(peer, tmp_path)
    assert refused is not None
    assert "the stored key is damaged" in refused.reason
    assert kept(tmp_path) == damaged.gateway_key
    assert await joined(peer, tmp_path, accept=True) is None


async def test_a_running_node_leaves_a_gateway_whose_key_changed(
    peer: Gateway, start: Start
) -> None:
    peer.log_keys = [OLD]
    async with start() as node:
        await peer.next(Hello)
        peer.log_keys = [NEW]
        connects = peer.connects
        await peer.sockets[-1].close(code=1012)
        ended = await node.ended()
        assert not ended.ok
        assert f"run: rendertrust node join {peer.url} --accept-new-key" in ended.reason
        assert peer.connects == connects


async def test_a_key_that_the_old_one_vouches_for_is_followed(peer: Gateway, start: Start) -> None:
    peer.log_keys = [OLD]
    async with start() as node:
        await peer.next(Hello)
        for keys in ([NEW, OLD], [NEW], [THIRD, NEW]):
            peer.log_keys = keys
            await peer.sockets[-1].close(code=1012)
            await peer.next(Hello)
        peer.log_keys = [OLD]
        await peer.sockets[-1].close(code=1012)
        assert not (await node.ended()).ok


async def test_a_gateway_that_hides_its_key_is_not_followed(peer: Gateway, start: Start) -> None:
    peer.log_keys = [OLD]
    async with start() as node:
        await peer.next(Hello)
        peer.log_keys = []
        await peer.sockets[-1].close(code=1012)
        ended = await node.ended()
        assert "no longer shows a key" in ended.reason


async def test_a_gateway_that_cannot_say_now_is_asked_again(peer: Gateway, start: Start) -> None:
    peer.log_keys = [OLD]
    async with start() as node:
        await peer.next(Hello)
        peer.checkpoint_status = 503
        await peer.sockets[-1].close(code=1012)
        await until_told(node.told, "answered 503")
        connects = peer.connects
        peer.checkpoint_status = 200
        await peer.next(Hello)
        assert peer.connects == connects + 1


async def until_told(told: list[str], words: str) -> None:
    await until(lambda: any(words in line for line in told))


@pytest.mark.parametrize("status", [200, 503])
async def test_a_node_that_knew_no_key_takes_the_first(
    peer: Gateway, start: Start, status: int
) -> None:
    async with start() as node:
        await peer.next(Hello)
        assert kept(node.folder.path) == ""
        peer.log_keys, peer.checkpoint_status = [OLD], status
        await peer.sockets[-1].close(code=1012)
        await peer.next(Hello)
        assert bool(kept(node.folder.path)) is (status == 200)


async def test_a_gateway_that_signs_no_nonce_is_not_followed_until_it_does(
    peer: Gateway, start: Start, tmp_path: Path
) -> None:
    peer.log_keys = [OLD]
    async with start() as node:
        await peer.next(Hello)
        peer.answers_nonces = False
        await peer.sockets[-1].close(code=1012)
        await until_told(node.told, "does not sign a nonce")
        connects = peer.connects
        peer.answers_nonces = True
        await peer.next(Hello)
        assert peer.connects == connects + 1
    peer.answers_nonces = False
    refused = await joined(peer, tmp_path, accept=True)
    assert refused is not None
    assert "does not sign a nonce" in refused.reason
