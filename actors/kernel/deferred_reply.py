"""Deferred replies: a message is answered after its handler has returned."""

from typing import Generic

from actors.kernel.envelope import Envelope
from actors.kernel.errors import AskFailed
from actors.kernel.message import R


class DeferredReply(Generic[R]):
    """A message whose sender waits for a deferred reply; ``Actor.forward`` and ``later`` return it.

    If no reply is sent, the sender waits until its deadline.
    """

    __slots__ = ("_envelope",)

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope

    def answer(self, value: R) -> None:
        """Send the reply; no effect if the sender has gone."""
        self._envelope.answer(value)

    def fail(self, error: AskFailed) -> None:
        """Fail the ask; no effect if the sender has gone."""
        self._envelope.fail(error)

    @property
    def gone(self) -> bool:
        """True if no sender waits: answered, timed out, or sent by ``tell``."""
        reply = self._envelope.reply
        return reply is None or reply.done()
