"""Impossible commands are refused at once, in one line, with an exit code other than 0."""

import asyncio
import os
import socket
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import programs
from tests.support.engines import engine_folder

SECONDS = 120.0  # only a hang takes longer, however busy the machine is


@pytest.fixture
def folder() -> Iterator[Path]:
    with engine_folder() as base:
        yield base


async def run_refused(*words: str) -> tuple[int, str]:
    """Run a program; return its exit code and all its output."""
    program = await programs.start(
        "rendertrust", *words, env=os.environ, stdout=PIPE, stderr=STDOUT
    )
    async with asyncio.timeout(SECONDS):
        said, _ = await program.communicate()
    assert b"Traceback" not in said
    return await program.wait(), said.decode().strip()


def check(code: int, said: str, *parts: str) -> None:
    """Check that the refusal is one line, with at most a reference to the options."""
    assert code in {1, 2}, said
    assert len(said.splitlines()) == 1 + ("\n  See: " in said), said
    for part in parts:
        assert part in said
    assert "Errno" not in said


COMMANDS = pytest.mark.parametrize("command", [("serve",), ("demo", "--exit")], ids=lambda c: c[0])


@COMMANDS
async def test_a_port_that_is_in_use(command: tuple[str, ...], folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        answer = await run_refused(*command, "--port", port, "--data", str(folder / "data"))
    check(*answer, f"Port {port} on 127.0.0.1 is in use; choose another with --port")


@COMMANDS
async def test_an_address_that_is_not_ours(command: tuple[str, ...], folder: Path) -> None:
    words = ("--host", "192.0.2.1", "--insecure-development", "--data", str(folder / "data"))
    check(*await run_refused(*command, *words), "192.0.2.1", "choose another with --host")


@COMMANDS
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
async def test_development_does_not_serve_other_machines(
    command: tuple[str, ...], host: str, folder: Path
) -> None:
    answer = await run_refused(*command, "--host", host, "--data", str(folder / "data"))
    check(*answer, "development does not serve other machines", "--insecure-development")


@COMMANDS
@pytest.mark.parametrize("parent", ["/proc", "/etc/passwd"])
async def test_a_data_folder_that_cannot_be_made(command: tuple[str, ...], parent: str) -> None:
    data = f"{parent}/rendertrust"
    check(*await run_refused(*command, "--data", data), data, "choose another by --data")


async def test_a_folder_for_the_picture_that_cannot_be_made(folder: Path) -> None:
    words = ("--data", str(folder / "data"), "--out", "/proc/pictures")
    answer = await run_refused("demo", "--exit", *words)
    check(*answer, "/proc/pictures", "choose another by --out")


async def test_a_scene_that_is_no_blend_file(folder: Path) -> None:
    scene = folder / "scene.blend"
    scene.write_text("This is no scene.")
    words = ("--data", str(folder / "data"), "--blend", str(scene))
    check(*await run_refused("demo", "--exit", *words), "is not a .blend file")


async def test_a_scene_that_is_not_there(folder: Path) -> None:
    words = ("--data", str(folder / "data"), "--blend", str(folder / "scene.blend"))
    check(*await run_refused("demo", "--exit", *words), "scene.blend", "does not exist")


@pytest.mark.parametrize("frame", ["first", "1.5", "2000000"])
async def test_a_frame_that_is_none(frame: str) -> None:
    check(*await run_refused("demo", "--exit", "--frame", frame), "--frame")


@COMMANDS
async def test_a_setting_that_is_wrong(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENDERTRUST_ENVIRONMENT", "elsewhere")
    check(*await run_refused(*command), "environment is 'elsewhere'")
