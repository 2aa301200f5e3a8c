"""The current endpoint of an engine, which may be replaced while in use."""

from typing import Generic, TypeVar

E = TypeVar("E")


class NotStarted(Exception):
    """The engine has not been ready yet."""


class CurrentEndpoint(Generic[E]):
    """The endpoint of an engine, set each time it becomes ready."""

    def __init__(self, endpoint: E | None = None) -> None:
        self._endpoint = endpoint

    def get(self) -> E:
        """Return the newest endpoint, which may be down.

        Raises NotStarted before the engine was ready for the first time.
        """
        if self._endpoint is None:
            raise NotStarted("this engine has not been ready yet")
        return self._endpoint

    def set(self, endpoint: E) -> None:
        self._endpoint = endpoint
