"""A view that is open in a browser: its viewers, and when it must be read again."""

import math
from collections.abc import Sequence
from typing import Final

import attrs

from actors.console_hub.messages import Fragment, LiveView, PageWatcher

RESTS: Final = 10  # least pause after a reading, in multiples of its duration
# least pause after a reading, in multiples of the duration of one reading of all open views; it is
# at most the view's ``every``
SHARE: Final = 9


@attrs.define
class OpenView:
    """A view that is open in a browser.

    ``watchers``: viewers who have got the view's content. ``joined``: viewers who came after the
    last reading of the view. ``stirred``: the view's data may have changed since the last reading.
    ``away``: the viewers were informed that they see outdated content. ``rested_at``: when the view
    may be read again. ``due_at``: when the view is read again even if nothing has changed.
    """

    view: LiveView
    watchers: list[PageWatcher] = attrs.field(factory=list[PageWatcher])
    joined: list[PageWatcher] = attrs.field(factory=list[PageWatcher])
    fragments: dict[str, Fragment] = attrs.field(factory=dict[str, Fragment])
    stirred: bool = True
    away: bool = False
    rested_at: float = -math.inf
    # When the view may be read for new viewers, even if that is before ``rested_at``.
    relieved_at: float = -math.inf
    due_at: float = -math.inf
    took: float = 0.0  # seconds that the last reading took

    def join(self, watcher: PageWatcher) -> None:
        """Add a viewer, who gets the content of the next reading.

        The viewer's page may be newer than the last reading, so the last reading is not sent.
        """
        self.joined.append(watcher)
        self.stirred, self.rested_at = True, min(self.rested_at, self.relieved_at)
        if self.away:
            watcher.put_outdated()

    def is_left(self) -> bool:
        """Return True if no viewer is left."""
        self.watchers = [watcher for watcher in self.watchers if watcher.is_open]
        self.joined = [watcher for watcher in self.joined if watcher.is_open]
        return not self.everybody

    @property
    def everybody(self) -> list[PageWatcher]:
        return [*self.watchers, *self.joined]

    def is_due(self, now: float) -> bool:
        """Return True if the view must be read again."""
        return now >= self.rested_at and (self.stirred or now >= self.due_at)

    def begun(self) -> None:
        """Record the start of a reading; changes from now on require another reading."""
        self.stirred = False

    def failed(self, until: float) -> None:
        """Record that the view cannot be read before the time ``until``, and inform all viewers
        once.
        """
        self.stirred, self.rested_at, self.relieved_at = True, until, until
        for watcher in self.everybody if not self.away else ():
            watcher.put_outdated()
        self.away = True

    def shown(self, fresh: list[Fragment]) -> None:
        """Send the content of a reading: the changed blocks (``fresh``) to all earlier viewers.

        New viewers get all blocks. Without changed blocks, earlier viewers are only informed if
        they saw outdated content before.
        """
        for watcher in self.watchers if fresh or self.away else ():
            watcher.put(fresh)
        for watcher in self.joined:
            watcher.put(self.fragments.values())
        self.watchers, self.joined, self.away = self.everybody, [], False

    def read_at(self, now: float, took: float, all_took: float) -> None:
        """Set the pause after a reading, in proportion to its duration ``took``.

        ``all_took``: the duration of the last readings of all views together. The longer all
        readings take, the less often each view is read, down to once per ``every`` seconds.
        """
        self.took = took
        rest = max(self.view.rest, RESTS * took, min(SHARE * all_took, self.view.every))
        self.relieved_at = now + RESTS * took
        self.rested_at, self.due_at = now + rest, now + max(self.view.every, rest)

    def beat(self) -> None:
        """Send a sign of life without content; pages marked as outdated stay marked."""
        for watcher in self.everybody if not self.away else ():
            watcher.put_beat()

    def changed(self, fragments: Sequence[Fragment]) -> list[Fragment]:
        """Return the fragments that changed."""
        fresh = [
            fragment
            for fragment in fragments
            if fragment.name not in self.fragments
            or self.fragments[fragment.name].digest != fragment.digest
        ]
        self.fragments.update((fragment.name, fragment) for fragment in fresh)
        return fresh
