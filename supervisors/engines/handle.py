"""Where an engine is now: users hold this, so an engine may be replaced under them."""

from typing import Generic, TypeVar

E = TypeVar("E")


class NotStarted(Exception):
    """The engine was never ready yet."""


class Handle(Generic[E]):
    """The endpoint of an engine, set each time it became ready."""

    def __init__(self, endpoint: E | None = None) -> None:
        self._endpoint = endpoint

    def get(self) -> E:
        """The newest endpoint; NotStarted before the first. It may be away all the same."""
        if self._endpoint is None:
            raise NotStarted("this engine has not been ready yet")
        return self._endpoint

    def set(self, endpoint: E) -> None:
        self._endpoint = endpoint
