"""The tether, with small programs in the place of an engine."""

import asyncio
import fcntl
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from supervisors.engines import tether
from supervisors.engines.engine_folder import EngineFolder, try_lock
from supervisors.engines.errors import EngineError
from supervisors.engines.tethered_process import Command, Tethered, run_once
from tests.support.until import until

# Program that creates a file when it has started, and ignores the given signals.
STUBBORN = """
import signal, sys, time
for number in sys.argv[2:]: signal.signal(int(number), signal.SIG_IGN)
open(sys.argv[1], "w").close()
time.sleep(60)
"""


KILLED = ((signal.SIGKILL, 5.0),)


@pytest.fixture
def folder(tmp_path: Path) -> EngineFolder:
    made = EngineFolder(tmp_path / "data", "dummy", None)
    made.make()
    return made


async def launch(
    folder: EngineFolder, *ignored: int, stop: tuple[tuple[int, float], ...]
) -> tuple[Tethered, int]:
    """Start the stubborn program under a tether; return the process and the descriptor of
    the lock.
    """
    lock = await folder.lock(within=60.0)
    there = folder.path / "there"
    numbers = [str(int(number)) for number in ignored]
    command = Command([sys.executable, "-c", STUBBORN, str(there), *numbers], stop)
    running = await Tethered.launch(folder, command, lock)
    await until(there.exists)
    return running, lock


async def test_a_stop_sends_the_first_signal(folder: EngineFolder) -> None:
    running, lock = await launch(folder, stop=((signal.SIGINT, 10.0),))
    assert await running.stop() in (1, 128 + signal.SIGINT)
    os.close(lock)


async def test_harder_signals_follow_and_the_last_is_a_kill(folder: EngineFolder) -> None:
    deaf = (signal.SIGTERM, signal.SIGINT)
    running, lock = await launch(folder, *deaf, stop=((signal.SIGTERM, 0.1), (signal.SIGINT, 0.1)))
    assert await running.stop() == 128 + signal.SIGKILL
    os.close(lock)


async def test_the_folder_stays_locked_until_the_engine_has_gone(folder: EngineFolder) -> None:
    running, lock = await launch(folder, stop=((signal.SIGTERM, 10.0),))
    os.close(lock)
    again = os.open(folder.path / "lock", os.O_RDWR)
    assert not try_lock(again)
    await running.stop()
    assert try_lock(again)
    os.close(again)


async def test_a_program_that_cannot_be_run_is_an_error(folder: EngineFolder) -> None:
    lock = await folder.lock(within=60.0)
    with pytest.raises(EngineError, match="cannot be run"):
        await Tethered.launch(folder, Command([folder.path / "nothing"], ((15, 1.0),)), lock)
    os.close(lock)


async def test_a_program_that_fails_is_an_error_with_the_end_of_its_log(
    folder: EngineFolder,
) -> None:
    lock = await folder.lock(within=60.0)
    command = Command([sys.executable, "-c", "raise SystemExit('no room')"], ((15, 1.0),))
    with pytest.raises(EngineError, match="ended with 1: no room"):
        await run_once(folder, command, lock, within=60.0)
    os.close(lock)


async def test_the_engine_takes_nothing_from_our_environment(folder: EngineFolder) -> None:
    lock = await folder.lock(within=60.0)
    text = "import os, sys; sys.exit(' '.join(sorted(os.environ)))"
    with pytest.raises(EngineError, match=r": (LC_CTYPE )?HOME LC_ALL PATH TMPDIR TZ$"):
        await run_once(
            folder, Command([sys.executable, "-c", text], ((15, 1.0),)), lock, within=60.0
        )
    os.close(lock)


async def test_a_tether_that_loses_its_gateway_ends_the_engine(tmp_path: Path) -> None:
    """The tether is started directly; its pipe closes without a message."""
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    left = tmp_path / "left"
    left.touch()
    arguments = [str(lock), "15:5", "9", "-", str(left), sys.executable, "-c", STUBBORN]
    process: Process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", tether.__file__, *arguments, str(tmp_path / "there")),
        stdin=PIPE,
        stdout=PIPE,
        pass_fds=[lock],
    )
    assert process.stdin is not None
    assert process.stdout is not None
    pid = int(await process.stdout.readline())
    await until((tmp_path / "there").exists)
    os.kill(pid, 0)
    process.stdin.close()
    assert await process.wait() == 128 + signal.SIGTERM
    assert not left.exists()
    os.close(lock)


# Program whose child survives it: the child creates a file when it has begun, and another when its
# standard input has ended.
SURVIVED = """
import os, sys, time
if os.fork():
    time.sleep(60)
os.setsid()
open(sys.argv[1], "w").close()
os.read(0, 1)
open(sys.argv[2], "w").close()
"""


async def test_a_process_that_survives_tether_and_engine_is_told(tmp_path: Path) -> None:
    """The signal of a parent's death does not reach a sandbox that has not asked for it yet."""
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    program = [sys.executable, "-c", SURVIVED, str(begun), str(ended)]
    arguments = [str(lock), "15:5", "9", "-", "", *program]
    process: Process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", tether.__file__, *arguments),
        stdin=PIPE,
        stdout=PIPE,
        pass_fds=[lock],
    )
    os.close(lock)
    await until(begun.exists)
    assert not ended.exists()
    process.kill()
    await process.wait()
    await until(ended.exists)


def test_a_log_that_is_too_long_is_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    log.write_text("x" * 100)
    kept = os.dup(2)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 2)
        try:
            tether.shorten_log()
            untouched = log.stat().st_size
            monkeypatch.setattr(tether, "LOG_BYTES_MAX", 99)
            tether.shorten_log()
        finally:
            os.dup2(kept, 2)
            os.close(kept)
    assert (untouched, log.stat().st_size) == (100, 0)


async def test_a_program_that_does_not_end_in_time_is_an_error(folder: EngineFolder) -> None:
    lock = await folder.lock(within=60.0)
    sleeper = Command([sys.executable, "-c", "import time; time.sleep(60)"], KILLED)
    with pytest.raises(EngineError, match=r"did not end within 0\.1 s"):
        await run_once(folder, sleeper, lock, within=0.1)
    os.close(lock)
