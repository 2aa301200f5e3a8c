"""What is printed: results on stdout, notes on stderr; JSON alone when that was asked for."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import attrs


def encoded(value: Any) -> str:
    """JSON in one line; attrs classes as objects, times in UTC."""
    import orjson

    def plain(other: Any) -> Any:
        if attrs.has(type(other)):
            return {field.name: getattr(other, field.name) for field in attrs.fields(type(other))}
        return str(other)

    return orjson.dumps(value, default=plain, option=orjson.OPT_UTC_Z).decode()


@attrs.define
class Printer:
    """Where to print, and whether people or programs read it."""

    json: bool = False
    results: TextIO = attrs.field(factory=lambda: sys.stdout)
    notes: TextIO = attrs.field(factory=lambda: sys.stderr)

    @property
    def terminal(self) -> bool:
        """People look at the results as they come."""
        return not self.json and self.results.isatty()

    def document(self, value: Any) -> None:
        """The result, for programs. A watch calls it for each event: one line each."""
        if self.json:
            _write(self.results, encoded(value))

    def say(self, text: str) -> None:
        """The result, for people."""
        if not self.json:
            _write(self.results, text)

    def note(self, text: str) -> None:
        """Something beside the result, for people."""
        if not self.json:
            _write(self.notes, text)

    def more(self, seen: int, count: int) -> None:
        """That a list goes on: ``seen`` of its elements have been shown by now."""
        if seen < count:
            self.note(f"{seen} of {count}; more: --offset {seen}")

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table on a terminal; tab-separated lines, with a heading, for programs."""
        if self.terminal:
            _draw(columns, rows, self.results)
            return
        for row in (columns, *rows):
            self.say("\t".join(row))

    def facts(self, facts: Mapping[str, str | None]) -> None:
        """Names and values, one line each; what is None is left out."""
        known = {name: value for name, value in facts.items() if value is not None}
        width = max((len(name) for name in known), default=0)
        for name, value in known.items():
            self.say(f"{name:<{width}}  {value}")


def _write(stream: TextIO, text: str) -> None:
    stream.write(text + "\n")
    stream.flush()  # a pipe's reader sees each line as it comes


def _draw(columns: Sequence[str], rows: Sequence[Sequence[str]], stream: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, name in enumerate(columns):
        table.add_column(name, no_wrap=number == 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text: nothing in it is markup
    Console(file=stream).print(table)
