"""Tests of ``rendertrust`` on a pseudo-terminal."""

import asyncio
import fcntl
import os
import re
import struct
import sys
import termios
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
from aiohttp import web

from rendertrust.cli import exit_codes
from tests.integration.client.conftest import Program
from tests.integration.client.double import INVITATION, NOW, PICTURE, GatewayDouble, completing
from tests.support.screen import Screen
from web.openapi.examples.earnings import EARNING_SUMS, EARNINGS, PAYOUT

ROWS = 24
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@asynccontextmanager
async def terminal(columns: int) -> AsyncGenerator[tuple[int, int]]:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    try:
        yield ours, theirs
    finally:
        os.close(ours)


async def run_on_terminal(
    program: Program, *words: str, typed: str = "", after: str = ":", columns: int = 80
) -> tuple[int, str]:
    """Run the program on the terminal; return its exit code and output.

    A line of ``typed`` is typed whenever the output ends with ``after``.
    """
    async with terminal(columns) as (ours, theirs):
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "rendertrust", *words],
            cwd=program.home,
            env=program.environment() | {"TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # for Ctrl-C
        )
        os.close(theirs)
        received = await asyncio.to_thread(_received, ours, typed, after.encode())
        async with asyncio.timeout(60):
            return await process.wait(), received


def _received(ours: int, typed: str, after: bytes) -> str:
    """Read all output until the program closes the terminal; type an answer after each question."""
    text, answers = b"", typed.splitlines()
    while True:
        try:
            piece = os.read(ours, 65_536)
        except OSError:  # on Linux the terminal's closed other side raises this
            return text.decode()
        text += piece
        if answers and text.rstrip(b" ").endswith(after):
            os.write(ours, f"{answers.pop(0)}\n".encode())


async def test_a_job_is_one_line_of_eighty_columns(jane: Program, gateway: GatewayDouble) -> None:
    names = ("cathedral", "a name that is far too long for a line", "wide \u202e shot")
    ids = [gateway.add_job("DISPATCHED", progress=0.5, name=name) for name in names]
    code, text = await run_on_terminal(jane, "jobs", "list")
    plain = CONTROL.sub("", text).splitlines()
    rows = [line for line in plain if any(id_[:8] in line for id_ in ids)]
    assert code == 0, text
    assert len(rows) == 3
    assert all("Starting" in row and "d ago" in row and len(row) <= 80 for row in rows)
    assert rows[-1].startswith("cathedral ")
    assert "\u202e" not in text


def shows(page: dict[str, object], _: web.Request) -> web.Response:
    return web.json_response(page)


async def test_money_and_uploads_fit_eighty_columns(jane: Program, gateway: GatewayDouble) -> None:
    """People see beginnings of ids, which commands take, and numbers with commas."""
    id_, at = "7d1e6f5a-0000-4000-8000-000000000001", "2026-03-13T12:00:00Z"
    entry: dict[str, object] = {
        "id": id_,
        "entry_id": 9,
        "created_at": at,
        "source": "USAGE",
        "direction": "DEBIT",
    }
    entry |= {"amount": "1250.5000", "balance_after": "20000.0000", "reference_id": f"job:{id_}:7"}
    entry["description"] = "Job execution: render"
    money = {"credits": "20000.0000", "amount": 140_000, "currency": "usd"}
    paid: dict[str, object] = {
        "id": id_,
        "sku": "cred2000",
        "state": "paid",
        "refunded": "0.0000",
        **money,
    }
    paid |= {"created_at": at, "paid_at": at}
    offer = {"sku": "cred2000", "title": "20,000 credits", **money}
    kept: dict[str, object] = {
        "id": id_,
        "filename": "cathedral-at-dusk.blend",
        "size": 1_400_000,
        "jobs": 3,
    }
    kept |= {"sha256": "ab" * 32, "created_at": at, "expires_at": at}
    pages: dict[str, tuple[str, dict[str, object], str]] = {
        "history": ("credits/history", {"entries": [entry], "count": 1}, "7d1e6f5a:7"),
        "purchases": ("credits/purchases", {"purchases": [paid], "count": 1}, "1,400.00 USD"),
        "offers": ("credits/skus", {"skus": [offer], "cheapest": None}, "1,400.00 USD"),
        "list": ("uploads", {"uploads": [kept], "count": 1, "used": 1, "quota": 2}, "2026-03-13"),
    }
    for command, (path, page, told) in pages.items():
        gateway.script(f"GET /api/v1/{path}", partial(shows, page))
        group = "uploads" if command == "list" else "credits"
        code, text = await run_on_terminal(jane, group, command)
        lines = CONTROL.sub("", text).splitlines()
        assert code == 0, text
        assert len(lines) == (3 if command == "list" else 2), text
        assert told in lines[1]
        assert max(map(len, lines)) <= 80


async def test_earnings_in_credits_and_money_fit_eighty_columns(
    jane: Program, gateway: GatewayDouble
) -> None:
    """Each row of large amounts stays on one line, so that sums can be read down a column."""
    amount, many = "12345.5000", {"seconds": 360_000.0, "units": 5000, "frames": 20_000}
    earned = {**EARNINGS["earnings"][0], "amount": amount, "state": "payable"}
    day = {**EARNING_SUMS["total"], "day": "2026-03-13", "earned": amount, "lost": amount, **many}
    payout = {**PAYOUT, "amount": amount, "reference": "TR-7"}
    money = {"sku": "p", "title": "P", "credits": "100.0000", "amount": 1000, "currency": "usd"}
    pages: dict[tuple[str, ...], tuple[str, dict[str, object]]] = {
        (): ("earnings", {**EARNINGS, "earnings": [earned], "count": 1}),
        ("--by", "day"): ("earnings/sums", {**EARNING_SUMS, "sums": [day], "total": day}),
        ("payouts",): ("payouts", {"payouts": [payout], "count": 1, "next": None}),
    }
    for words, (path, page) in pages.items():
        gateway.script(f"GET /api/v1/operators/me/{path}", partial(shows, page))
        offers: dict[str, object] = {"skus": [money], "cheapest": "p"}
        gateway.script("GET /api/v1/credits/skus", partial(shows, offers))
        code, text = await run_on_terminal(jane, "earnings", *words)
        lines = CONTROL.sub("", text).splitlines()
        assert (code, "WORTH" in lines[0], "≈ 1,234.55 USD" in lines[1]) == (0, True, True), text
        assert max(map(len, lines[:2])) <= 80


def screens(text: str, columns: int) -> list[list[str]]:
    """Return what the screen showed each time before lines were drawn again, and at the end."""
    screen, found = Screen(columns, ROWS), list[list[str]]()
    for piece in re.split(r"(?=\r\x1b\[1A)", text):
        screen.write(piece)
        found.append(screen.lines)
    return found


async def test_a_watch_draws_a_bar_with_percent_and_node(
    jane: Program, gateway: GatewayDouble
) -> None:
    gateway.life = completing(0.25, 0.5)
    job = gateway.add_job(name="scene")
    code, text = await run_on_terminal(jane, "jobs", "watch", job)
    assert code == 0, text
    shown = screens(text, 80)
    assert shown[2][0].startswith(f"Rendering  scene ({job[:8]})  node 7c9e6679, ")
    assert "  50 %" in shown[2][1]
    assert [row[:9] for row in shown[-1]] == [
        "Completed",
        "10 credit",
        "█" * 9,
        "Charged: ",
        "Download ",
    ]


@pytest.mark.parametrize("columns", [80, 120])
async def test_a_watch_of_an_animation_fits_the_terminal(
    jane: Program, gateway: GatewayDouble, columns: int
) -> None:
    """Thirty frames run at the same time, more than the terminal has rows."""
    job = gateway.add_job(units=40, name="a name that is far too long for a line " * 2)
    gateway.add_units(job, *[PICTURE] * 4, *["RUNNING"] * 30, *["VERIFYING"] * 2, *["QUEUED"] * 4)
    for each in gateway.units[job]:
        each |= {"progress": 0.5 if each["state"] == "RUNNING" else None}
    late = {"eta_seconds": 3600.0, "eta_reason": "fewer_nodes", "charged": "40.0000"}
    gateway.life.append({"status": "RUNNING", "done": 4, **late})
    gateway.life.append(
        {"status": "COMPLETED", "done": 40, "charged": "400.0000", "completed_at": NOW}
    )
    code, text = await run_on_terminal(jane, "jobs", "watch", job, columns=columns)
    assert code == 0, text
    first, *_, last = screens(text, columns)
    assert len(first) < ROWS
    assert all(len(row) < columns for row in first)
    assert first[1] == "FRAME  NODE       DONE       TIME"
    assert first[2].startswith("    5  7c9e6679   50 %  ")
    assert first[-3] == "4 completed, 2 verifying, 4 waiting; 40 credits"
    assert "  52 % rendered  done about " in first[-2]
    assert first[-1] == "later because fewer nodes work on it"
    assert "  100 %" in last[-3]
    assert last[-2] == "Charged: 400 credits."
    assert not any("done about" in row for row in last)


async def test_ctrl_c_says_that_the_job_goes_on_and_how_to_watch_it_again(
    jane: Program, gateway: GatewayDouble
) -> None:
    job = gateway.add_job("RUNNING", units=3, name="scene")
    gateway.add_units(job, "RUNNING", "QUEUED", "QUEUED")
    code, text = await run_on_terminal(
        jane, "jobs", "watch", job, typed="\x03", after="rendered\r\n"
    )
    assert code == exit_codes.INTERRUPTED, text
    last = screens(text, 80)[-1]
    assert f"rendertrust: Interrupted; job {job[:8]} continues" in last
    assert f"  Watch again:           rendertrust jobs watch {job[:8]}" in last
    assert gateway.jobs[job]["status"] == "RUNNING"


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


def answering(page: dict[str, object]) -> Callable[[web.Request], web.Response]:
    """Return a handler that always answers with this page."""
    return lambda _: web.json_response(page)
