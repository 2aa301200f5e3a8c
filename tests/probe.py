"""An address without an actor, for tests: what was sent to it can be looked at and answered."""

from typing import Any, Generic, TypeVar

from actors.kernel import Later, Message, Ref
from tests.until import until

To = TypeVar("To")
M = TypeVar("M", bound=Message[Any, Any])


class Probe(Generic[To]):
    """Stands in for the actor marked ``To``; ``ref`` is given to whoever sends to it."""

    def __init__(self, name: str = "probe", *, capacity: int = 1024) -> None:
        self.ref: Ref[To] = Ref(name, capacity=capacity)

    def take(self) -> tuple[Message[Any, Any], Later[Any]] | None:
        """The oldest message and its asker (who may be nobody); None when there is none."""
        if not self.ref.mailbox.items:
            return None
        envelope = self.ref.mailbox.items.popleft()
        return envelope.message, Later(envelope)

    async def expect(self, kind: type[M], *, within: float = 5.0) -> M:
        """Wait for the next message, which must be a ``kind``."""
        message, _ = await until(self.take, within=within)
        assert isinstance(message, kind), f"{message} came, {kind.__name__} was expected"
        return message

    async def expect_ask(self, kind: type[M], *, within: float = 5.0) -> tuple[M, Later[Any]]:
        """Wait for the next message, which must be a ``kind``, and for its asker."""
        message, asker = await until(self.take, within=within)
        assert isinstance(message, kind), f"{message} came, {kind.__name__} was expected"
        return message, asker
