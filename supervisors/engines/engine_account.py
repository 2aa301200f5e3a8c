"""The account of embedded engines when the gateway runs as root."""

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from attrs import frozen

from supervisors.engines.errors import EngineError, FolderClosed

CANDIDATES = ("rendertrust", "nobody")


@frozen
class EngineAccount:
    """An unprivileged user with only its primary group."""

    name: str
    uid: int
    gid: int

    @property
    def owner(self) -> str:
        """The account in the tether's format."""
        return f"{self.uid}:{self.gid}"

    def can_enter(self, folder: Path) -> bool:
        """Return True if the permission bits let this account enter (ACLs are not considered)."""
        return self._allowed(folder, 0o1)

    def can_run(self, program: Path) -> bool:
        """Return True if the account can reach and run the program."""
        if self.closed_folder(program) or not self._allowed(program.resolve(), 0o5):
            return False
        return self._allowed(program.resolve().parent, 0o5)

    def closed_folder(self, path: Path) -> Path | None:
        """Return the first folder above ``path``, from the root on, that this account cannot
        enter.
        """
        return next((folder for folder in ways(path) if not self.can_enter(folder)), None)

    def _allowed(self, path: Path, bits: int) -> bool:
        status = path.stat()
        if status.st_uid == self.uid:
            shift = 6
        elif status.st_gid == self.gid:
            shift = 3
        else:
            shift = 0
        return (status.st_mode >> shift) & bits == bits


def ways(path: Path) -> Iterator[Path]:
    """Yield every existing folder that leads to ``path``, outermost first, also behind links."""
    for seen in dict.fromkeys((path.absolute(), path.resolve())):
        yield from (folder for folder in reversed(seen.parents) if folder.exists())


def engine_account() -> EngineAccount | None:
    """Return the account to switch to; None if the gateway is not root.

    The account is ``rendertrust`` if that user exists, otherwise ``nobody``. No user is created.
    """
    if os.geteuid() != 0:
        return None
    for candidate in CANDIDATES:
        try:
            entry = pwd.getpwnam(candidate)
        except KeyError:
            continue
        if entry.pw_uid == 0:
            raise EngineError(f"Engines never run as root: the user {candidate} has uid 0.")
        return EngineAccount(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)
    wanted = " or ".join(CANDIDATES)
    raise EngineError(f"Engines never run as root, and there is no user {wanted} to run them as.")


def check_way(data: Path, account: EngineAccount | None) -> None:
    """Raise FolderClosed with the first folder above the data folder that the account cannot
    enter.
    """
    closed = account.closed_folder(data) if account else None
    if account and closed:
        raise FolderClosed(
            f"{closed} is closed to the user {account.name}, which runs the engines: "
            f"choose a data folder elsewhere, or open it with: chmod o+x {closed}"
        )
