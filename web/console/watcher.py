"""One who looks at a page that goes on: what changed for him and was not sent yet."""

import asyncio
from collections.abc import Iterable
from typing import Literal, TypeAlias

import attrs

from web.console.render import Fragment

Word: TypeAlias = Literal["", "beat", "here", "away"]


@attrs.frozen
class PageUpdate:
    """What to send: blocks that changed, and whether what is shown is of now or old.

    ``beat``: nothing is new, and somebody is there; no page can tell silence from a lost line.
    """

    fragments: tuple[Fragment, ...] = ()
    word: Word = ""


class PageWatcher:
    """Held by the stream; the hub writes into it for as long as it is open.

    Of one block only the newest is kept: who reads slowly is sent less, never later. ``filled``
    is set when there is something to take; several of one stream share it.
    """

    def __init__(self, filled: asyncio.Event) -> None:
        self._pending: dict[str, Fragment] = {}
        self._word: Word = ""
        self._filled = filled
        self.is_open = True

    def put(self, fragments: Iterable[Fragment]) -> None:
        """Blocks that changed; without any: what is shown is as it is now."""
        self._pending.update((fragment.name, fragment) for fragment in fragments)
        self._word = "here"
        self._filled.set()

    def put_away(self) -> None:
        """Nothing can be read now; what is shown is old."""
        self._word = "away"
        self._filled.set()

    def put_beat(self) -> None:
        """Nothing is new; whatever waits to be sent says more than this."""
        self._word = self._word or "beat"
        self._filled.set()

    def take(self) -> PageUpdate:
        """What is new, if anything is."""
        news = PageUpdate(tuple(self._pending.values()), self._word)
        self._pending, self._word = {}, ""
        return news

    def close(self) -> None:
        """Nobody reads it any more, or nothing more is written."""
        self.is_open = False
        self._filled.set()
