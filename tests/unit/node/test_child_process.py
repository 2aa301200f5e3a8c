"""Child processes that speak JSON lines."""

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rendertrust.node.child_process import ProcessExit, converse
from tests.support.until import until


async def run(
    program: str, *, within: float = 120, heard: list[Mapping[str, Any]] | None = None
) -> ProcessExit:
    command = [sys.executable, "-u", "-c", program]
    into = heard if heard is not None else []
    return await converse(command, environment={}, within=within, hear=into.append)


async def test_json_objects_are_heard_and_noise_is_not() -> None:
    heard: list[Mapping[str, Any]] = []
    program = (
        "print('noise'); print('[1]'); print('{broken'); print('{\"a\": 1}'); print('x'*200000)"
    )
    ending = await run(program + "; print('{\"b\": 2}')", heard=heard)
    assert heard == [{"a": 1}, {"b": 2}]
    assert (ending.code, ending.last) == (0, {"b": 2})


async def test_endless_noise_takes_no_memory_and_its_end_is_kept() -> None:
    ending = await run("import sys; sys.stderr.write('y' * 3_000_000 + 'the end')")
    assert ending.tail.endswith("the end")
    assert len(ending.tail) <= 4096


async def test_process_is_killed_at_its_deadline() -> None:
    began = time.monotonic()
    ending = await run("import time; time.sleep(60)", within=0.5)
    assert ending.code is None
    assert time.monotonic() - began < 50, "the child ran to its own end"


async def test_process_that_never_stops_talking_is_killed_at_its_deadline() -> None:
    """When the process is killed, its pipes are full and nobody reads them."""
    talk = "import os\nwhile True: os.write(1, b'x' * 10**6), os.write(2, b'y' * 10**6)"
    async with asyncio.timeout(60):
        ending = await run(talk, within=0.5)
    assert ending.code is None


async def test_process_left_behind_that_holds_the_pipes_is_not_waited_for() -> None:
    left = "import subprocess, sys; subprocess.Popen(['sleep', '120'], start_new_session=True)"
    async with asyncio.timeout(60):
        ending = await run(left + "; print('{\"a\": 1}')", within=90)
    assert (ending.code, ending.last) == (0, {"a": 1})


async def test_signal_is_named() -> None:
    assert (await run("import os; os.kill(os.getpid(), 11)")).signal_name == "SIGSEGV"
    assert ProcessExit(code=139, last={}, tail="").signal_name == "SIGSEGV"
    assert ProcessExit(code=1, last={}, tail="").signal_name is None


async def test_cancelled_conversation_leaves_no_process(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    program = (
        "import os, subprocess, sys, time, pathlib;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        f"pathlib.Path({str(mark)!r}).write_text(f'{{os.getpid()}} {{child.pid}}');"
        "time.sleep(60)"
    )
    talk = asyncio.ensure_future(run(program))
    await until(lambda: mark.exists() and len(mark.read_text().split()) == 2)
    talk.cancel()
    await asyncio.wait((talk,))
    pids = mark.read_text().split()
    await until(lambda: not any(_is_alive(pid) for pid in pids))


def _is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
