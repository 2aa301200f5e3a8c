"""What a gateway remembers of the log, outside of the database."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sql.halts import SeenHead


class LogMemory(Protocol):
    """Whoever puts an older database back does not put this back with it."""

    async def note(self, head: "SeenHead") -> None:
        """Remember this checkpoint, durably, unless a newer one is. Never raises."""
        ...
