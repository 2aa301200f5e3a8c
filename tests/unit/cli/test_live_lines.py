"""Lines that are drawn again in place, on a screen that changes."""

from io import StringIO

import pytest
from rich.console import Console
from rich.text import Text

from rendertrust.cli.live_lines import LiveLines, live
from rendertrust.cli.output import Printer
from tests.support.screen import Screen


class Terminal(StringIO):
    """A text stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def console_of(stream: StringIO, columns: int) -> Console:
    return Console(file=stream, force_terminal=True, width=columns, height=24, highlight=False)


def shown(stream: StringIO, screen: Screen) -> list[str]:
    """Pass what was written since the last call to the screen; return its rows."""
    screen.write(stream.getvalue())
    stream.seek(0)
    stream.truncate()
    return screen.lines


def texts(*lines: str) -> list[Text]:
    return [Text(line) for line in lines]


def test_new_lines_take_the_place_of_the_last_ones() -> None:
    stream, screen = StringIO(), Screen(columns=20)
    stream.write("Job 1a2b.\n")
    lines = LiveLines(console_of(stream, 20))
    lines.draw(texts("one", "two", "three"))
    assert shown(stream, screen) == ["Job 1a2b.", "one", "two", "three"]
    lines.draw(texts("four"))
    assert shown(stream, screen) == ["Job 1a2b.", "four"]
    lines.erase()
    stream.write("Charged.\n")
    assert shown(stream, screen) == ["Job 1a2b.", "Charged."]


def test_what_is_too_long_for_a_row_is_cut() -> None:
    stream, screen = StringIO(), Screen(columns=10)
    LiveLines(console_of(stream, 10)).draw(texts("0123456789abc", "x"))
    assert shown(stream, screen) == ["01234567…", "x"]


@pytest.mark.parametrize("columns", [7, 40, 79, 120])
def test_another_width_leaves_nothing_of_the_old_lines(columns: int) -> None:
    stream, screen = StringIO(), Screen(columns=80)
    stream.write("Job.\n")
    lines = LiveLines(console_of(stream, 80))
    lines.draw(texts("long " * 15, "short", "", "also long " * 7))
    shown(stream, screen)
    screen.resize(columns)
    lines.console.size = (columns, 24)
    lines.draw(texts("new", "lines"))
    assert shown(stream, screen) == ["Job.", "new", "lines"]


def test_a_note_appears_above_the_lines() -> None:
    stream, screen = Terminal(), Screen()
    output = Printer(results=stream, notes=stream)
    with live(output) as lines:
        lines.draw(texts("one", "two"))
        output.note("The gateway is away; trying again.")
        lines.draw(texts("one", "three"))
    output.say("Charged.")
    note = "The gateway is away; trying again."
    assert shown(stream, screen) == [note, "one", "three", "Charged."]
