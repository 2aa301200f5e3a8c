"""The folder of one engine, and the lock that its processes hold."""

import asyncio
import fcntl
import os
import shutil
import time
from pathlib import Path

from supervisors.engines.engine_account import EngineAccount, check_way
from supervisors.engines.errors import FolderBusy

POLL_SECONDS = 0.05


class EngineFolder:
    """``data/NAME``: lock, secrets and log belong to the gateway, inner folders to the engine.

    For a gateway that runs as root, the outer folder stays root's, so that the engine's account
    cannot place links in it.
    """

    def __init__(self, data: Path, name: str, account: EngineAccount | None) -> None:
        self.data = data.absolute()
        self.path = self.data / name
        self.account = account

    @property
    def log(self) -> Path:
        return self.path / "log"

    def make(self) -> None:
        """Create missing folders.

        Raises FolderClosed if the engine's account cannot enter a folder.
        """
        check_way(self.data, self.account)
        self.data.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.path.mkdir(mode=0o700, exist_ok=True)
        if self.account:
            for folder in (self.data, self.path):
                folder.chmod(folder.stat().st_mode | 0o011)
        self.secrets.mkdir(mode=0o700, exist_ok=True)

    @property
    def secrets(self) -> Path:
        return self.path / "secrets"

    def give(self, name: str, *, anew: bool = False) -> Path:
        """Return an inner folder that the engine owns, mode 0700.

        With ``anew`` the folder is emptied first.
        """
        folder = self.path / name
        if anew and folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(mode=0o700, exist_ok=True)
        if self.account:
            os.chown(folder, self.account.uid, self.account.gid)
        return folder

    def owned(self) -> tuple[int, int] | None:
        """The owner of files that the engine reads; None for the current user."""
        return (self.account.uid, self.account.gid) if self.account else None

    async def lock(self, *, within: float) -> int:
        """Return a descriptor that holds the folder's lock.

        First wait until the last process of an older engine has ended.

        Raises FolderBusy if the lock is not free within ``within`` seconds.
        """
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + within
        while not try_lock(descriptor):
            if time.monotonic() >= deadline:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
                os.close(descriptor)
                raise FolderBusy(
                    f"{self.path} is in use by another gateway (process {holder or 'unknown'}): "
                    "stop it, or choose another data folder"
                )
            await asyncio.sleep(POLL_SECONDS)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        return descriptor

    def log_tail(self, lines: int = 5) -> str:
        """Return the last lines of the log as one line, for an error text."""
        try:
            with self.log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - 4096))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return "no log"
        return " | ".join(text.strip().splitlines()[-lines:]) or "nothing in its log"


def try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
