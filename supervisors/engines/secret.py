"""Generated passwords, stored in files that only their owner can read."""

import os
import secrets
from pathlib import Path

from config.redaction import hide

BYTES = 24


def keep_secret(path: Path) -> str:
    """Return the password in ``path``; generate and store it if there is none.

    The password has 32 characters of ``[A-Za-z0-9_-]``, which are safe in URLs and configuration
    files.
    """
    if path.exists() and (kept := path.read_text("ascii").strip()):
        hide(kept)
        return kept
    fresh = fresh_secret()
    write_private(path, fresh + "\n")
    return fresh


def fresh_secret() -> str:
    """Generate a password: 32 characters of ``[A-Za-z0-9_-]``."""
    fresh = secrets.token_urlsafe(BYTES)
    hide(fresh)
    return fresh


def write_private(path: Path, text: str, owner: tuple[int, int] | None = None) -> None:
    """Replace ``path`` by ``text`` with mode 0600; atomic even if the process is killed."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        if owner is not None:
            os.fchown(descriptor, *owner)
        os.fsync(descriptor)
    fresh.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
