"""Messages of the console's hub, and the objects that it shares with browsers' streams."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import ClassVar, Final, Literal, TypeAlias

import attrs

from actors.kernel import Message, Overflow

ANYTHING: Final = "anything"  # topic of changes of unknown kind
Word: TypeAlias = Literal["", "beat", "here", "away"]


class Hub:
    """Marker type for the address of the hub."""


@attrs.frozen
class Fragment:
    """A rendered block of a page; its ``digest`` differs if the block has changed."""

    name: str
    html: str = attrs.field(repr=False)
    digest: bytes = attrs.field(repr=False)

    @property
    def swap(self) -> str:
        """Return the markup that replaces the block on a page; unchanged parts are kept."""
        return f'<hx-partial hx-target="#{self.name}" hx-swap="innerMorph">{self.html}</hx-partial>'


@attrs.frozen
class PageUpdate:
    """An update of a page in a browser.

    ``fragments``: the changed blocks. ``word``: ``here`` if the page's content is current, ``away``
    if the content is outdated, and ``beat`` for a sign of life without content. Without signs of
    life, the page would report a broken connection.
    """

    fragments: tuple[Fragment, ...] = ()
    word: Word = ""


class PageWatcher:
    """Pending changes of a page for one viewer; the hub adds changes, the viewer's stream sends
    them.

    Only the newest version of a block is kept, so a slow reader gets fewer updates, but no outdated
    updates. ``filled`` is set when there is something to take; all watchers of one stream share
    this event.
    """

    def __init__(self, filled: asyncio.Event) -> None:
        self._pending: dict[str, Fragment] = {}
        self._word: Word = ""
        self._filled = filled
        self.is_open = True

    def put(self, fragments: Iterable[Fragment]) -> None:
        """Add changed blocks; an empty list tells the viewer that the page's content is current."""
        self._pending.update((fragment.name, fragment) for fragment in fragments)
        self._word = "here"
        self._filled.set()

    def put_outdated(self) -> None:
        """Tell the viewer that the page could not be read again, so its content may be outdated."""
        self._word = "away"
        self._filled.set()

    def put_beat(self) -> None:
        """Add a sign of life, unless something else is pending."""
        self._word = self._word or "beat"
        self._filled.set()

    def take(self) -> PageUpdate:
        """Remove all pending changes and return them."""
        news = PageUpdate(tuple(self._pending.values()), self._word)
        self._pending, self._word = {}, ""
        return news

    def close(self) -> None:
        """Close the watcher, so that the hub no longer reads pages for it."""
        self.is_open = False
        self._filled.set()


@attrs.frozen(eq=False)
class LiveView:
    """A page with its data, for one or more viewers; views of the same ``key`` are read only once.

    The view is read again when one of its ``topics`` changes, at least every ``every`` seconds, and
    at most every ``rest`` seconds. ``inside``: the page can be read without the database. ``read``
    returns the rendered blocks, or None if the page's object no longer exists; it may raise
    Unavailable or AskFailed. Any other error is a bug of the page.
    """

    key: str
    path: str
    topics: frozenset[str]
    every: float
    rest: float
    inside: bool
    read: Callable[[], Awaitable[Sequence[Fragment] | None]]


@attrs.frozen
class Watch(Message[Hub, bool]):
    """From a stream: keep ``watcher`` up to date with a view.

    The reply is False if there are too many watchers.
    """

    view: LiveView
    watcher: PageWatcher


@attrs.frozen
class TopicChanged(Message[Hub, None]):
    """From the bus, or from a user's action in the console: data of this topic have changed.

    Of several queued messages with the same topic only the newest is kept, as a single reading
    shows all changes.
    """

    overflow: ClassVar[Overflow] = Overflow.COALESCE

    topic: str

    def coalesce_key(self) -> str:
        return self.topic


@attrs.frozen
class RefreshDue(Message[Hub, None]):
    """From the hub's own timer: read the views that are due."""


@attrs.frozen
class SampleActors(Message[Hub, None]):
    """From the hub's own timer: sample the actors' figures for the charts, and announce this
    gateway.
    """


@attrs.frozen
class ReadFarm(Message[Hub, None]):
    """From the hub's own timer: read the farm's public figures for its first page."""
