"""A gateway with a certificate of an authority that the machine does not know."""

import ssl
from pathlib import Path

from pytest_aiohttp import AiohttpServer

from rendertrust.cli import exit_codes
from tests.integration.client.conftest import Program
from tests.integration.client.double import GatewayDouble
from tests.support.reverse_proxies import make_certificate


async def test_an_unknown_authority_is_named_by_ssl_cert_file(
    aiohttp_server: AiohttpServer, tmp_path: Path
) -> None:
    certificate, key = make_certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    double = GatewayDouble()
    server = await aiohttp_server(double.app(), ssl=tls)
    program = Program(f"https://127.0.0.1:{server.port}", tmp_path)
    words = ("credits", "balance")
    told = await program.execute(*words, RENDERTRUST_API_KEY="access-1")
    assert told.code == exit_codes.UNAVAILABLE
    assert "the server's certificate is not trusted" in told.err
    assert "SSL_CERT_FILE" in told.err
    trusted = {"RENDERTRUST_API_KEY": "access-1", "SSL_CERT_FILE": str(certificate)}
    told = await program.execute(*words, **trusted)
    assert (told.code, "990" in told.out) == (0, True), told
