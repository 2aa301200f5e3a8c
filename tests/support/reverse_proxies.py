"""nginx and Caddy as reverse proxies in tests, with the configurations of ``deploy/``."""

import asyncio
import datetime
import ipaddress
import os
import shutil
import socket
import ssl
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.support.free_ports import free_port
from tests.support.until import until

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = Path(sys.prefix) / "programs"  # scripts/system_packages.py unpacks them there
PLACES = [PROGRAMS / "usr/sbin", PROGRAMS / "usr/bin"]
HOW = "the proxies' tests need nginx and caddy: run scripts/system_packages.py --for-tests"
NAME = "rendertrust.example.org"
NAMES = ("nginx", "caddy")


@attrs.frozen
class Proxy:
    """A running proxy: ``url`` is its address, and ``tls`` trusts its certificate."""

    url: str
    tls: ssl.SSLContext


def program(name: str) -> str:
    """Return the path of a program that is installed or was unpacked for the tests."""
    path = os.pathsep.join([*map(str, PLACES), "/usr/sbin", os.environ.get("PATH", os.defpath)])
    found = shutil.which(name, path=path)
    assert found is not None, HOW
    return found


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Write a self-signed certificate of localhost and its key; return both paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


def replaced(text: str, changes: dict[str, str]) -> str:
    """Return the text with all replacements made; fail if one of the old texts is missing."""
    for old, new in changes.items():
        assert old in text, f"{old} is not in the sample any more"
        text = text.replace(old, new)
    return text


def nginx_command(folder: Path, port: int, upstream: int) -> list[str]:
    certificate, key = make_certificate(folder)
    sample = (ROOT / "deploy/nginx/rendertrust.conf").read_text()
    changes = {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        f"server_name {NAME}": "server_name localhost",
        "127.0.0.1:8000": f"127.0.0.1:{upstream}",
        "/etc/ssl/rendertrust/fullchain.pem": str(certificate),
        "/etc/ssl/rendertrust/privkey.pem": str(key),
        "/var/log/nginx/rendertrust.log": str(folder / "access.log"),
        "/var/log/nginx/rendertrust-error.log": str(folder / "error.log"),
    }
    site = folder / "site.conf"
    site.write_text(replaced(sample, changes))
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = folder / "nginx.conf"
    main.write_text(
        f"daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr warn;\n"
        f"events {{}}\nhttp {{\n{temporary}include {site};\n}}\n"
    )
    return [program("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(main)]


def caddy_command(folder: Path, port: int, upstream: int) -> list[str]:
    certificate, key = make_certificate(folder)
    sample = (ROOT / "deploy/caddy/Caddyfile").read_text()
    here = f"https://localhost:{port} {{\n\ttls {certificate} {key}\n\tbind 127.0.0.1"
    changes = {
        f"\n{{$FARM_HOST:{NAME}}} {{": f"\n{here}",
        "{$FARM_GATEWAY:127.0.0.1:8000}": f"127.0.0.1:{upstream}",
    }
    changes["\n{\n"] = "\n{\n\tadmin off\n\tauto_https disable_redirects\n\tskip_install_trust\n"
    path = folder / "Caddyfile"
    path.write_text(replaced(sample, changes))
    return [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(path)]


COMMANDS = {"nginx": nginx_command, "caddy": caddy_command}


@asynccontextmanager
async def proxy(
    name: str, folder: Path, upstream: int, port: int | None = None
) -> AsyncGenerator[Proxy]:
    """Run the proxy in front of the server at port ``upstream`` until the block ends."""
    port = port or free_port()
    command = COMMANDS[name](folder, port, upstream)
    environment = {"PATH": os.defpath, "HOME": str(folder), "TMPDIR": str(folder)}
    with (folder / "stderr").open("wb") as err:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, env=environment, stdout=PIPE, stderr=err
        )
    try:
        await until(lambda: process.returncode is not None or listens(port))
        assert process.returncode is None, (folder / "stderr").read_text()
        tls = ssl.create_default_context(cafile=str(folder / "certificate.pem"))
        yield Proxy(f"https://localhost:{port}", tls)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
