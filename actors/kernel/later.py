"""A reply that comes later."""

from typing import Generic

from actors.kernel.envelope import Envelope
from actors.kernel.failure import AskFailed
from actors.kernel.message import R


class Later(Generic[R]):
    """The asker of a message, kept waiting by its handler; got by ``forward`` or ``later``.

    One that is dropped answers nobody: the asker's deadline runs out.
    """

    __slots__ = ("_envelope",)

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope

    def answer(self, value: R) -> None:
        """Give the reply; without effect when the asker has gone."""
        self._envelope.answer(value)

    def fail(self, error: AskFailed) -> None:
        """Tell the asker that no reply will come; without effect when he has gone."""
        self._envelope.fail(error)

    @property
    def gone(self) -> bool:
        """Whether nobody waits for the reply any more: answered, given up, or told, not asked."""
        reply = self._envelope.reply
        return reply is None or reply.done()
