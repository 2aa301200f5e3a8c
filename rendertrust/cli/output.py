"""Printer of results on stdout and of notes on stderr. With --json, stdout has only JSON."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TextIO

import attrs

from rendertrust import money


def encoded(value: Any) -> str:
    """Return JSON in one line, with attrs classes as objects and times in UTC."""
    import orjson

    def plain(other: Any) -> Any:
        if attrs.has(type(other)):
            return {field.name: getattr(other, field.name) for field in attrs.fields(type(other))}
        return str(other)

    return orjson.dumps(value, default=plain, option=orjson.OPT_UTC_Z).decode()


SHORT: Final = 8  # characters of an id


@attrs.define
class Printer:
    """Printer of results and notes, for people or for programs."""

    json: bool = False
    results: TextIO = attrs.field(factory=lambda: sys.stdout)
    notes: TextIO = attrs.field(factory=lambda: sys.stderr)
    interrupt: Callable[[], None] | None = None  # clears a live view before other output

    @property
    def terminal(self) -> bool:
        """True if people read the results on a terminal."""
        return not self.json and self.results.isatty()

    def short(self, id_: object) -> str:
        """Return an id for a message: on a terminal its beginning, which commands take as well."""
        return str(id_)[:SHORT] if self.terminal else str(id_)

    def document(self, value: Any) -> None:
        """Print the result for programs, in one line.

        A watch calls this function once per event.
        """
        if self.json:
            _write(self.results, encoded(value))

    def say(self, text: str) -> None:
        """Print the result for people."""
        if not self.json:
            self._clear()
            _write(self.results, text)

    def note(self, text: str) -> None:
        """Print a note for people beside the result."""
        if not self.json:
            self._clear()
            _write(self.notes, text)

    def _clear(self) -> None:
        if self.interrupt is not None:
            self.interrupt()

    def more(self, seen: int, count: int) -> None:
        """Print that the list continues: ``seen`` of ``count`` elements have been shown."""
        if seen < count:
            self.note(f"{seen} of {count}; more: --offset {seen}")

    def listed(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        offset: int,
        count: int,
        none: str,
    ) -> bool:
        """Print a page of a list of ``count`` elements, or ``none`` if the page is empty; return
        False then.
        """
        if not rows:
            self.note(none)
            return False
        self.table(columns, rows)
        self.more(offset + len(rows), count)
        return True

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print a table on a terminal, or tab-separated lines with a heading otherwise."""
        if self.terminal:
            _draw(columns, rows, self.results)
            return
        for row in (columns, *rows):
            self.say("\t".join(row))

    def amount(self, amount: str) -> str:
        """Return an amount of the API: with commas on a terminal, without them for programs."""
        return money.format_amount(amount) if self.terminal else money.shortened(amount)

    def facts(self, facts: Mapping[str, str | None]) -> None:
        """Print names and values, one name per line; names with the value None are left out."""
        known = {name: value for name, value in facts.items() if value is not None}
        width = max((len(name) for name in known), default=0)
        for name, value in known.items():
            self.say(f"{name:<{width}}  {value}")


def _write(stream: TextIO, text: str) -> None:
    stream.write(text + "\n")
    stream.flush()  # the reader of a pipe then sees each line at once


def _draw(columns: Sequence[str], rows: Sequence[Sequence[str]], stream: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, name in enumerate(columns):
        table.add_column(name, no_wrap=number == 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text: cells are not parsed as markup
    Console(file=stream).print(table)
