"""A mailbox without an actor: tests read the messages that arrive and answer them."""

from typing import Any, Generic, TypeVar

from actors.kernel import DeferredReply, Message, Ref
from actors.kernel.envelope import Envelope
from tests.support.until import until

To = TypeVar("To")
M = TypeVar("M", bound=Message[Any, Any])


class Probe(Generic[To]):
    """A stand-in for the actor with the marker class ``To``; code under test sends to ``ref``."""

    def __init__(self, name: str = "probe", *, capacity: int = 1024) -> None:
        self.ref: Ref[To] = Ref(name, capacity=capacity)

    async def expect(self, kind: type[M], *, within: float = 5.0) -> M:
        """Wait for the next message, which must be a ``kind``."""
        message, _ = await self.expect_ask(kind, within=within)
        return message

    async def expect_ask(
        self, kind: type[M], *, within: float = 5.0
    ) -> tuple[M, DeferredReply[Any]]:
        """Return the next message, which must be a ``kind``, with the reply that its asker awaits.

        If the message was told and not asked, nobody gets the reply.
        """
        await until(lambda: self.ref.depth, within=within)
        item = self.ref.mailbox.items.popleft()
        self.ref.mailbox.taken(item)
        envelope = item if isinstance(item, Envelope) else Envelope(item, None, 0.0)
        message = envelope.message
        assert isinstance(message, kind), f"{message} came, {kind.__name__} was expected"
        return message, DeferredReply(envelope)
