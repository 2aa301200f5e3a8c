"""Build of Blender's extension in the background, where no zip of these sources is there yet.

A process with low priority builds the zips by ``scripts/blender_extension.py``, which downloads
other projects' wheels from the package index that is set for pip, and checks their hashes. It ends
with the gateway. Gateways of one folder build once: the one that holds the lock. It removes what
killed gateways have left there, or moves the rest of finished zips, and removes, in the data
folder, zips of older versions.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Final

import structlog

import rendertrust
from web.downloads.extensions import found_extensions
from web.downloads.wheel import CHECKOUT, built_wheel

COMMAND: Final = (
    *("nice", "-n", "19", sys.executable),
    *(str(CHECKOUT / "scripts" / "blender_extension.py"), "--end-with-input"),
)
LOCK: Final = ".extension.lock"
UNFINISHED: Final = ".extension-"  # how the name of a build's folder begins
FINISHED: Final = ".extensions-built"  # the folder of a finished build, until its zips are moved
WITHIN_SECONDS: Final = 3600.0
LAST_WORDS_MAX: Final = 300
ERRORS_BYTES_MAX: Final = 64 * 1024
REMEDY: Final = "see the error, then run scripts/extension; downloads.build=false: never build"
log = structlog.get_logger("downloads")


async def build_missing(
    folders: Sequence[Path], command: Sequence[str] = COMMAND, *, keep_old: bool = False
) -> None:
    """Build the zips into the first folder, unless a folder has some that are made of this
    gateway's sources.

    A failure is logged: the gateway works without the extension. ``keep_old``: zips of older
    versions stay in the folder, because it is an admin's.
    """
    try:
        if await asyncio.to_thread(_is_whole, folders):
            return
        with _lock(folders[0]) as is_mine:
            if is_mine:
                await asyncio.to_thread(_clean, folders[0])
                if await asyncio.to_thread(_is_whole, folders):
                    return
                if await _build(folders[0], command) and not keep_old:
                    await asyncio.to_thread(_remove_old, folders[0])
    except OSError as fault:
        _warn(str(fault))


def is_being_built(folders: Sequence[Path]) -> bool:
    """Return True if a gateway builds zips into the first folder now."""
    try:
        descriptor = os.open(folders[0] / LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def _lock(folder: Path) -> Generator[bool]:
    """Lock the folder; yield False if another gateway builds. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_mine = True
    except BlockingIOError:
        is_mine = False
    try:
        yield is_mine
    finally:
        os.close(descriptor)


def _zips(folder: Path, version: str = rendertrust.__version__) -> list[Path]:
    return sorted(folder.glob(f"rendertrust-{version}-blender-*.zip"))


def _version(path: Path) -> str:
    return path.name.split("-")[1]


def _is_whole(folders: Sequence[Path]) -> bool:
    """Return True if there are zips of this gateway's sources, and none is still to be moved."""
    is_moved = not (folders[0] / FINISHED).exists()
    return is_moved and bool(found_extensions(folders, built_wheel()))


def _clean(folder: Path) -> None:
    """Remove the unfinished builds of killed gateways, and move the zips of a finished one."""
    for left in folder.glob(f"{UNFINISHED}*/"):
        shutil.rmtree(left, ignore_errors=True)
    if (folder / FINISHED).exists():
        _move(folder)


def _move(folder: Path) -> None:
    """Move the zips of the finished build to their place."""
    built = folder / FINISHED
    for path in _zips(built, "*"):
        path.replace(folder / path.name)
    shutil.rmtree(built)


def _remove_old(folder: Path) -> None:
    """Remove the zips of other versions but the newest, which a gateway that is not yet upgraded
    hands out.
    """
    others = [path for path in _zips(folder, "*") if path not in _zips(folder)]
    others.sort(key=lambda path: path.stat().st_mtime_ns)
    for path in others:
        if _version(path) != _version(others[-1]):
            path.unlink(missing_ok=True)


async def _build(folder: Path, command: Sequence[str]) -> bool:
    """Build into a new folder, which gets another name once all zips are built, and move them
    from there: a gateway that is killed in between leaves all of them or none. Return False if the
    build failed.
    """
    with tempfile.TemporaryDirectory(
        prefix=UNFINISHED, dir=folder, ignore_cleanup_errors=True
    ) as new:
        log.info("Blender's extension is being built", folder=str(folder))
        code, output = await _run(*command, "--out", new)
        if code != 0:
            lines = output.split("\n")
            last = next((line for line in reversed(lines) if line.strip()), f"it ended with {code}")
            _warn(last[-LAST_WORDS_MAX:])
            return False
        await asyncio.to_thread(Path(new).replace, folder / FINISHED)
    await asyncio.to_thread(_move, folder)
    log.info("Blender's extension is built", zips=len(_zips(folder)))
    return True


async def _run(*command: str) -> tuple[int | None, str]:
    """Run a program; return its exit code, None if it took too long, and the end of its error
    output.

    The program's input is a pipe that closes when this process ends, in whatever way. It has no
    pipe of asyncio's: while asyncio starts a program with one, a stop would wait for all programs
    that this one has started.
    """
    with tempfile.TemporaryFile() as said, _input() as closing:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=closing, stdout=DEVNULL, stderr=said, start_new_session=True
        )
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WITHIN_SECONDS):
                    await process.wait()
        finally:
            await _end(process)
        said.seek(-min(said.tell(), ERRORS_BYTES_MAX), os.SEEK_END)
        return process.returncode, said.read().decode(errors="replace")


@contextlib.contextmanager
def _input() -> Generator[int]:
    """Yield the end of a pipe to read from; the other end closes at the exit."""
    end, other = os.pipe()
    try:
        yield end
    finally:
        os.close(end)
        os.close(other)


async def _end(process: Process) -> None:
    """Kill the program and the programs that it started, if it still runs."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _warn(why: str) -> None:
    log.warning("Blender's extension could not be built", why=why, remedy=REMEDY)
