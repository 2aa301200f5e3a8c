"""A view that is open in some browser: its viewers, and when it is read again."""

import math
from collections.abc import Sequence
from typing import Final

import attrs

from actors.console_hub.messages import Fragment, LiveView, PageWatcher

RESTS: Final = 10  # pause after a reading, in multiples of its duration
# pause in multiples of the duration of all views' readings, as a hundred may be open
SHARE: Final = 9


@attrs.define
class OpenView:
    """An open view. ``stirred``: something has changed since it was read.

    ``away``: its viewers know that they see outdated content. ``joined``: viewers who came after it
    was read.
    """

    view: LiveView
    watchers: list[PageWatcher] = attrs.field(factory=list[PageWatcher])
    joined: list[PageWatcher] = attrs.field(factory=list[PageWatcher])
    fragments: dict[str, Fragment] = attrs.field(factory=dict[str, Fragment])
    stirred: bool = True
    away: bool = False
    rested_at: float = -math.inf
    # when it may be read for new viewers, even if its pause is not over
    relieved_at: float = -math.inf
    due_at: float = -math.inf
    took: float = 0.0  # seconds that the last reading took

    def join(self, watcher: PageWatcher) -> None:
        """Add a viewer, whose page may be newer than the last reading; they get the next one.

        Older blocks would revert their page, so these are not sent.
        """
        self.joined.append(watcher)
        self.stirred, self.rested_at = True, min(self.rested_at, self.relieved_at)
        if self.away:
            watcher.put_away()

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
        """Record the start of a reading: later changes are for the next one."""
        self.stirred = False

    def failed(self, until: float) -> None:
        """Record a failed reading, and tell all viewers once."""
        self.stirred, self.rested_at, self.relieved_at = True, until, until
        for watcher in self.everybody if not self.away else ():
            watcher.put_away()
        self.away = True

    def shown(self, fresh: list[Fragment]) -> None:
        """Record a reading: send viewers the changed blocks, or that the page is current again.

        New viewers get all blocks.
        """
        for watcher in self.watchers if fresh or self.away else ():
            watcher.put(fresh)
        for watcher in self.joined:
            watcher.put(self.fragments.values())
        self.watchers, self.joined, self.away = self.everybody, [], False

    def read_at(self, now: float, took: float, all_took: float) -> None:
        """Set the pause after a reading: the longer the reading, the longer the pause, so that it
        does not block others.

        If many views are read, each is read less often; ``all_took`` is the duration of all their
        readings together.
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
