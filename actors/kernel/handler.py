"""Decorators that map messages to methods; checked by type checkers and at class creation."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from actors.kernel.deferred_reply import DeferredReply
from actors.kernel.message import Message, R, To, kinds_addressed_to

M_co = TypeVar("M_co", bound=Message[Any, Any], covariant=True)
S = TypeVar("S")  # the actor's class
# a handler's method, the limit of its batches (0 if the method takes single messages), and how many
# messages must wait so that a second batch begins beside one (0: never)
Handler = tuple[Callable[..., Awaitable[Any]], int, int]
Table = dict[type[Message[Any, Any]], Handler]


class handles(Generic[M_co]):
    """Decorator that marks a method as the handler of one message class.

    Type checkers compare the method's signature with that class.
    """

    def __init__(self, kind: type[M_co]) -> None:
        self.kind = kind

    def __call__(
        self: "handles[Message[To, R]]",
        method: Callable[[S, M_co], Awaitable[R | DeferredReply[R]]],
    ) -> Callable[[S, M_co], Awaitable[R | DeferredReply[R]]]:
        """Return the method unchanged, marked with its message class."""
        vars(method)["__handles__"] = (self.kind, 0, 0)
        return method


class handles_batch(Generic[M_co]):
    """Decorator that marks a method as the handler of batches of queued messages of one class.

    A batch has at most ``limit`` messages. The method returns one reply per message, in the same
    order.

    ``overlap``: the method is called with a second batch while it handles one, once this many
    messages wait; the method itself must then keep the order of both. 0: never.
    """

    def __init__(self, kind: type[M_co], *, limit: int = 1000, overlap: int = 0) -> None:
        if limit < 1:
            raise ValueError("limit must be at least 1")
        if not 0 <= overlap <= limit:
            raise ValueError("overlap must be at most the limit")
        self.kind, self.limit, self.overlap = kind, limit, overlap

    def __call__(
        self: "handles_batch[Message[To, R]]",
        method: Callable[[S, Sequence[M_co]], Awaitable[Sequence[R]]],
    ) -> Callable[[S, Sequence[M_co]], Awaitable[Sequence[R]]]:
        """Return the method unchanged, marked with its message class and limit."""
        vars(method)["__handles__"] = (self.kind, self.limit, self.overlap)
        return method


def table_of(actor: type) -> Table:
    """Collect the handlers of an actor class and its bases.

    Raises TypeError when one class has two handlers for one message.
    """
    names: dict[type[Message[Any, Any]], tuple[str, int, int]] = {}
    for klass in reversed(actor.__mro__):
        own: set[type] = set()
        for name, member in vars(klass).items():
            mark = getattr(member, "__handles__", None)
            if mark is None:
                continue
            kind, limit, overlap = mark
            if kind in own:
                raise TypeError(f"{klass.__name__} has two handlers for {kind.__name__}")
            own.add(kind)
            names[kind] = (name, limit, overlap)
    return {
        kind: (getattr(actor, name), limit, overlap)
        for kind, (name, limit, overlap) in names.items()
    }


def check_table(actor: type, marker: Any, table: Table) -> None:
    """Raise TypeError for a handler of another actor's message, or a message without a handler."""
    if not isinstance(marker, type):  # a generic base class
        return
    for kind in table:
        if kind.__addressee__ is not marker and kind.__addressee__ is not Any:
            raise TypeError(
                f"{actor.__name__} handles {kind.__name__}, which is not addressed to"
                f" {marker.__name__}"
            )
    missing = [kind.__name__ for kind in kinds_addressed_to(marker) if kind not in table]
    if missing:
        raise TypeError(f"{actor.__name__} has no handler for {', '.join(sorted(missing))}")
