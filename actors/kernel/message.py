"""Messages: typed by the actor to which they are addressed, and by its reply."""

from collections.abc import Hashable
from enum import Enum, auto
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin

To = TypeVar("To")  # the marker class of the addressee
R = TypeVar("R")  # the type of the reply


class Overflow(Enum):
    """Policy of a message class for a full mailbox."""

    REJECT = auto()  # refused: ``tell`` returns False, ``ask`` raises MailboxFull
    # replaces a queued message of the class with the same key, even if the mailbox is not full
    COALESCE = auto()
    DROP_OLDEST = auto()  # the oldest queued ``tell`` of the class is dropped
    # refused by ``tell`` if the mailbox is an eighth full; ``Ref.offer`` waits for room instead
    AWAIT_ROOM = auto()


class Message(Generic[To, R]):
    """A request to the actor marked ``To``, to which it replies with an ``R``.

    For an event, to which nobody replies, ``R`` is None. Subclasses are frozen attrs classes.
    ``Ledger`` below is a marker: an empty class that stands for the actor's address, so that
    messages can be imported without the actor.

        @attrs.frozen
        class Balance(Message[Ledger, int]):
            account: str
    """

    __slots__ = ()
    overflow: ClassVar[Overflow] = Overflow.REJECT
    __addressee__: ClassVar[Any] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__addressee__ = argument_of(cls, Message, "__addressee__")
        # attrs creates a class with slots twice; the second replaces the first by name.
        if isinstance(cls.__addressee__, type) and not getattr(cls, "__parameters__", ()):
            kinds = _kinds.setdefault(cls.__addressee__, {})
            kinds[f"{cls.__module__}.{cls.__qualname__}"] = cls

    def coalesce_key(self) -> Hashable:
        """Return the key by which a newer message replaces a queued message, for
        ``Overflow.COALESCE``.
        """
        return None


_kinds: dict[type, dict[str, type[Message[Any, Any]]]] = {}


def kinds_addressed_to(marker: type) -> tuple[type[Message[Any, Any]], ...]:
    """Return all message classes defined so far whose addressee is ``marker``."""
    return tuple(_kinds.get(marker, {}).values())


def argument_of(cls: type, generic: type, attribute: str) -> Any:
    """Return the first type argument of ``cls`` to ``generic``, directly or by inheritance."""
    for base in vars(cls).get("__orig_bases__", cls.__bases__):
        origin = get_origin(base) or base
        if origin is generic:
            return next(iter(get_args(base)), None)
        inherited = getattr(origin, attribute, None)
        if inherited is not None:
            parameters = getattr(origin, "__parameters__", ())
            return dict(zip(parameters, get_args(base), strict=False)).get(inherited, inherited)
    return None
