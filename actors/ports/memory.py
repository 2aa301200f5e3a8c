"""The gateway's memory of the log outside the database."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sql.halts import SeenHead


class LogMemory(Protocol):
    """Remembers the newest checkpoint.

    Restoring an older backup of the database does not restore this memory with it.
    """

    async def note(self, head: "SeenHead") -> None:
        """Store this checkpoint durably, unless a newer one is stored. Never raises."""
        ...
