"""What the Verifier keeps beside the books: a restart must not forget it, and it moves nothing."""

from collections import deque
from typing import TypeAlias

import attrs

from actors.ports import Store
from sql.checks import SecondLook, Suspicion, UncutScene, Voucher

Note: TypeAlias = Suspicion | Voucher | SecondLook | UncutScene


@attrs.define
class Notes:
    """What is not written down yet."""

    _store: Store
    _waiting: deque[Note] = attrs.field(factory=deque[Note])

    def add(self, note: Note) -> None:
        """To be kept."""
        self._waiting.append(note)

    async def keep(self) -> None:
        """Write them down, each once. Raises Unavailable: then again."""
        while self._waiting:
            note = self._waiting[0]
            if isinstance(note, Suspicion):
                await self._store.note_suspicion(note)
            elif isinstance(note, Voucher):
                await self._store.note_voucher(note)
            elif isinstance(note, SecondLook):
                await self._store.note_second_look(note)
            else:
                await self._store.note_uncut(note)
            self._waiting.popleft()
