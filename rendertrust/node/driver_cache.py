"""Code that drivers compile: OpenGL's shaders, and Cycles' kernels for a graphics card.

Drivers store it in the home folder, which is new in each work folder. So the node draws a scene of
its own once for each state of Blender and drivers, and copies the stored code into each new home
folder. Jobs cannot change it. What a job's processes compiled is given only to later processes of
that job.
"""

import contextlib
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import Final

import attrs
import orjson
import platformdirs

from rendertrust.node.rmtree import clear

CHUNK: Final = 2**20
MIB: Final = 2**20
JOBS_MAX: Final = 8  # jobs whose code is kept; that of the longest unused job goes first
STATES_MAX: Final = 8  # states of Blender and drivers that are kept
LIBRARY_FOLDERS: Final = (
    "/usr/lib",
    "/usr/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
)
CACHE: Final = ".cache"  # the folder of the caches in a home folder


@attrs.frozen
class CacheKind:
    """Caches of one kind of driver in a home folder.

    ``names``: how the names of their folders in CACHE begin. The bounds are those of one job, or of
    the scene that the node draws. ``depth_max``: folders within each other, below the home folder.
    """

    names: tuple[str, ...]
    bytes_max: int
    files_max: int
    depth_max: int

    def enters(self, folder: str, depth: int) -> bool:
        """Return True if a folder below ``depth`` others may have compiled code."""
        if depth == 0:
            return folder == CACHE
        return folder.startswith(self.names) if depth == 1 else depth < self.depth_max


# Without a graphics card, Mesa compiles EEVEE's shaders for most of a minute.
SHADERS: Final = CacheKind(("mesa_shader_cache",), 80 * MIB, 512, 3)
# Mesa keeps less than its bytes, in few files.
SHADER_VARIABLES: Final = (
    "MESA_SHADER_CACHE_MAX_SIZE=64M",
    "MESA_DISK_CACHE_DATABASE_NUM_PARTS=1",
)
# The names are those of ``kernel_variables``, and those that Cycles (for HIP) and Intel's driver
# choose themselves.
KERNELS: Final = CacheKind(("kernels-", "cycles", "neo_compiler_cache"), 256 * MIB, 4096, 9)
KERNEL_BYTES: Final = 120 * MIB  # of one cache; OptiX fills CUDA's, too


def kernel_variables(home: Path) -> tuple[str, ...]:
    """Return the variables that keep compiled kernels in a home folder, as NAME=value."""
    cache = home / CACHE
    return (
        f"CUDA_CACHE_PATH={cache / 'kernels-cuda'}",
        f"CUDA_CACHE_MAXSIZE={KERNEL_BYTES}",
        f"OPTIX_CACHE_PATH={cache / 'kernels-optix'}",
        f"OPTIX_CACHE_MAXSIZE={KERNEL_BYTES}",
        f"AMD_COMGR_CACHE_DIR={cache / 'kernels-comgr'}",
        f"SYCL_CACHE_DIR={cache / 'kernels-sycl'}",  # Cycles itself makes SYCL store kernels
        f"SYCL_CACHE_MAX_SIZE={KERNEL_BYTES // MIB}",
        f"NEO_CACHE_MAX_SIZE={KERNEL_BYTES}",
    )


class CacheTooLarge(Exception):
    """The files are more or larger than those of the drivers."""


def hash_of(facts: Sequence[object], folders: Iterable[str], libraries: Iterable[str]) -> str:
    """Return a hash over facts and over the files of drivers, by which compiled code is stored.

    ``libraries``: patterns of files in those ``folders``.
    """
    paths = {path for place in folders for name in libraries for path in Path(place).glob(name)}
    files = [found for path in sorted(paths) if (found := _facts(path)) is not None]
    return hashlib.sha256(orjson.dumps([*facts, *files])).hexdigest()


def _facts(path: Path) -> list[object] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return [str(path), facts.st_size, facts.st_mtime_ns]


def warm_folder(state: str) -> Path:
    """Return the folder of what the node compiled for a state of its drivers."""
    return platformdirs.user_cache_path("rendertrust") / "compiled" / state


def give(source: Path, home: Path, kind: CacheKind) -> None:
    """Copy stored code into a new home folder, for the user who owns it.

    Do nothing if a process has used the home folder, as links in it could mislead the copy.
    """
    with contextlib.suppress(OSError, CacheTooLarge):
        if any(home.iterdir()):
            return
        owner = home.stat()
        _copy(source, home, kind)
        if os.geteuid() == 0:
            for path in home.rglob("*"):
                os.chown(path, owner.st_uid, owner.st_gid)


def keep(home: Path, target: Path, most: int, kind: CacheKind) -> None:
    """Store the compiled code of a home folder in ``target``, unless it is too much.

    Of the folders beside each other, only the ``most`` that were used last stay.
    """
    with contextlib.suppress(OSError):  # otherwise the next process compiles it again
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".", dir=target.parent))
        try:
            _copy(home, fresh, kind)
            if any(fresh.iterdir()):
                clear(target)
                fresh.rename(target)
                _forget_oldest(target.parent, most)
        except CacheTooLarge:
            clear(target)
        finally:
            clear(fresh)


@contextlib.contextmanager
def turn(target: Path) -> Generator[bool]:
    """Yield True if no other process compiles code beside ``target`` inside this context.

    Raises OSError if the folder cannot be made.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(target.parent / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _takes(descriptor)
    finally:
        os.close(descriptor)


def _takes(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_stored(target: Path) -> bool:
    """Return True if compiled code is stored in the folder, which then counts as used."""
    with contextlib.suppress(OSError):
        os.utime(target)
        return True
    return False


def _forget_oldest(folder: Path, most: int) -> None:
    stored = [path for path in folder.iterdir() if not path.name.startswith(".")]
    for path in sorted(stored, key=lambda path: path.stat().st_mtime)[:-most]:
        clear(path)


def _copy(source: Path, target: Path, kind: CacheKind) -> None:
    """Copy the drivers' regular files from a home folder. Raises CacheTooLarge.

    A scene's process may still run, so folders are entered by descriptors, and no link is followed.
    """
    count, size, home = 0, 0, os.open(source, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for place, folders, names, descriptor in os.fwalk(".", dir_fd=home):
            depth = place.count("/")
            folders[:] = [name for name in folders if kind.enters(name, depth)]
            for name in names if depth >= 2 else ():
                to, left = target / place / name, kind.bytes_max - size
                count, size = count + 1, size + _copied(name, descriptor, to, left)
                if count > kind.files_max or size > kind.bytes_max:
                    raise CacheTooLarge
    finally:
        os.close(home)


def _copied(name: str, folder: int, to: Path, most: int) -> int:
    """Copy a regular file up to little more than ``most`` bytes; return the number of bytes."""
    opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    with os.fdopen(opened, "rb") as file:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            return 0
        to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        size = 0
        with to.open("xb") as copy:
            while size <= most and (some := file.read(CHUNK)):
                size += copy.write(some)
        return size


@attrs.frozen
class JobCaches:
    """Code that the processes of the last few jobs compiled, in ``folder``."""

    folder: Path

    def give(self, job: str, home: Path, kind: CacheKind) -> None:
        """Copy the job's compiled code into a new home folder, if any is stored."""
        stored = self._of(job)
        with contextlib.suppress(OSError):
            os.utime(stored)
            give(stored, home, kind)

    def keep(self, job: str, home: Path, kind: CacheKind) -> None:
        """Store what a process of the job compiled, after it has ended."""
        keep(home, self._of(job), JOBS_MAX, kind)

    def _of(self, job: str) -> Path:
        return self.folder / hashlib.sha256(job.encode()).hexdigest()[:32]
