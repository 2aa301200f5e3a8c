"""The base class of actors."""

from collections.abc import Awaitable, Callable
from types import UnionType
from typing import Any, ClassVar, Generic, Protocol, overload

from actors.kernel.deferred_reply import DeferredReply
from actors.kernel.envelope import Envelope
from actors.kernel.handler import Table, check_table, table_of
from actors.kernel.message import Message, R, To, argument_of
from actors.kernel.ref import Ref
from actors.kernel.timer import Timer


class Life(Protocol):
    """Interface of the instance that runs an actor; ``Actor`` documents its methods."""

    def one_in_hand(self) -> Envelope: ...
    def forward(self, ref: Ref[Any], message: Message[Any, Any]) -> DeferredReply[Any]: ...
    def after(self, seconds: float, message: Message[Any, Any], jitter: float) -> Timer: ...
    def background(
        self,
        work: Callable[[], Awaitable[Message[Any, Any]]],
        within: float,
        otherwise: Message[Any, Any],
    ) -> None: ...
    def watch(self, ref: Ref[Any]) -> None: ...
    def request_stop(self) -> None: ...


class Actor(Generic[To]):
    """An actor with one mailbox that handles one message (or one batch) at a time.

    ``To`` is the actor's marker class. A subclass has a ``@handles`` or ``@handles_batch`` method
    for every message addressed to its marker; otherwise TypeError is raised at class creation.
    """

    __handlers__: ClassVar[Table] = {}
    __marker__: ClassVar[Any] = None
    ref: Ref[To]  # the actor's own address, set before ``started``
    __instance__: Life

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__marker__ = argument_of(cls, Actor, "__marker__")
        cls.__handlers__ = table_of(cls)
        check_table(cls, cls.__marker__, cls.__handlers__)

    async def started(self) -> None:
        """Run before the first message. An exception in this method is a crash of the actor."""

    async def stopped(self) -> None:
        """Run after the last message: at a stop and after a crash (even of ``started``).

        It does not run after a kill.
        """

    def forward(self, ref: "Ref[Any]", message: Message[Any, R]) -> DeferredReply[R]:
        """Send ``message`` to another actor, which then answers the sender of the current message
        within the same deadline.
        """
        return self.__instance__.forward(ref, message)

    @overload
    def later(self, reply: Message[Any, R]) -> DeferredReply[R]: ...
    @overload
    def later(self, reply: type[R]) -> DeferredReply[R]: ...
    @overload
    def later(self, reply: UnionType) -> DeferredReply[Any]: ...
    def later(self, reply: object) -> DeferredReply[Any]:
        """Return an object with which a later handler answers the current message.

        The sender of the current message keeps waiting. ``reply`` has no effect; it tells the type
        checker the type of the reply. Pass the current message, or the type of its reply.
        """
        return DeferredReply(self.__instance__.one_in_hand())

    def after(self, seconds: float, message: Message[To, Any], *, jitter: float = 0.0) -> Timer:
        """Send ``message`` to this actor in ``seconds`` times 1 to 1 + ``jitter``.

        The timer is cancelled when this instance ends. Even a full mailbox accepts the message.
        """
        return self.__instance__.after(seconds, message, jitter)

    def background(
        self,
        work: Callable[[], Awaitable[Message[To, Any]]],
        *,
        within: float,
        otherwise: Message[To, Any],
    ) -> None:
        """Run ``work`` beside message handling, and send the message that it returns to this actor.

        ``otherwise`` is sent instead if ``work`` takes more than ``within`` seconds or raises. The
        work is cancelled when this instance ends. Even a full mailbox accepts the message.
        """
        self.__instance__.background(work, within, otherwise)

    def watch(self, ref: Ref[Any]) -> None:
        """Receive one ``Down`` when ``ref`` is down for good, or at once if ``ref`` is down
        already.

        A watch ends with the instance. Raises TypeError if the actor has no handler for ``Down``.
        """
        self.__instance__.watch(ref)

    def stop(self) -> None:
        """End normally after the current message."""
        self.__instance__.request_stop()
