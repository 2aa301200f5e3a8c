"""Layout of a PDF document: headings, lines and tables on as many pages as needed."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any, Final, Literal

import attrs

from web.documents.fonts import UNKNOWN, Font, fonts

WIDTH, HEIGHT = 595.28, 841.89  # A4, in points
MARGIN: Final = 56.0
BOTTOM: Final = 70.0  # the footer is below
TEXT, SMALL, TITLE = 9.5, 8.0, 18.0  # sizes of the font
LEADING: Final = 1.4  # distance of lines, in sizes of the font
GAP: Final = 8.0  # between the columns of a table
LOSSY: Final = f"“{UNKNOWN}” stands for a character that this document's font lacks."


@attrs.frozen
class Mark:
    """A text on a page; ``x`` is its left edge, in points."""

    x: float
    y: float
    text: str
    font: Font
    size: float


@attrs.frozen
class Rule:
    """A horizontal line on a page."""

    x: float
    y: float
    width: float


@attrs.frozen
class TextColumn:
    """A column of a table; amounts are at its right edge. ``share``: of the table's width."""

    label: str
    share: float
    side: Literal["left", "right"] = "left"


@attrs.define
class Paper:
    """A document that is written from top to bottom. ``title`` and ``author`` are its metadata."""

    title: str
    author: str
    pages: list[list[Mark | Rule]] = attrs.field(factory=lambda: [list[Mark | Rule]()])
    y: float = HEIGHT - MARGIN
    is_lossy: bool = False

    def heading(self, text: str, size: float = TITLE) -> None:
        """Write a heading."""
        self._down(size * LEADING)
        self._mark(MARGIN, text, size, bold=True, width=WIDTH - 2 * MARGIN)
        self._skip(size * 0.5)

    def line(self, text: str, *, bold: bool = False, size: float = TEXT) -> None:
        """Write a text in as many lines as it needs."""
        for part in self._wrapped(text, size, WIDTH - 2 * MARGIN, bold=bold):
            self._down(size * LEADING)
            self._mark(MARGIN, part, size, bold=bold)

    def lines(self, texts: Sequence[str], label: str = "") -> None:
        """Write lines, such as an address, below a small label."""
        if label:
            self._skip(SMALL)
            self.line(label, size=SMALL)
        for text in texts:
            self.line(text)

    def fact(self, label: str, value: str, *, bold: bool = False) -> None:
        """Write a label, and its value at the right edge."""
        self._down(TEXT * LEADING)
        self._mark(MARGIN, label, TEXT, bold=bold)
        self._right(WIDTH - MARGIN, value, TEXT, bold=bold)

    def rule(self) -> None:
        """Draw a line over the width of the text."""
        self._down(TEXT * 0.6)
        self.pages[-1].append(Rule(MARGIN, self.y, WIDTH - 2 * MARGIN))

    def gap(self, lines: float = 1.0) -> None:
        """Leave some lines empty."""
        self._skip(lines * TEXT * LEADING)

    def table(self, columns: Sequence[TextColumn], rows: Sequence[Sequence[str]]) -> None:
        """Write a table; its head is repeated on every page. Cells that are too wide are cut."""
        self._head(columns)
        for row in rows:
            if self.y - TEXT * LEADING < BOTTOM:
                self._turn()
                self._head(columns)
            self._row(columns, row, bold=False)

    def done(self) -> bytes:
        """Return the document as PDF; equal documents have equal bytes."""
        if self.is_lossy:
            self.gap()
            self.line(LOSSY, size=SMALL)
        return _drawn(self)

    def _head(self, columns: Sequence[TextColumn]) -> None:
        self._row(columns, [each.label for each in columns], bold=True)
        self.rule()

    def _row(self, columns: Sequence[TextColumn], cells: Sequence[str], *, bold: bool) -> None:
        self._down(TEXT * LEADING)
        x, whole = MARGIN, WIDTH - 2 * MARGIN
        for column, cell in zip(columns, cells, strict=True):
            width = column.share * whole
            if column.side == "right":
                self._right(x + width, cell, TEXT, bold=bold)
            else:
                self._mark(x, cell, TEXT, bold=bold, width=width - GAP)
            x += width

    def _mark(
        self, x: float, text: str, size: float, *, bold: bool, width: float | None = None
    ) -> None:
        font = fonts()[bold]
        written = self._written(font, text)
        shown = written if width is None else font.cut(written, size, width)
        self.pages[-1].append(Mark(x, self.y, shown, font, size))

    def _right(self, right: float, text: str, size: float, *, bold: bool) -> None:
        font = fonts()[bold]
        written = self._written(font, text)
        x = right - font.width(written, size)
        self.pages[-1].append(Mark(x, self.y, written, font, size))

    def _written(self, font: Font, text: str) -> str:
        written = font.written(text)
        self.is_lossy = self.is_lossy or written.count(UNKNOWN) > text.count(UNKNOWN)
        return written

    def _wrapped(self, text: str, size: float, width: float, *, bold: bool) -> list[str]:
        """Return the text in lines of at most ``width``; a longer word is cut."""
        font, lines = fonts()[bold], [""]
        for word in self._written(font, text).split():
            longer = f"{lines[-1]} {word}".strip()
            if font.width(longer, size) <= width:
                lines[-1] = longer
            else:
                lines.append(font.cut(word, size, width))
        return [line for line in lines if line] or [""]

    def _down(self, distance: float) -> None:
        if self.y - distance < BOTTOM:
            self._turn()
        self.y -= distance

    def _skip(self, distance: float) -> None:
        self.y -= distance

    def _turn(self) -> None:
        self.pages.append([])
        self.y = HEIGHT - MARGIN


def _drawn(paper: Paper) -> bytes:
    from reportlab.pdfgen.canvas import Canvas  # noqa: PLC0415

    out, regular = BytesIO(), fonts()[0]
    # invariant: no time of writing, and no random id
    canvas: Any = Canvas(out, pagesize=(WIDTH, HEIGHT), invariant=1, pageCompression=1)
    canvas.setTitle(paper.title)
    canvas.setAuthor(paper.author)
    canvas.setCreator("RenderTrust")
    canvas.setLineWidth(0.5)
    for number, page in enumerate(paper.pages, 1):
        footer = regular.written(f"{paper.title} · page {number} of {len(paper.pages)}")
        shown = regular.cut(footer, SMALL, WIDTH - 2 * MARGIN)
        _draw_page(canvas, [*page, Mark(MARGIN, BOTTOM - 30, shown, regular, SMALL)])
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _draw_page(canvas: Any, marks: Sequence[Mark | Rule]) -> None:
    # One text object without line breaks: readers that extract text then keep the cells of a row
    # together.
    text = canvas.beginText()
    for each in marks:
        if isinstance(each, Rule):
            canvas.line(each.x, each.y, each.x + each.width, each.y)
        else:
            text.setTextOrigin(each.x, each.y)
            text.setFont(each.font.name, each.size)
            text.textOut(each.text)
    canvas.drawText(text)
