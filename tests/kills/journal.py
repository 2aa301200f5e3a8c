"""The journal: what was acknowledged, one line for each answer, on disk before it counts."""

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
    """One answer: by which ``act``, of whom, what was ``asked``, and what was answered.

    ``counts``: it acknowledges a change. Others tell what was seen, which must not be undone.
    """

    act: str
    who: str
    asked: Json
    answer: Json
    counts: bool = True


class Journal:
    """Lines that come while others are written go to disk together, with the next fsync.

    ``counted`` is told how many acknowledgements are on disk by now.
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
        """Write it down soon."""
        self._waiting.append(record)
        self._kept.clear()
        self._wake.set()

    async def settled(self) -> None:
        """Wait until all that was noted is on disk."""
        async with asyncio.timeout(KEPT_SECONDS):
            await self._kept.wait()

    async def keep(self) -> None:
        """Write for as long as there is anything to write: cancelled at the end."""
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
