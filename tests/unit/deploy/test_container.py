"""Tests of the Containerfiles without building the images.

The files' commands and paths are checked against the checkout; health checks and commands run here,
with this Python.
"""

import asyncio
import json
import re
import sys
from pathlib import Path

import click
import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from config.loader import load
from rendertrust.cli.node import node
from rendertrust.node.blender import LIBRARIES
from rendertrust.node.opengl_probe import HOW_TO_GET_OPENGL
from web.commands.serve import serve
from web.nodes.embedded_verifier import EmbeddedVerifierState, embedding_of

ROOT = Path(__file__).resolve().parents[3]
IMAGES = ("gateway", "node")
HEALTH_PORT = next(
    each.default for each in node.commands["run"].params if each.name == "health_port"
)


def instructions(image: str) -> list[tuple[str, str]]:
    """Return instruction and arguments of each line, with continued lines joined."""
    text = (ROOT / f"deploy/container/{image}.Containerfile").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in text.splitlines() if line]


def words_of(name: str, image: str = "gateway") -> list[str]:
    return [words for instruction, words in instructions(image) if instruction == name]


@pytest.mark.parametrize("image", IMAGES)
def test_it_is_built_in_two_stages_from_the_lock_file_with_hashes(image: str) -> None:
    assert len(words_of("FROM", image)) == 2
    assert words_of("FROM", image)[0].endswith(" AS build")
    install, project = [words for words in words_of("RUN", image) if "pip install" in words]
    assert "--require-hashes" in install
    lock = re.search(r"-r (\S+)", install)
    assert lock is not None
    locked = (ROOT / lock[1]).read_text()
    assert locked.count("--hash=sha256:") >= locked.count("==") > 15
    assert f"COPY {lock[1]}" in "\n".join(" ".join(each) for each in instructions(image))
    assert "--no-deps --no-build-isolation" in project
    assert "setuptools==" in locked  # the build tools are locked, too


@pytest.mark.parametrize(
    ("image", "user", "volume"),
    [("gateway", 10001, "/var/lib/rendertrust"), ("node", 10002, "/var/lib/rendertrust-node")],
    ids=IMAGES,
)
def test_it_runs_as_nobody_in_particular_and_keeps_its_data_in_a_volume(
    image: str, user: int, volume: str
) -> None:
    names = [name for name, _ in instructions(image)]
    assert words_of("USER", image) == [f"{user}:{user}"]
    assert names.index("USER") > len(names) - names[::-1].index("RUN") - 1
    assert words_of("VOLUME", image) == [volume]
    assert words_of("STOPSIGNAL", image) == ["SIGTERM"]


def test_the_gateways_image_is_for_production() -> None:
    assert "RENDERTRUST_ENVIRONMENT=production" in " ".join(words_of("ENV"))


def test_the_nodes_image_has_the_sandbox_and_what_blender_and_opengl_need() -> None:
    (installed,) = [words for words in words_of("RUN", "node") if "apt-get install" in words]
    packages = installed.partition("--no-install-recommends")[2].partition("&&")[0].split()
    opengl = set(HOW_TO_GET_OPENGL.partition("--no-install-recommends")[2].split())
    assert set(packages) == {"bubblewrap", *LIBRARIES.values(), *opengl}


def test_its_settings_start_a_gateway_that_cannot_verify_in_the_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The container has neither Blender nor a sandbox; two settings switch verification on."""
    own = "dGhpcyBpcyBhIHNlY3JldCBvZiBvbmVzIG93bg-48-characters"
    pairs = [pair.split("=", 1) for pair in " ".join(words_of("ENV")).split() if "=" in pair]
    secrets = {
        "RENDERTRUST_JWT_SECRET": own,
        "RENDERTRUST_STRIPE_SECRET_KEY": "sk_live_" + own,
        "RENDERTRUST_STRIPE_WEBHOOK_SECRET": "whsec_" + own,
    }
    for name, value in [*pairs, *secrets.items()]:
        if name.startswith("RENDERTRUST_"):
            monkeypatch.setenv(name, value)
    settings = load()
    assert (settings.production, settings.verification.enabled) == (True, False)
    assert embedding_of(settings, tmp_path) == (EmbeddedVerifierState(), settings)
    text = (ROOT / "deploy/container/gateway.Containerfile").read_text()
    for name, value in re.findall(r"(RENDERTRUST_VERIFICATION_\w+)=(true|false),", text):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RENDERTRUST_VERIFICATION_OWN_NODES", "00000000-0000-4000-8000-000000000001")
    verified = load()
    assert verified.verification.enabled
    assert embedding_of(verified, tmp_path) == (EmbeddedVerifierState(), verified)


def test_what_it_runs_is_a_command_of_ours() -> None:
    (entry,), (command,) = words_of("ENTRYPOINT"), words_of("CMD")
    assert json.loads(entry) == ["python", "-m", "rendertrust"]
    name, *options = json.loads(command)
    assert name == "serve"
    parsed = serve.make_context(name, options)
    assert isinstance(parsed, click.Context)
    assert (parsed.params["host"], parsed.params["port"]) == ("0.0.0.0", 8000)
    assert words_of("EXPOSE") == ["8000"]


def test_what_the_nodes_image_runs_is_a_command_of_ours() -> None:
    (entry,), (command,) = words_of("ENTRYPOINT", "node"), words_of("CMD", "node")
    assert json.loads(entry) == ["rendertrust", "node"]
    (name,) = json.loads(command)
    assert name in node.commands


@pytest.mark.parametrize(
    ("image", "status", "code"),
    [
        ("gateway", 200, 0),
        # A status about too many connections or requests proves that the gateway works.
        ("gateway", 429, 0),
        ("gateway", 503, 0),
        ("gateway", 500, 1),
        ("gateway", 404, 1),
        ("gateway", None, 1),
        ("node", 200, 0),
        ("node", 503, 0),  # it waits for its gateway
        ("node", 500, 1),
    ],
    ids=str,
)
async def test_its_health_check_finds_only_what_a_restart_mends(
    aiohttp_server: AiohttpServer, image: str, status: int | None, code: int
) -> None:
    """Readiness, and not the health check, reports a locked, slow or absent database.

    A gateway with a stuck actor ends by itself.
    """
    (check,) = words_of("HEALTHCHECK", image)
    program, flag, text = json.loads(check.partition("CMD ")[2])
    assert program == "python"
    hangs = asyncio.Event()

    async def health(request: web.Request) -> web.Response:
        if status is None:
            await hangs.wait()
        return web.json_response({"status": "healthy"}, status=status or 200)

    async def ready(request: web.Request) -> web.Response:
        checks = {"database": "connected", "log": "connected", "ledger": "unavailable"}
        return web.json_response({"status": "degraded", "checks": checks})

    site = web.Application()
    site.router.add_get("/health", health)
    site.router.add_get("/api/v1/health/ready", ready)
    server = await aiohttp_server(site)
    within = 2 if status is None else 60
    port = {"gateway": 8000, "node": HEALTH_PORT}[image]
    here = text.replace(
        f"'127.0.0.1', {port}, timeout=3", f"'127.0.0.1', {server.port}, timeout={within}"
    )
    assert here != text
    process = await asyncio.create_subprocess_exec(
        sys.executable, flag, here, stderr=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(120):
        assert await process.wait() == code
    hangs.set()


def test_secrets_and_what_is_large_stay_out_of_the_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".git", ".venv*", "**/*.env", "tests", "deploy/compose/secrets"} <= set(ignored)
    # The folders of a gateway that was started in the checkout, here or by the tutorial.
    assert {"data", "farm", "**/secrets.toml", "build", "dist", "out", ".hypothesis"} <= set(
        ignored
    )
