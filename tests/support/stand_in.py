"""Base class of actors that stand in for other actors in tests."""

from typing import Any, Generic, TypeVar

from actors.kernel import Actor
from actors.kernel.handler import table_of
from actors.kernel.message import argument_of

To = TypeVar("To")


class StandIn(Actor[To], Generic[To]):
    """An actor that need not handle every message: unhandled asks fail, unhandled tells
    are lost.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # skips the check that all messages are handled
        super(Actor, cls).__init_subclass__(**kwargs)
        cls.__marker__ = argument_of(cls, Actor, "__marker__")
        cls.__handlers__ = table_of(cls)
