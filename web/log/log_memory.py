"""What a gateway keeps of the log beside its keys: the newest checkpoint that it signed or saw.

A database that an older copy was put over does not know of it; this file does. It is a small JSON
object: origin, size, root in hexadecimal, time. Without it a gateway starts all the same.
"""

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import structlog

from rendertrust import epoch, untrusted
from sql.halts import Kept, SeenHead, UnreadableHead
from supervisors.engines.secret import write_private

Signature: TypeAlias = tuple[int, int, int] | None  # of the file as it was read last
log = structlog.get_logger("log")


class FileMemory:
    """In a file. Whoever is killed at any moment leaves the one of before, or this one.

    What is of another log, or cannot be read, stays as it is until an operator moves it away,
    which is noticed without a start.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept, self._signature = _read(path)
        self._told: Kept = None
        self._turn = asyncio.Lock()

    @property
    def head(self) -> Kept:
        """What is kept: read again where somebody else changed it."""
        if _signature(self._path) != self._signature:
            self._kept, self._signature = _read(self._path)
        return self._kept

    async def note(self, head: SeenHead) -> None:
        """Remember it unless it is no newer. A disk that is full is told, and harms nobody."""
        async with self._turn:
            kept = self.head
            if isinstance(kept, UnreadableHead) or not is_newer(head, kept):
                self._tell(head, kept)
                return
            try:
                await asyncio.to_thread(write_private, self._path, _text(head))
            except OSError as error:
                log.error("what was signed of the log is not kept", reason=str(error))
                return
            self._kept, self._signature = head, _signature(self._path)

    def _tell(self, head: SeenHead, kept: Kept) -> None:
        """Once, why this one is not remembered, where it should be."""
        if kept == self._told:
            return
        self._told = kept
        if isinstance(kept, UnreadableHead):
            log.error(
                "what was signed of the log is not kept", file=str(self._path), reason=kept.why
            )
        elif kept is not None and not is_same_log(head, kept):
            why = f"it is of {kept.origin}, and the database's log is {head.origin}"
            log.error("what was signed of the log is not kept", file=str(self._path), reason=why)


def memory_file(data: Path) -> Path:
    """Where a gateway keeps it."""
    return data / "gateway" / "log-seen"


def is_same_log(head: SeenHead, kept: SeenHead) -> bool:
    """Whether both are of one log, be it of different epochs; of an empty one nothing was seen."""
    return kept.size == 0 or epoch.split(head.origin)[0] == epoch.split(kept.origin)[0]


def is_newer(head: SeenHead, kept: SeenHead | None) -> bool:
    """Whether it goes on from what is kept: a longer one of that log, or one of a later epoch."""
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
    """What is there, and as of when. Looked at first: a change meanwhile is read again."""
    signature = _signature(path)
    try:
        return _parsed(json.loads(path.read_bytes())), signature
    except FileNotFoundError:
        return None, signature
    except (OSError, ValueError, TypeError, KeyError) as error:
        return UnreadableHead(f"{type(error).__name__}: {error}"), signature


def _parsed(found: Any) -> SeenHead:
    """Raises ValueError, TypeError, KeyError."""
    at = datetime.fromisoformat(found["time"])
    origin, size = untrusted.text(found["origin"]), untrusted.size(found["size"])
    root = untrusted.sha256(found["root"])
    if origin is None or size is None or root is None or at.tzinfo is None:
        raise ValueError("a member is not what it should be")
    return SeenHead(origin, size, root, at)
