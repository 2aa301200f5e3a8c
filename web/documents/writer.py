"""Writer of PDF documents in a separate thread, so that the event loop never waits for a page."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from aiohttp import web

from rendertrust.api.refusal_code import RefusalCode
from web.http.problem import Problem, unavailable

MEDIA: Final = "application/pdf"
WAITING_MAX: Final = 8
SECONDS: Final = 20.0  # deadline of a request for a document
BUSY: Final = unavailable(
    "Too many documents are being written; try again", retry_after=5, code=RefusalCode.GATEWAY_BUSY
)


class DocumentWriter:
    """Writes one document after the other, and refuses if too many wait."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="documents")
        self._waiting = 0

    async def write(self, name: str, work: Callable[[], bytes]) -> web.Response | Problem:
        """Return what ``work`` returns, as a download called ``name``."""
        if self._waiting >= WAITING_MAX:
            return BUSY
        self._waiting += 1
        try:
            body = await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1
        return attachment(name, body)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def attachment(name: str, body: bytes) -> web.Response:
    """Return a download of a PDF document."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Vary": "Accept"}
    return web.Response(body=body, content_type=MEDIA, headers=headers)
