"""Lines at the end of a terminal's output, which are drawn again in place."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from math import ceil
from typing import TYPE_CHECKING

import attrs
from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType

if TYPE_CHECKING:
    from rich.text import Text

    from rendertrust.cli.output import Printer


@attrs.define
class LiveLines:
    """Lines on a terminal that the next ``draw`` replaces, also after a change of its size."""

    console: Console
    _drawn: Sequence[int] = ()  # width of each line on the screen

    @property
    def size(self) -> tuple[int, int]:
        """Return the columns and rows of the terminal now."""
        return self.console.size.width, self.console.size.height

    @property
    def is_ascii(self) -> bool:
        """Return True if the terminal shows ASCII only."""
        return not self.console.encoding.lower().startswith("utf")

    def draw(self, lines: "Sequence[Text]") -> None:
        """Draw these lines instead of the earlier ones; what does not fit into a row is cut."""
        width = self.size[0]
        with self.console:  # one write
            self._erase(width)
            for line in lines:
                line.truncate(width - 1, overflow="ellipsis")
                self.console.print(line, no_wrap=True, crop=True)
        self._drawn = [cell_len(line.plain) for line in lines]

    def erase(self) -> None:
        """Remove the lines, so that other output can follow."""
        self._erase(self.size[0])
        self._drawn = ()

    def _erase(self, width: int) -> None:
        """Erase the rows of the lines; a narrower terminal has wrapped them."""
        rows = sum(max(1, ceil(cells / width)) for cells in self._drawn)
        if rows:
            up = [(ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)] * rows
            self.console.control(Control(ControlType.CARRIAGE_RETURN, *up))


@contextmanager
def live(output: "Printer") -> Generator[LiveLines]:
    """Yield lines below the output; notes that are printed meanwhile appear above them."""
    lines = LiveLines(Console(file=output.results, highlight=False))
    output.interrupt = lines.erase
    try:
        yield lines
    finally:
        output.interrupt = None


def is_possible(output: "Printer") -> bool:
    """Return True if people read the results on a terminal that can move its cursor."""
    return output.terminal and not Console(file=output.results).is_dumb_terminal
