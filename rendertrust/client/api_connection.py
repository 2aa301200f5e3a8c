"""Authenticated requests to one gateway, with replies decoded into the models of the API."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar
from uuid import uuid4

import attrs

from rendertrust.client.log_monitor import LogMonitor
from rendertrust.client.login import Login
from rendertrust.client.response_decoder import read
from rendertrust.client.transport import ApiCall

PAGE_LIMIT_MAX: Final = 100  # maximum number of elements of a page
Model = TypeVar("Model")


class Page(Protocol):
    """A page of a list of ``count`` elements.

    ``next``, if present, is the cursor of the next page.
    """

    @property
    def count(self) -> int: ...


class Identified(Protocol):
    """An element of a list that has an id."""

    @property
    def id(self) -> str: ...


AnyPage = TypeVar("AnyPage", bound=Page)
Element = TypeVar("Element", bound=Identified)


def window(limit: int, offset: int, after: str | None = None, **more: str | None) -> dict[str, str]:
    """Return the query for one page of a list. Arguments that are None are left out."""
    query = {"limit": str(limit), "offset": str(offset), "after": after, **more}
    return {name: value for name, value in query.items() if value is not None}


@attrs.frozen
class ApiConnection:
    """Connection that sends requests as the user who is logged in."""

    login: Login

    async def get(
        self, model: type[Model], path: str, query: Mapping[str, str] | None = None
    ) -> Model:
        """Return the resource at ``path``."""
        return read(model, await self.get_json(path, query))

    async def get_json(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Return the resource at ``path`` without decoding it into a model."""
        return await self.login.send(ApiCall("GET", path, query=query or {}))

    async def get_open_json(self, path: str, query: Mapping[str, str]) -> Any:
        """Return a resource that needs no login."""
        return await self.login.transport.send(ApiCall("GET", path, query=query))

    def stream(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[bytes]:
        """Return the content at ``path`` piece by piece."""
        return self.login.stream(ApiCall("GET", path, query=query or {}, headers=headers or {}))

    async def post(
        self,
        model: type[Model],
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        repeatable: bool = True,
    ) -> Model:
        """Send a POST. If the reply is lost, the request is sent again only if ``repeatable``."""
        return read(model, await self.send("POST", path, body, repeatable=repeatable))

    async def post_once(
        self, model: type[Model], path: str, body: Mapping[str, Any], key: str | None
    ) -> Model:
        """Send a POST with an idempotency key (default: random), which makes retries safe."""
        headers = {"Idempotency-Key": key or str(uuid4())}
        return read(model, await self.login.send(ApiCall("POST", path, body, headers=headers)))

    async def put(self, model: type[Model], path: str, body: Mapping[str, Any]) -> Model:
        """Send a PUT."""
        return read(model, await self.send("PUT", path, body))

    async def patch(self, model: type[Model], path: str, body: Mapping[str, Any]) -> Model:
        """Send a PATCH."""
        return read(model, await self.send("PATCH", path, body))

    async def send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        repeatable: bool = True,
    ) -> Any:
        """Send a request and return the JSON of its reply."""
        return await self.login.send(ApiCall(method, path, body, repeatable=repeatable))

    async def each(
        self,
        model: type[AnyPage],
        path: str,
        elements: Callable[[AnyPage], Sequence[Element]],
        **filters: str | None,
    ) -> AsyncIterator[Element]:
        """Yield every element of a list, each once, page after page.

        A list without cursors is read by offset.
        """
        offset, after, seen = 0, None, set[str]()
        while True:
            query = window(PAGE_LIMIT_MAX, 0 if after else offset, after, **filters)
            page = await self.get(model, path, query)
            found = elements(page)
            for element in found:
                if after is None:
                    if element.id in seen:  # the element has moved here from the previous page
                        continue
                    seen.add(element.id)
                yield element
            offset += len(found)
            has_cursors, after = after is not None, getattr(page, "next", None)
            if after is None and (has_cursors or not found or offset >= page.count):
                return


class ClientState(Protocol):
    """The state of a client, which its methods use."""

    @property
    def connection(self) -> ApiConnection: ...

    @property
    def log_monitor(self) -> LogMonitor: ...
