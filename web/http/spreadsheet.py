"""CSV as RFC 4180 has it, for those who ask for it; a spreadsheet runs nothing of what is in it."""

import csv
import io
from collections.abc import AsyncIterable, Iterable, Sequence
from typing import Any

from aiohttp import web

from web.http.operations import Call

MEDIA = "text/csv"
_FORMULAS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # the last are the first in full width


def wants_csv(call: Call[Any, Any], form: str | None) -> bool:
    """By ``format``, else by what Accept names."""
    if form is not None:
        return form == "csv"
    return MEDIA in call.request.headers.get("Accept", "")


def harmless(text: str) -> str:
    """What people wrote must not be taken for a formula."""
    return f"'{text}" if text.startswith(_FORMULAS) else text


def lines(rows: Iterable[Sequence[object]]) -> bytes:
    """Rows as CSV."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue().encode()


def attachment(name: str, body: bytes | AsyncIterable[bytes]) -> web.Response:
    """A file to save; it may be written while it is read."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Vary": "Accept"}
    return web.Response(body=body, content_type=MEDIA, charset="utf-8", headers=headers)
