"""The agent's history across restarts, in its state folder: recent lines and unit counts."""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import attrs

KEPT_MOST: Final = 500  # maximum number of lines; the oldest line is deleted above this number
CHARACTERS_MOST: Final = 500
_SCHEMA: Final = """
    pragma synchronous = off;
    create table if not exists lines (
        number integer primary key,
        since  real not null,
        until  real not null,
        times  integer not null,
        said   text not null
    );
    create table if not exists sums (outcome text primary key, units integer not null);
"""


@attrs.frozen(kw_only=True)
class HistoryLine:
    """A line of the history.

    The line occurred ``times`` times between ``since`` and ``until`` (ISO 8601, UTC).
    """

    since: str
    until: str
    times: int
    said: str


@attrs.frozen(kw_only=True)
class HistorySummary:
    """The newest lines in order of time, and the number of ``units`` with each outcome."""

    lines: tuple[HistoryLine, ...] = ()
    units: Mapping[str, int] = attrs.field(factory=dict[str, int])


class AgentHistory:
    """Writer of the history; only the agent uses it.

    If the disk is full or broken, lines are lost.
    """

    def __init__(self, file: Path, clock: Callable[[], float] = time.time) -> None:
        self._file, self._clock = file, clock
        self._rows: sqlite3.Connection | None = None

    def tell(self, said: str) -> None:
        """Append a line. If the text repeats the last line, count the repetition instead."""
        line, now = said[:CHARACTERS_MOST], self._clock()
        self._write(lambda rows: _tell(rows, line, now))

    def count(self, outcome: str) -> None:
        """Count a unit with this outcome."""
        once_more = "insert into sums values (?, 1) on conflict do update set units = units + 1"
        self._write(lambda rows: rows.execute(once_more, (outcome,)))

    def _write(self, write: Callable[[sqlite3.Connection], object]) -> None:
        with contextlib.suppress(sqlite3.Error, OSError):
            if self._rows is None:
                self._rows = _opened(self._file)
            with self._rows:
                write(self._rows)

    def close(self) -> None:
        if self._rows is not None:
            self._rows.close()


def _tell(rows: sqlite3.Connection, said: str, now: float) -> None:
    last = rows.execute("select number, said from lines order by number desc limit 1").fetchone()
    if last is not None and last[1] == said:
        again = "update lines set times = times + 1, until = ? where number = ?"
        rows.execute(again, (now, last[0]))
        return
    rows.execute("insert into lines values (null, ?, ?, 1, ?)", (now, now, said))
    oldest = "delete from lines where number <= (select max(number) from lines) - ?"
    rows.execute(oldest, (KEPT_MOST,))


def _opened(file: Path) -> sqlite3.Connection:
    """Open the file; replace it if it is not a database."""
    rows = sqlite3.connect(file)
    try:
        rows.executescript(_SCHEMA)
    except sqlite3.DatabaseError as fault:
        rows.close()
        if isinstance(fault, sqlite3.OperationalError):  # the disk failed, not the file
            raise
        file.unlink()
        rows = sqlite3.connect(file)
        rows.executescript(_SCHEMA)
    file.chmod(0o600)
    return rows


def past(file: Path) -> HistorySummary:
    """Return the history; empty if the file cannot be read."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as rows:
            found = rows.execute("select since, until, times, said from lines order by number")
            lines = tuple(_line(*row) for row in found.fetchall())
            sums = dict(rows.execute("select outcome, units from sums").fetchall())
    except sqlite3.Error:
        return HistorySummary()
    return HistorySummary(lines=lines, units=sums)


def _line(since: float, until: float, times: int, said: str) -> HistoryLine:
    return HistoryLine(since=_stamp(since), until=_stamp(until), times=times, said=said)


def _stamp(at: Any) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
