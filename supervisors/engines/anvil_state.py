"""The state file of an embedded EVM node, which writes it in place: a kill may corrupt it.

Before each start an intact file is copied. A corrupt one is set aside and replaced by the copy.
Transactions that the chain lost that way are sent again, as after any kill.
"""

import json
import logging
import os
from pathlib import Path

log = logging.getLogger("chain")


def mend(state: Path, copy: Path, owner: tuple[int, int] | None) -> None:
    """Make ``state`` intact, or absent; ``copy`` is in a folder that only the gateway writes."""
    found = _read(state)
    if found is not None and _is_whole(found):
        _write(copy, found, None)
    elif found is not None:
        log.error("%s is corrupt: it is set aside and replaced by the last copy", state)
        state.replace(state.with_suffix(".torn"))
        found = _read(copy)
        if found is not None:
            _write(state, found, owner)


def _read(path: Path) -> bytes | None:
    """Return the file's content; a link, which the node's account could create, is not followed."""
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
    """Write the file atomically."""
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
