"""What the Verifier keeps beside the books: a restart must not forget it, and it moves nothing."""

from collections import deque

import attrs

from actors.ports import Store
from sql.checks import Suspicion, UncutScene


@attrs.define
class Notes:
    """What is not written down yet."""

    _store: Store
    _waiting: deque[Suspicion | UncutScene] = attrs.field(factory=deque[Suspicion | UncutScene])

    def add(self, note: Suspicion | UncutScene) -> None:
        """To be kept."""
        self._waiting.append(note)

    async def keep(self) -> None:
        """Write them down, each once. Raises Unavailable: then again."""
        while self._waiting:
            note = self._waiting[0]
            if isinstance(note, Suspicion):
                await self._store.note_suspicion(note)
            else:
                await self._store.note_uncut(note)
            self._waiting.popleft()
