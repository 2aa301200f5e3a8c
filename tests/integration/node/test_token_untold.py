"""A node's token goes to its gateway only: it appears in no log, no readable file and no
``repr``.
"""

import asyncio
import gc
import logging
from collections.abc import Iterator

import aiohttp
import attrs
import pytest

from rendertrust import node_key
from rendertrust.protocol import Hello, TokenRenewal
from tests.integration.node.conftest import QUICK, Running, Start
from tests.integration.node.gateway import Gateway
from tests.support.until import until

SECRETS = ("first-token", "token-1", "for-verify-alone", "secret-renewed")
MALFORMED = (
    '{"type":"token","token":["secret-renewed"]}',
    '{"type":"token","token":{"secret-renewed":1}}',
    '{"type":"token","token":"secret-renewed"',
    '{"type":"token","tokens":"secret-renewed"}',
    '{"type":["secret-renewed"],"token":"secret-renewed"}',
)


def texts_of_objects() -> Iterator[str]:
    """Yield type, ``repr`` and text of each live object of the program."""
    for one in gc.get_objects():
        # Convert to text, because in some other packages ``__module__`` of a class is a descriptor.
        if str(type(one).__module__).startswith("rendertrust."):
            yield f"{type(one).__qualname__}: {one!r} {one}"


async def health_page(node: Running) -> str:
    """Return the node's health page."""
    port = node.folder.told()["health_port"]
    address = f"http://127.0.0.1:{port}/"
    async with aiohttp.ClientSession() as session, session.get(address) as answer:
        return await answer.text()


def texts_of_files(node: Running) -> Iterator[str]:
    """Yield all files that the agent leaves, except the file that keeps the token."""
    for path in node.folder.path.rglob("*"):
        if path.is_file() and path.name != "enrolment.json":
            yield f"{path}: {path.read_bytes()!r}"


async def use_tokens(peer: Gateway, node: Running) -> None:
    """Let the node use tokens in each way: at its start, by a renewal, and by a proof of
    its key.
    """
    await peer.next(Hello)
    for text in MALFORMED:
        await peer.sockets[-1].send_str(text)
    await peer.send(TokenRenewal(token="secret-renewed"))
    peer.tokens = {"secret-renewed"}
    beats = len(peer.beats)
    await until(lambda: len(peer.beats) > beats)
    await peer.send(peer.dispatch("echo", output=peer.output("o1")))
    await peer.result("j1")
    peer.tokens = set()
    await peer.sockets[-1].close(code=4001)
    await peer.next(Hello)


async def test_no_token_is_told(
    peer: Gateway, start: Start, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(enabled=True)
    async with start(attrs.evolve(QUICK, health_port=0)) as node:
        node_key.load_or_create_key(node.folder.key)
        await use_tokens(peer, node)
        assert peer.tokens == {"token-1"}
        told = [*texts_of_objects(), await health_page(node), *texts_of_files(node)]
    told += [*node.told, *capfd.readouterr(), *texts_of_files(node)]
    told += [f"{record.getMessage()} {record.exc_text}" for record in caplog.records]
    assert sum("ignored a relay frame" in line for line in node.told) == len(MALFORMED)
    assert any("got a new token" in line for line in told)
    assert [line for line in told if any(secret in line for secret in SECRETS)] == []
