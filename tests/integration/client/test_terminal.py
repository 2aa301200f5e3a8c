"""Tests of ``rendertrust`` on a pseudo-terminal of 80 columns."""

import asyncio
import fcntl
import os
import re
import struct
import sys
import termios
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tests.integration.client.conftest import Program
from tests.integration.client.double import INVITATION, GatewayDouble, completing

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@asynccontextmanager
async def terminal() -> AsyncGenerator[tuple[int, int]]:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    try:
        yield ours, theirs
    finally:
        os.close(ours)


async def run_on_terminal(program: Program, *words: str, typed: str = "") -> tuple[int, str]:
    """Run the program on the terminal; return its exit code and output."""
    async with terminal() as (ours, theirs):
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "rendertrust", *words],
            cwd=program.home,
            env=program.environment() | {"TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        received = await asyncio.to_thread(_received, ours, typed)
        async with asyncio.timeout(60):
            return await process.wait(), received


def _received(ours: int, typed: str) -> str:
    """Read all output until the program closes the terminal; type an answer after each question."""
    text, answers = b"", typed.splitlines()
    while True:
        try:
            piece = os.read(ours, 65_536)
        except OSError:  # on Linux the terminal's closed other side raises this
            return text.decode()
        text += piece
        if answers and text.rstrip(b" ").endswith(b":"):
            os.write(ours, f"{answers.pop(0)}\n".encode())


async def test_a_job_is_one_line_of_eighty_columns(jane: Program, gateway: GatewayDouble) -> None:
    ids = [gateway.add_job("DISPATCHED", progress=0.5) for _ in range(3)]
    code, text = await run_on_terminal(jane, "jobs", "list")
    plain = CONTROL.sub("", text).splitlines()
    rows = [line for line in plain if line.split(" ")[0] in ids]
    assert code == 0, text
    assert len(rows) == 3
    assert all("DISPATCHED" in row and "d ago" in row and len(row) <= 80 for row in rows)


async def test_a_watch_draws_a_bar_with_percent_and_node(
    jane: Program, gateway: GatewayDouble
) -> None:
    gateway.life = completing(0.25, 0.5)
    code, text = await run_on_terminal(jane, "jobs", "watch", gateway.add_job())
    assert code == 0, text
    assert "\x1b[" in text
    assert "50 % node 7c9e6679" in CONTROL.sub("", text)


async def test_no_color_draws_no_colours(jane: Program, gateway: GatewayDouble) -> None:
    gateway.add_job()
    plain = Program(jane.url, jane.home, {"NO_COLOR": "1"})
    _, text = await run_on_terminal(plain, "jobs", "list")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", text)


async def test_address_and_password_are_asked_for_and_the_password_not_shown(
    program: Program,
) -> None:
    code, text = await run_on_terminal(program, "login", typed="jane@example.com\ncorrect horse\n")
    assert code == 0, text
    assert "Logged in as jane@example.com" in text
    assert "correct horse" not in text


async def test_an_invitation_is_asked_for_where_one_is_needed(program: Program) -> None:
    typed = "correct horse\n" * 2 + f"{INVITATION}\n"
    code, text = await run_on_terminal(program, "register", "invited@example.com", typed=typed)
    assert code == 0, text
    assert "Registered invited@example.com" in text


async def test_a_new_password_is_asked_for_twice(program: Program) -> None:
    typed = "jane@example.com\ncorrect horse\nanother horse\n" + "correct horse\n" * 2
    code, text = await run_on_terminal(program, "register", typed=typed)
    assert code == 0, text
    assert "do not match" in text
    assert "Registered jane@example.com" in text
