"""The folder into which the gateway's script installs the program, one environment per version.

The link ``venv`` names the environment that is used. It is replaced at once, so that at each moment
it leads to a whole environment. A program runs under the environment's own path, so that a new
link does not change the modules of a program that runs.
"""

import contextlib
import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Final

import attrs
import orjson

from rendertrust.node.state_folder import write_private

CONFIGURATION: Final = "pyvenv.cfg"  # each environment has this file, which its users lock
STARTS_MAX: Final = 3  # of a program on trial that never connected
_VERSIONS: Final = "versions"
_LINK: Final = "venv"


@attrs.frozen
class ProgramFolder:
    """Paths of one folder, and the replacement of its link."""

    path: Path

    @property
    def link(self) -> Path:
        """Return the link that names the environment in use."""
        return self.path / _LINK

    @property
    def versions(self) -> Path:
        """Return the folder of the environments."""
        return self.path / _VERSIONS

    @property
    def program(self) -> Path:
        """Return the path of the command, which stays the same when the link changes."""
        return self.link / "bin" / "rendertrust"

    @property
    def trial(self) -> Path:
        """Return the file that names the environment before the one on trial."""
        return self.path / "trial.json"

    def current(self) -> Path:
        """Return the environment in use."""
        return self.link.resolve()

    def new_environment(self, prefix: str) -> Path:
        """Return a new, empty folder for an environment.

        Its name is its own: pip may survive an update that was killed, and then write there.
        """
        environment = Path(tempfile.mkdtemp(prefix=prefix, dir=self.versions))
        environment.chmod(0o755)  # Blender in the sandbox may have another user id
        return environment

    def use(self, environment: Path, installed: str) -> None:
        """Let the link name another environment, at once.

        ``installed``: what the gateway's script reads to see whether it has to install anything.
        Raises OSError.
        """
        marker = self.path / "installed"
        marker.unlink(missing_ok=True)
        fresh = self.path / f".{_LINK}.{os.getpid()}"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(Path(_VERSIONS) / environment.name)
        os.sync()  # what the link leads to is on the disk before the link is
        fresh.replace(self.link)
        _sync(self.path)
        marker.write_text(installed)

    def remove_unused(self) -> None:
        """Remove all environments but the one in use and those from which a program runs."""
        kept = {self.current(), Path(sys.prefix).resolve()}
        for environment in sorted(self.versions.iterdir()):
            if environment not in kept and not _is_held(environment):
                shutil.rmtree(environment, ignore_errors=True)

    def try_out(self, environment: Path, sha256: str, installed: str) -> None:
        """Use an environment on trial: the present one comes back unless the new one connects."""
        before = {"environment": self.current().name, "sha256": sha256, "starts": 0}
        write_private(self.trial, orjson.dumps(before))
        self.use(environment, installed)

    def pass_trial(self) -> None:
        """Keep the program in use, which has connected to its gateway."""
        self.trial.unlink(missing_ok=True)

    def begin_start(self) -> bool:
        """Count a start of the program on trial; return True if it went back to the one before.

        Raises OSError.
        """
        try:
            trial = orjson.loads(self.trial.read_bytes())
            before, starts = self.versions / str(trial["environment"]), int(trial["starts"]) + 1
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return False
        if starts <= STARTS_MAX or not (before / CONFIGURATION).exists():
            write_private(self.trial, orjson.dumps({**trial, "starts": starts}))
            return False
        self.note_failure(str(trial["sha256"]))
        self.use(before, "")
        self.pass_trial()
        return True

    @contextlib.contextmanager
    def changing(self) -> Generator[bool]:
        """Lock the folder while it changes. Yield False if another program changes it."""
        descriptor = os.open(self.path / "update.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_mine = True
        except BlockingIOError:
            is_mine = False
        try:
            yield is_mine
        finally:
            os.close(descriptor)

    @property
    def failed(self) -> str:
        """Return the SHA-256 of the newest wheel that failed its self-test; '' if none did."""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return (self.path / "failed").read_text()
        return ""

    def note_failure(self, sha256: str) -> None:
        """Remember a wheel that failed its self-test, which automatic updates then leave out."""
        with contextlib.suppress(OSError):
            (self.path / "failed").write_text(sha256)


def installed(prefix: Path | None = None) -> ProgramFolder | None:
    """Return the folder from which this program runs; None if it was installed in another way."""
    environment = (prefix or Path(sys.prefix)).resolve()
    folder = ProgramFolder(environment.parent.parent)
    is_there = environment.parent.name == _VERSIONS and folder.link.is_symlink()
    return folder if is_there and folder.current().parent == folder.versions else None


def hold() -> int | None:
    """Keep this program's environment from being removed while it runs.

    Return a descriptor to keep open; None if this program is in no such environment.
    """
    if installed() is None:
        return None
    descriptor = os.open(Path(sys.prefix) / CONFIGURATION, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)  # others hold it for a moment, to see whether it is held
    return descriptor


def _is_held(environment: Path) -> bool:
    try:
        descriptor = os.open(environment / CONFIGURATION, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
