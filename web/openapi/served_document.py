"""The OpenAPI document as served: created once, with an ETag of its content."""

import asyncio
import hashlib
from collections.abc import Iterable
from typing import Final

import attrs
import orjson
from aiohttp import web

from web.http.operations import Operation


@attrs.frozen
class Document:
    """The document as JSON, and its ETag."""

    body: bytes = attrs.field(repr=False)
    etag: str


class Description:
    """The OpenAPI document of these operations, created on the first request."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._operations = operations
        self._document: Document | None = None

    async def served(self) -> Document:
        """Return the document.

        The document is created in a thread on the first request, which takes a fifth of a second.
        """
        if self._document is None:
            return await asyncio.to_thread(self.document)
        return self._document

    def document(self) -> Document:
        if self._document is None:
            from web.openapi.document import describe  # noqa: PLC0415 - imports msgspec, for this only

            body = orjson.dumps(describe(self._operations))
            self._document = Document(body, hashlib.sha256(body).hexdigest()[:32])
        return self._document


DESCRIPTION: Final = web.AppKey("description", Description)
