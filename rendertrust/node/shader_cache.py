"""Compiled OpenGL shaders, which Blender's processes get in their home folders.

Without a graphics card, Mesa compiles EEVEE's shaders for most of a minute. It stores them in the
home folder, which is new in each work folder. So the node draws a scene of its own once for each
state of Blender and drivers, and copies the stored shaders into each new home folder. Jobs cannot
change them. What a job's processes compiled is given only to later processes of that job.
"""

import contextlib
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Final

import attrs
import platformdirs

from rendertrust.node.rmtree import clear

CHUNK: Final = 2**20
BYTES_MAX: Final = 80 * 2**20  # of one job, or of the scene that the node draws
FILES_MAX: Final = 512
DEPTH_MAX: Final = 3  # folders within each other, below the home folder
JOBS_MAX: Final = 8  # jobs whose shaders are kept; those of the longest unused job go first
STATES_MAX: Final = 8  # states of Blender and drivers that are kept
_ENTERED: Final = (".cache", "mesa_shader_cache")  # how the names of Mesa's folders begin
# Mesa keeps less than BYTES_MAX, in few files.
VARIABLES: Final = ("MESA_SHADER_CACHE_MAX_SIZE=64M", "MESA_DISK_CACHE_DATABASE_NUM_PARTS=1")


class TooManyShaders(Exception):
    """The files are more or larger than Mesa's."""


def warm_folder(state: str) -> Path:
    """Return the folder of the shaders that the node compiled for a state of its drivers."""
    return platformdirs.user_cache_path("rendertrust") / "shaders" / state


def give(source: Path, home: Path) -> None:
    """Copy stored shaders into a new home folder, for the user who owns it.

    Do nothing if a process has used the home folder, as links in it could mislead the copy.
    """
    with contextlib.suppress(OSError, TooManyShaders):
        if any(home.iterdir()):
            return
        owner = home.stat()
        _copy(source, home)
        if os.geteuid() == 0:
            for path in home.rglob("*"):
                os.chown(path, owner.st_uid, owner.st_gid)


def keep(home: Path, target: Path, most: int) -> None:
    """Store the shaders of a home folder in ``target``, unless they are too many.

    Of the folders beside each other, only the ``most`` that were used last stay.
    """
    with contextlib.suppress(OSError):  # otherwise the next process compiles them again
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".", dir=target.parent))
        try:
            _copy(home, fresh)
            if any(fresh.iterdir()):
                clear(target)
                fresh.rename(target)
                _forget_oldest(target.parent, most)
        except TooManyShaders:
            clear(target)
        finally:
            clear(fresh)


@contextlib.contextmanager
def turn(target: Path) -> Generator[bool]:
    """Yield True if no other process compiles shaders beside ``target`` inside this context.

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
    """Return True if shaders are stored in the folder, which then counts as used."""
    with contextlib.suppress(OSError):
        os.utime(target)
        return True
    return False


def _forget_oldest(folder: Path, most: int) -> None:
    stored = [path for path in folder.iterdir() if not path.name.startswith(".")]
    for path in sorted(stored, key=lambda path: path.stat().st_mtime)[:-most]:
        clear(path)


def _copy(source: Path, target: Path) -> None:
    """Copy Mesa's regular files from a home folder. Raises TooManyShaders.

    A scene's process may still run, so folders are entered by descriptors, and no link is followed.
    """
    count, size, home = 0, 0, os.open(source, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for place, folders, names, descriptor in os.fwalk(".", dir_fd=home):
            depth = place.count("/")
            folders[:] = [name for name in folders if _is_entered(name, depth)]
            for name in names if depth >= len(_ENTERED) else ():
                count, size = count + 1, size + _copied(name, descriptor, target / place / name)
                if count > FILES_MAX or size > BYTES_MAX:
                    raise TooManyShaders
    finally:
        os.close(home)


def _is_entered(folder: str, depth: int) -> bool:
    if depth < len(_ENTERED):
        return folder.startswith(_ENTERED[depth])
    return depth < DEPTH_MAX


def _copied(name: str, folder: int, to: Path) -> int:
    """Copy a regular file of BYTES_MAX at most; return its bytes, 0 for anything else."""
    opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    with os.fdopen(opened, "rb") as file:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            return 0
        to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with to.open("xb") as copy:
            return copy.write(file.read(BYTES_MAX + 1))


@attrs.frozen
class JobShaders:
    """Shaders that the processes of the last few jobs compiled, in ``folder``."""

    folder: Path

    def give(self, job: str, home: Path) -> None:
        """Copy the job's shaders into a new home folder, if any are stored."""
        stored = self._of(job)
        with contextlib.suppress(OSError):
            os.utime(stored)
            give(stored, home)

    def keep(self, job: str, home: Path) -> None:
        """Store what a process of the job compiled, after it has ended."""
        keep(home, self._of(job), JOBS_MAX)

    def _of(self, job: str) -> Path:
        return self.folder / hashlib.sha256(job.encode()).hexdigest()[:32]
