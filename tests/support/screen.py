"""A terminal's screen: shows what a program wrote to it, as people see it."""

import re
from typing import Final

import attrs

_TOKEN: Final = re.compile(r"\x1b\[(\d*)[0-9;?]*([A-Za-z])|(.)", re.DOTALL)


@attrs.define
class Row:
    """A row of the screen. ``continues``: the line of the row above was too long for that row."""

    text: str = ""
    continues: bool = False


@attrs.define
class Screen:
    """A screen that wraps long lines, and wraps them again when its width changes.

    ``rows`` has also what has scrolled away, where no cursor returns.
    """

    columns: int = 80
    height: int = 24
    rows: list[Row] = attrs.field(factory=lambda: [Row()])
    _row: int = 0
    _column: int = 0

    @property
    def lines(self) -> list[str]:
        """The text of all rows, without empty rows at the end."""
        return "\n".join(row.text.rstrip() for row in self.rows).rstrip("\n").split("\n")

    def write(self, text: str) -> None:
        """Show text, and follow the control sequences that move up or erase a row."""
        for number, verb, char in _TOKEN.findall(text):
            if char == "\r":
                self._column = 0
            elif char == "\n":  # a terminal driver adds a carriage return
                self._go_down()
                self._column = 0
            elif char:
                self._put(char)
            elif verb == "A":
                top = max(0, len(self.rows) - self.height)
                self._row = max(top, self._row - int(number or 1))
            elif verb == "K":
                assert number == "2", "only whole rows are erased"
                self._erase()
            else:
                assert verb in "mhl", f"unknown control sequence {verb}"

    def resize(self, columns: int) -> None:
        """Wrap all lines again. The cursor must be at the beginning of a line."""
        whole: list[str] = []
        cursor = 0
        for number, row in enumerate(self.rows):
            if row.continues:
                whole[-1] += row.text
            else:
                whole.append(row.text)
            if number == self._row:
                cursor = len(whole) - 1
        self.columns, self.rows = columns, []
        for number, line in enumerate(whole):
            if number == cursor:
                self._row = len(self.rows)
            for start in range(0, max(1, len(line)), columns):
                self.rows.append(Row(line[start : start + columns], start > 0))

    def _go_down(self, *, continues: bool = False) -> None:
        self._row += 1
        if self._row == len(self.rows):
            self.rows.append(Row())
        if continues:
            self.rows[self._row].continues = True

    def _put(self, char: str) -> None:
        if self._column == self.columns:
            self._go_down(continues=True)
            self._column = 0
        row = self.rows[self._row]
        text = row.text.ljust(self._column)
        row.text = text[: self._column] + char + text[self._column + 1 :]
        self._column += 1

    def _erase(self) -> None:
        self.rows[self._row] = Row()
        for below in self.rows[self._row + 1 : self._row + 2]:
            below.continues = False
