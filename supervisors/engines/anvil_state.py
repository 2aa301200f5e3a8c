"""The file that an embedded node saves its chain to. It is written in place: a kill may tear it.

Before each start what is whole is copied beside it; what is torn is put aside, and the copy takes
its place. What the chain lost so is sent to it again, as after any kill.
"""

import json
import logging
import os
from pathlib import Path

log = logging.getLogger("chain")


def mend(state: Path, copy: Path, owner: tuple[int, int] | None) -> None:
    """Make ``state`` whole, or absent; ``copy`` lies where only the gateway writes."""
    found = _read(state)
    if found is not None and _is_whole(found):
        _write(copy, found, None)
    elif found is not None:
        log.error("%s is torn: it is put aside, and what was copied last takes its place", state)
        state.replace(state.with_suffix(".torn"))
        found = _read(copy)
        if found is not None:
            _write(state, found, owner)


def _read(path: Path) -> bytes | None:
    """What is there; a link, which the node's account could put there, is not followed."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def _is_whole(raw: bytes) -> bool:
    try:
        return isinstance(json.loads(raw), dict)
    except ValueError:
        return False


def _write(path: Path, raw: bytes, owner: tuple[int, int] | None) -> None:
    """All of it, or nothing."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        if owner is not None:
            os.fchown(descriptor, *owner)
        file.write(raw)
        file.flush()
        os.fsync(descriptor)
    new.replace(path)
