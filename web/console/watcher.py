"""One viewer of a live page: the changes that were not sent yet."""

import asyncio
from collections.abc import Iterable
from typing import Literal, TypeAlias

import attrs

from web.console.render import Fragment

Word: TypeAlias = Literal["", "beat", "here", "away"]


@attrs.frozen
class PageUpdate:
    """An update: changed blocks, and whether the shown content is current or old.

    ``beat``: a sign of life without content; without it a page could not detect a broken
    connection.
    """

    fragments: tuple[Fragment, ...] = ()
    word: Word = ""


class PageWatcher:
    """A viewer's pending changes. The stream owns it, and the hub writes to it.

    Only the newest version of a block is kept, so a slow reader gets fewer updates, not later ones.
    ``filled`` is set when there is something to take; several watchers of one stream share it.
    """

    def __init__(self, filled: asyncio.Event) -> None:
        self._pending: dict[str, Fragment] = {}
        self._word: Word = ""
        self._filled = filled
        self.is_open = True

    def put(self, fragments: Iterable[Fragment]) -> None:
        """Add changed blocks; without blocks: the shown content is current."""
        self._pending.update((fragment.name, fragment) for fragment in fragments)
        self._word = "here"
        self._filled.set()

    def put_away(self) -> None:
        """Record that nothing can be read now: the shown content is old."""
        self._word = "away"
        self._filled.set()

    def put_beat(self) -> None:
        """Add a sign of life, unless something else is pending."""
        self._word = self._word or "beat"
        self._filled.set()

    def take(self) -> PageUpdate:
        """Return what is new, if anything."""
        news = PageUpdate(tuple(self._pending.values()), self._word)
        self._pending, self._word = {}, ""
        return news

    def close(self) -> None:
        """Close the watcher: nothing is read or written any more."""
        self.is_open = False
        self._filled.set()
