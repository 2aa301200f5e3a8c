"""Lists to be walked through: page after page, each element once, whatever comes in meanwhile."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

LIMIT: Final = 100  # the most that a gateway gives at once


class Page(Protocol):
    """A part of a list: ``count`` elements are in all, ``next`` begins the page after this one."""

    @property
    def count(self) -> int: ...
    @property
    def next(self) -> str | None: ...


class Named(Protocol):
    """An element of a list."""

    @property
    def id(self) -> str: ...


Some = TypeVar("Some", bound=Page)
Element = TypeVar("Element", bound=Named)


def window(limit: int, offset: int, after: str | None = None, **more: str | None) -> dict[str, str]:
    """Which page of a list, and of which elements; what is None is not said."""
    query = {"limit": str(limit), "offset": str(offset), "after": after, **more}
    return {name: value for name, value in query.items() if value is not None}


async def walk(
    fetch: Callable[[Mapping[str, str]], Awaitable[Some]],
    elements: Callable[[Some], Sequence[Element]],
    **more: str | None,
) -> AsyncIterator[Element]:
    """Every element. A gateway without cursors is asked by offset; what moved is told once."""
    offset, after, told = 0, None, set[str]()
    while True:
        page = await fetch(window(LIMIT, 0 if after else offset, after, **more))
        found = elements(page)
        for element in found:
            if after is None:
                if element.id in told:
                    continue
                told.add(element.id)
            yield element
        offset += len(found)
        has_cursors, after = after is not None, page.next
        if after is None and (has_cursors or not found or offset >= page.count):
            return
