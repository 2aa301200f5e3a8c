"""A gateway's memory of the log: the newest checkpoint that it has signed or seen.

If an older backup of the database is restored, this file still has the newer checkpoint. The file
has a small JSON object: origin, size, root in hexadecimal, time. A missing file does not prevent
the start.
"""

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import structlog

from rendertrust import epoch, json_values
from sql.halts import Kept, SeenHead, UnreadableHead
from supervisors.engines.secret import write_private

Signature: TypeAlias = (
    tuple[int, int, int] | None
)  # modification time, inode and size of the file when it was last read
log = structlog.get_logger("log")


class FileMemory:
    """The newest checkpoint in a file. A crash leaves the old content or the new.

    A file that belongs to another log, or cannot be read, is not overwritten. If somebody moves the
    file away, the next checkpoint is stored without a restart.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept, self._signature = _read(path)
        self._told: Kept = None
        self._turn = asyncio.Lock()

    @property
    def head(self) -> Kept:
        """Return the checkpoint in the file, which is read again if it has changed."""
        if _signature(self._path) != self._signature:
            self._kept, self._signature = _read(self._path)
        return self._kept

    async def note(self, head: SeenHead) -> None:
        """Store the checkpoint if it is newer. A full disk is logged and does no harm."""
        async with self._turn:
            kept = self.head
            if isinstance(kept, UnreadableHead) or not is_newer(head, kept):
                self._tell(head, kept)
                return
            try:
                await asyncio.to_thread(write_private, self._path, _text(head))
            except OSError as error:
                log.error("the signed checkpoint was not stored", reason=str(error))
                return
            self._kept, self._signature = head, _signature(self._path)

    def _tell(self, head: SeenHead, kept: Kept) -> None:
        """Log once why a checkpoint is not stored."""
        if kept == self._told:
            return
        self._told = kept
        if isinstance(kept, UnreadableHead):
            log.error("the signed checkpoint was not stored", file=str(self._path), reason=kept.why)
        elif kept is not None and not is_same_log(head, kept):
            why = f"it is of {kept.origin}, and the database's log is {head.origin}"
            log.error("the signed checkpoint was not stored", file=str(self._path), reason=why)


def memory_file(data: Path) -> Path:
    return data / "gateway" / "log-seen"


def is_same_log(head: SeenHead, kept: SeenHead) -> bool:
    """Return True if both checkpoints belong to one log, in any of its epochs; also if ``kept`` has
    no leaves.
    """
    return kept.size == 0 or epoch.split(head.origin)[0] == epoch.split(kept.origin)[0]


def is_newer(head: SeenHead, kept: SeenHead | None) -> bool:
    """Return True if ``head`` continues ``kept``: it has more leaves, or belongs to a later epoch
    of the same log.
    """
    if kept is None:
        return True
    if head.origin == kept.origin:
        return head.size > kept.size
    return is_same_log(head, kept) and head.at >= kept.at


def _text(head: SeenHead) -> str:
    shown = {"origin": head.origin, "size": head.size, "root": head.root.hex()}
    return json.dumps({**shown, "time": head.at.isoformat()}, indent=1) + "\n"


def _signature(path: Path) -> Signature:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _read(path: Path) -> tuple[Kept, Signature]:
    """Return the file's content and signature. The signature is taken first, so that a later change
    is noticed.
    """
    signature = _signature(path)
    try:
        return _parsed(json.loads(path.read_bytes())), signature
    except FileNotFoundError:
        return None, signature
    except (OSError, ValueError, TypeError, KeyError) as error:
        return UnreadableHead(f"{type(error).__name__}: {error}"), signature


def _parsed(found: Any) -> SeenHead:
    """Parse the content. Raises ValueError, TypeError, KeyError."""
    at = datetime.fromisoformat(found["time"])
    origin, size = json_values.text(found["origin"]), json_values.size(found["size"])
    root = json_values.sha256(found["root"])
    if origin is None or size is None or root is None or at.tzinfo is None:
        raise ValueError("a member of the checkpoint file has the wrong type")
    return SeenHead(origin, size, root, at)
