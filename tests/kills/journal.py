"""Journal of acknowledged answers: one line each, on disk before the answer counts."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

import attrs
import orjson

Json: TypeAlias = dict[str, Any]
KEPT_SECONDS: Final = 30.0


@attrs.frozen
class Record:
    """One answer: the ``act``, the user, what was ``asked``, and the answer.

    ``counts``: the answer acknowledges a change. Other records hold what an answer showed, which
    must not be undone.
    """

    act: str
    who: str
    asked: Json
    answer: Json
    counts: bool = True


class Journal:
    """A journal; lines that arrive during a write go to disk together with the next fsync.

    ``counted`` is called with the number of acknowledgements that are on disk.
    """

    def __init__(self, path: Path, counted: Callable[[int], None]) -> None:
        self._file = path.open("ab", buffering=0)
        self._counted = counted
        self._waiting: list[Record] = []
        self._wake = asyncio.Event()
        self._kept = asyncio.Event()
        self._kept.set()
        self._acknowledged = 0

    def note(self, record: Record) -> None:
        """Queue a record for writing."""
        self._waiting.append(record)
        self._kept.clear()
        self._wake.set()

    async def settled(self) -> None:
        """Wait until all queued records are on disk."""
        async with asyncio.timeout(KEPT_SECONDS):
            await self._kept.wait()

    async def keep(self) -> None:
        """Write queued records until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            records, self._waiting = self._waiting, []
            await asyncio.to_thread(self._write, records)
            self._acknowledged += sum(record.counts for record in records)
            self._counted(self._acknowledged)
            if not self._waiting:
                self._kept.set()

    def _write(self, records: list[Record]) -> None:
        lines = b"".join(orjson.dumps(attrs.asdict(record)) + b"\n" for record in records)
        view = memoryview(lines)
        while view:
            view = view[os.write(self._file.fileno(), view) :]
        os.fsync(self._file.fileno())
