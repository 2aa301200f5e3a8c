"""Tests of the Containerfile without building the image.

The file's commands and paths are checked against the checkout; its health check and its command run
here, with this Python.
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
from web.commands.serve import serve
from web.nodes.embedded_verifier import EmbeddedVerifierState, embedding_of

ROOT = Path(__file__).resolve().parents[3]


def instructions() -> list[tuple[str, str]]:
    """Return instruction and arguments of each line, with continued lines joined."""
    text = (ROOT / "deploy/container/Containerfile").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in text.splitlines() if line]


def words_of(name: str) -> list[str]:
    return [words for instruction, words in instructions() if instruction == name]


def test_it_is_built_in_two_stages_from_the_lock_file_with_hashes() -> None:
    assert len(words_of("FROM")) == 2
    assert words_of("FROM")[0].endswith(" AS build")
    install, project = [words for words in words_of("RUN") if "pip install" in words]
    assert "--require-hashes" in install
    lock = re.search(r"-r (\S+)", install)
    assert lock is not None
    locked = (ROOT / lock[1]).read_text()
    assert locked.count("--hash=sha256:") >= locked.count("==") > 30
    assert f"COPY {lock[1]}" in "\n".join(" ".join(each) for each in instructions())
    assert "--no-deps --no-build-isolation" in project
    assert "setuptools==" in locked  # the build tools are locked, too


def test_it_runs_as_nobody_in_particular_and_keeps_its_data_in_a_volume() -> None:
    names = [name for name, _ in instructions()]
    assert words_of("USER") == ["10001:10001"]
    assert names.index("USER") > len(names) - names[::-1].index("RUN") - 1
    assert words_of("VOLUME") == ["/var/lib/rendertrust"]
    assert "RENDERTRUST_ENVIRONMENT=production" in " ".join(words_of("ENV"))
    assert words_of("STOPSIGNAL") == ["SIGTERM"]


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
    text = (ROOT / "deploy/container/Containerfile").read_text()
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


@pytest.mark.parametrize(
    ("status", "code"),
    # A status about too many connections or requests proves that the gateway works.
    [(200, 0), (429, 0), (503, 0), (500, 1), (404, 1), (None, 1)],
)
async def test_its_health_check_finds_only_what_a_restart_mends(
    aiohttp_server: AiohttpServer, status: int | None, code: int
) -> None:
    """Readiness, and not the health check, reports a locked, slow or absent database.

    A gateway with a stuck actor ends by itself.
    """
    (check,) = words_of("HEALTHCHECK")
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
    here = text.replace(
        "'127.0.0.1', 8000, timeout=3", f"'127.0.0.1', {server.port}, timeout={within}"
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
    assert {".git", ".venv", "**/*.env", "tests"} <= set(ignored)
