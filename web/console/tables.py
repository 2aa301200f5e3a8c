"""Sortable tables and pages of rows."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

import attrs
from msgspec import Meta

# A figure is sorted like a number, but its column is aligned like text.
Kind: TypeAlias = Literal["text", "number", "figure", "time"]


SORTED_MOST: Final = 1_000  # only the newest rows are sorted, in memory
ORDERS: Final = {  # names of ascending and descending order, by kind
    "text": ("from A to Z", "from Z to A"),
    "number": ("the smallest first", "the greatest first"),
    "figure": ("the smallest first", "the greatest first"),
    "time": ("the oldest first", "the newest first"),
}


@attrs.frozen
class SortQuery:
    """Query of a page with sorting but without other parameters.

    ``sort`` names a column; if a page has several tables, the name of a table and a dot come before
    it. A page declares its tables with ``order_by`` in its own query.
    """

    sort: Annotated[str, Meta(max_length=40)] = ""


@attrs.frozen
class Column:
    """A column. ``key`` is the column's name in the address; '' means that the table cannot be
    sorted by the column.
    """

    label: str
    key: str = ""
    kind: Kind = "text"


def one_of(*words: str) -> Meta:
    """Return the limits of a parameter that is one of these words, or empty."""
    known = "|".join(("", *map(re.escape, words)))
    return Meta(pattern=known, description=f"one of {', '.join(words)}")


def order_by(columns: Sequence[Column] = (), **named: Sequence[Column]) -> Meta:
    """Return the limits of a sort parameter: a column's key, optionally with a leading ``-``.

    ``named``: tables whose name and a dot come first.
    """
    tables = {"": columns, **named}
    keys = [(name, each.key) for name, of in tables.items() for each in of if each.key]
    found = dict.fromkeys((f"{name}." if name else "", key) for name, key in keys)
    known = "|".join(("", *(f"{re.escape(name)}-?{re.escape(key)}" for name, key in found)))
    words = ", ".join(f"{name}{key}" for name, key in found)
    return Meta(pattern=known, description=f"one of {words}, or one with - before the column")


@attrs.frozen
class SortOrder:
    """A sort order: the column, and ``down``: whether it is descending."""

    key: str
    down: bool = False

    @property
    def text(self) -> str:
        """Return the order as the ``sort`` parameter of an address."""
        return f"-{self.key}" if self.down else self.key


@attrs.frozen
class ColumnHead:
    """A column's head. ``then``: the order after a click."""

    column: Column
    aria: Literal["ascending", "descending", "none"] | None
    then: str | None


def sort_of(text: str, columns: Sequence[Column], usual: str) -> SortOrder:
    """Return the order in the address; if the order there is invalid, the usual one."""
    known = {column.key for column in columns if column.key}
    chosen = text if text.removeprefix("-") in known else usual
    return SortOrder(chosen.removeprefix("-"), chosen.startswith("-"))


def heads(columns: Sequence[Column], sort: SortOrder) -> list[ColumnHead]:
    """Return the table's heads; a first click on numbers and times sorts them descending."""
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
    """Sorted rows. ``name`` distinguishes the tables of a page.

    ``before`` and ``after``: the offsets of the previous and the next page; None if there is no
    such page.
    """

    columns: Sequence[Column]
    sort: SortOrder
    rows: Sequence[Any]
    name: str = ""
    before: int | None = None
    after: int | None = None

    @property
    def heads(self) -> list[ColumnHead]:
        """Return the heads with their links."""
        prefix = f"{self.name}." if self.name else ""
        found = heads(self.columns, self.sort)
        return [attrs.evolve(h, then=h.then and prefix + h.then) for h in found]

    @property
    def order(self) -> str:
        """Return the order in words."""
        return order_of(self.columns, self.sort)


def table(
    rows: Sequence[Any], columns: Sequence[Column], text: str, usual: str, name: str = ""
) -> Table:
    """Return a table of all rows.

    ``text``: the order in the address; ``usual``: the default order.
    """
    prefix = f"{name}." if name else ""
    chosen = text.removeprefix(prefix) if text.startswith(prefix) else ""
    sort = sort_of(chosen, columns, usual)
    return Table(columns, sort, rows if sort.text == usual else sorted_rows(rows, sort), name)


def page_of(whole: Table, offset: int, size: int) -> Table:
    return attrs.evolve(
        whole,
        rows=whole.rows[offset : offset + size],
        before=max(0, offset - size) if offset else None,
        after=offset + size if offset + size < len(whole.rows) else None,
    )


def order_of(columns: Sequence[Column], sort: SortOrder) -> str:
    """Return ``the newest first`` or ``by price, the greatest first``.

    An unknown column is treated as a time.
    """
    column = next((each for each in columns if each.key == sort.key), None)
    if column is None:
        return ORDERS["time"][sort.down]
    order = ORDERS[column.kind][sort.down]
    return order if column.kind == "time" else f"by {column.label.lower()}, {order}"


def sorted_rows(rows: Sequence[Any], sort: SortOrder) -> list[Any]:
    """Return the rows sorted by an attribute; rows without a value come last."""
    there = [row for row in rows if getattr(row, sort.key) is not None]
    there.sort(key=lambda row: _rank(getattr(row, sort.key)), reverse=sort.down)
    return there + [row for row in rows if getattr(row, sort.key) is None]


def _rank(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value
