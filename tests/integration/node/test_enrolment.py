"""Tests of enrolling a node at a gateway."""

import asyncio
import ssl
from pathlib import Path

import pytest

from rendertrust.node import enrolment
from rendertrust.node.state_folder import Enrolment, StateFolder
from tests.integration.node.gateway import Gateway
from tests.support.reverse_proxies import make_certificate

# Without Blender; the environment of the tests has the extra ``inference``.
OFFERED = ("check:inference", "cpu_benchmark", "echo", "inference", "preflight:inference")


async def test_join_proves_the_key(peer: Gateway, tmp_path: Path) -> None:
    joined = await enrolment.join(f"{peer.url}/", name="box", state=tmp_path, token="of-a-user")
    assert isinstance(joined, enrolment.Joined)
    assert (joined.node_id, joined.owned, joined.proven) == ("n1", True, True)
    assert "pip install" in joined.not_offered["render"]
    assert peer.registrations[0]["authorization"] == "Bearer of-a-user"
    assert peer.registrations[0]["capabilities"] == list(OFFERED)
    for file in ("key.pem", "enrolment.json"):
        assert (tmp_path / file).stat().st_mode & 0o777 == 0o600


async def test_who_joins_again_keeps_its_name(peer: Gateway, tmp_path: Path) -> None:
    await enrolment.join(peer.url, name="box", state=tmp_path)
    again = await enrolment.join(peer.url, state=tmp_path, accept_new_key=True)
    assert isinstance(again, enrolment.Joined)
    assert (again.name, peer.registrations[-1]["name"]) == ("box", "box")


async def test_a_new_key_that_is_refused_is_not_kept(peer: Gateway, tmp_path: Path) -> None:
    await enrolment.join(peer.url, name="box", state=tmp_path)
    key = (tmp_path / "key.pem").read_bytes()
    peer.refuses_registration = 429
    refused = await enrolment.join(peer.url, state=tmp_path, new_key=True)
    assert isinstance(refused, enrolment.JoinRefused)
    assert (tmp_path / "key.pem").read_bytes() == key
    assert [each.name for each in tmp_path.glob("key*")] == ["key.pem"]


async def test_join_works_with_a_gateway_that_knows_no_proof(peer: Gateway, tmp_path: Path) -> None:
    peer.has_verify = False
    joined = await enrolment.join(peer.url, name="box", state=tmp_path)
    assert isinstance(joined, enrolment.Joined)
    assert not joined.proven
    assert StateFolder(tmp_path).enrolment() == Enrolment(
        url=peer.url,
        node_id="n1",
        name="box",
        token="first-token",
        capabilities=OFFERED,
    )


async def test_join_that_is_refused_says_why(peer: Gateway, tmp_path: Path) -> None:
    peer.refuses_registration = 429
    assert await enrolment.join(peer.url, state=tmp_path) == enrolment.JoinRefused(
        reason="no", code=429
    )
    nobody = await enrolment.join("http://127.0.0.1:9", state=tmp_path)
    assert isinstance(nobody, enrolment.JoinRefused)
    assert nobody.code is None


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("http://127.0.0.1:9", "Connection refused"),
        ("{url}/store", "no gateway responds at"),
        ("https://{at}", "does not speak https"),
    ],
    ids=["nobody", "a path too much", "https"],
)
async def test_where_there_is_no_gateway_nothing_is_tried_out(
    peer: Gateway,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    words: str,
) -> None:
    """A wrong address is reported at once, and not after a benchmark of a minute."""

    async def tried(*_: object) -> None:
        raise AssertionError("it was tried out")

    monkeypatch.setattr("rendertrust.node.enrolment.tested_offer", tried)
    address = where.format(url=peer.url, at=peer.url.removeprefix("http://"))
    refused = await enrolment.join(address, state=tmp_path / "state")
    assert isinstance(refused, enrolment.JoinRefused)
    assert words in refused.reason
    assert "ssl:default" not in refused.reason
    assert not (tmp_path / "state").exists()


async def test_a_certificate_that_is_not_trusted_is_named(tmp_path: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*make_certificate(tmp_path))
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=tls)
    async with server:
        port = server.sockets[0].getsockname()[1]
        refused = await enrolment.join(f"https://localhost:{port}", state=tmp_path / "state")
    assert isinstance(refused, enrolment.JoinRefused)
    assert "certificate" in refused.reason
    assert "not trusted" in refused.reason
