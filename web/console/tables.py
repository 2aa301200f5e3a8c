"""Tables: columns that can be sorted by the address, and pages of rows."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

import attrs
from msgspec import Meta

Kind: TypeAlias = Literal["text", "number", "figure", "time"]  # a figure is no column of numbers


SORTED_MOST: Final = 1_000  # of the newest, where rows are sorted here and not by the database
ORDERS: Final = {  # by what the column has: the smallest first, and the greatest
    "text": ("from A to Z", "from Z to A"),
    "number": ("the smallest first", "the greatest first"),
    "figure": ("the smallest first", "the greatest first"),
    "time": ("the oldest first", "the newest first"),
}


@attrs.frozen
class SortQuery:
    """What the address of a page says that can be sorted and has nothing else to say.

    Where there are several tables, the name of one and a dot come first. A page says which there
    are: its own query has ``order_by`` of them.
    """

    sort: Annotated[str, Meta(max_length=40)] = ""


@attrs.frozen
class Column:
    """``key`` is what the address says to sort by it; '' cannot be sorted."""

    label: str
    key: str = ""
    kind: Kind = "text"


def one_of(*words: str) -> Meta:
    """Of a parameter of an address: one of these, or nothing; anything else is answered by them."""
    known = "|".join(("", *map(re.escape, words)))
    return Meta(pattern=known, description=f"one of {', '.join(words)}")


def order_by(columns: Sequence[Column] = (), **named: Sequence[Column]) -> Meta:
    """The same of an order, for which ``-`` may stand before a column's key.

    ``named`` are tables of which the name and a dot come first.
    """
    tables = {"": columns, **named}
    keys = [(name, each.key) for name, of in tables.items() for each in of if each.key]
    found = dict.fromkeys((f"{name}." if name else "", key) for name, key in keys)
    known = "|".join(("", *(f"{re.escape(name)}-?{re.escape(key)}" for name, key in found)))
    words = ", ".join(f"{name}{key}" for name, key in found)
    return Meta(pattern=known, description=f"one of {words}, or one with - before the column")


@attrs.frozen
class SortOrder:
    """By which column; ``down``: the greatest first."""

    key: str
    down: bool = False

    @property
    def text(self) -> str:
        """As the address has it."""
        return f"-{self.key}" if self.down else self.key


@attrs.frozen
class ColumnHead:
    """A column's head as it is shown: ``then`` is what a click makes of the sort."""

    column: Column
    aria: Literal["ascending", "descending", "none"] | None
    then: str | None


def sort_of(text: str, columns: Sequence[Column], usual: str) -> SortOrder:
    """What the address says, or the usual order where it says nothing that can be."""
    known = {column.key for column in columns if column.key}
    chosen = text if text.removeprefix("-") in known else usual
    return SortOrder(chosen.removeprefix("-"), chosen.startswith("-"))


def heads(columns: Sequence[Column], sort: SortOrder) -> list[ColumnHead]:
    """The heads of a table that is sorted so; numbers and times begin with the greatest."""
    return [_head(column, sort) for column in columns]


def _head(column: Column, sort: SortOrder) -> ColumnHead:
    if not column.key:
        return ColumnHead(column, None, None)
    if column.key == sort.key:
        return ColumnHead(
            column,
            "descending" if sort.down else "ascending",
            SortOrder(sort.key, not sort.down).text,
        )
    return ColumnHead(column, "none", SortOrder(column.key, column.kind != "text").text)


@attrs.frozen
class Table:
    """Rows as the address has them sorted. ``name`` tells tables of one page apart.

    ``before`` and ``after`` are the offsets of the pages beside this one, None where there is none.
    """

    columns: Sequence[Column]
    sort: SortOrder
    rows: Sequence[Any]
    name: str = ""
    before: int | None = None
    after: int | None = None

    @property
    def heads(self) -> list[ColumnHead]:
        """What its head shows, and where that leads."""
        prefix = f"{self.name}." if self.name else ""
        found = heads(self.columns, self.sort)
        return [attrs.evolve(h, then=h.then and prefix + h.then) for h in found]

    @property
    def order(self) -> str:
        """How it is sorted, in words."""
        return order_of(self.columns, self.sort)


def table(
    rows: Sequence[Any], columns: Sequence[Column], text: str, usual: str, name: str = ""
) -> Table:
    """Rows that are all there. ``text`` is what the address says, ``usual`` the order they have."""
    prefix = f"{name}." if name else ""
    chosen = text.removeprefix(prefix) if text.startswith(prefix) else ""
    sort = sort_of(chosen, columns, usual)
    return Table(columns, sort, rows if sort.text == usual else sorted_rows(rows, sort), name)


def page_of(whole: Table, offset: int, size: int) -> Table:
    """A page of a table."""
    return attrs.evolve(
        whole,
        rows=whole.rows[offset : offset + size],
        before=max(0, offset - size) if offset else None,
        after=offset + size if offset + size < len(whole.rows) else None,
    )


def order_of(columns: Sequence[Column], sort: SortOrder) -> str:
    """``the newest first``; ``by price, the greatest first``. What is no column is a time."""
    column = next((each for each in columns if each.key == sort.key), None)
    if column is None:
        return ORDERS["time"][sort.down]
    order = ORDERS[column.kind][sort.down]
    return order if column.kind == "time" else f"by {column.label.lower()}, {order}"


def sorted_rows(rows: Sequence[Any], sort: SortOrder) -> list[Any]:
    """Rows that are all there, by an attribute; those without it stand last."""
    there = [row for row in rows if getattr(row, sort.key) is not None]
    there.sort(key=lambda row: _rank(getattr(row, sort.key)), reverse=sort.down)
    return there + [row for row in rows if getattr(row, sort.key) is None]


def _rank(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value
