"""CSV after RFC 4180, safe against formula injection in spreadsheets."""

import csv
import io
from collections.abc import AsyncIterable, Iterable, Sequence
from typing import Any

from aiohttp import web

from web.http.operations import Call

MEDIA = "text/csv"
_FORMULAS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # the last four are full-width forms


def wants_csv(call: Call[Any, Any], form: str | None) -> bool:
    """Return True if CSV is wanted, by ``format`` or else by Accept."""
    if form is not None:
        return form == "csv"
    return MEDIA in call.request.headers.get("Accept", "")


def harmless(text: str) -> str:
    """Return the text in a form that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith(_FORMULAS) else text


def lines(rows: Iterable[Sequence[object]]) -> bytes:
    """Return rows as CSV."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(rows)
    return written.getvalue().encode()


def attachment(name: str, body: bytes | AsyncIterable[bytes]) -> web.Response:
    """Return a download; the body may be generated while it is sent."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Vary": "Accept"}
    return web.Response(body=body, content_type=MEDIA, charset="utf-8", headers=headers)
