"""Links from an error page back to one of our pages."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final
from urllib.parse import SplitResult, urlsplit

import attrs
from aiohttp import hdrs, web

from web.console.registry import ROOT, ConsolePage, Pages
from web.console.session import SignedInVisitor


@attrs.frozen
class ReturnLink:
    """A link: ``path`` is below ``/console``."""

    path: str
    label: str


HOME: Final = ReturnLink(ROOT, "To the console")


def way_back(request: web.Request, pages: Pages, visitor: SignedInVisitor | None) -> ReturnLink:
    """Return a link to the nearest page above the requested one, as it was last seen."""
    for path in _candidates(request):
        found = pages.at(path)
        if found is None or found[0].path == ROOT or not _may(visitor, found[0]):
            continue
        page = found[0]
        if path != request.path:
            return ReturnLink(path + _query_of(request, path), _label(page))
        if page.nav is not None:  # without the query, if the query caused the error
            return ReturnLink(path, _label(page))
    return HOME


def _candidates(request: web.Request) -> Iterator[str]:
    """Yield candidate paths, the longest first."""
    path = request.path.rstrip("/")
    if request.method == "GET" and request.query_string:
        yield path
    while path := path.rpartition("/")[0]:
        yield path


def _may(visitor: SignedInVisitor | None, page: ConsolePage) -> bool:
    """Return whether the user may see the page; for an unknown user the page decides itself."""
    return visitor is None or visitor.who.role in page.who


def _label(page: ConsolePage) -> str:
    return f"Back to {page.title if page.nav else 'the ' + page.title.lower()}"


def _query_of(request: web.Request, path: str) -> str:
    """Return the filter and tab of that page, if the browser came from there."""
    came = _came(request)
    return f"?{came.query}" if came.path == path and came.query else ""


def came_from(request: web.Request, pages: Pages) -> str:
    """Return the page of the posted form, or the one above if that was an error page."""
    came = _came(request)
    path = came.path
    while path and pages.at(path) is None:
        path = path.rpartition("/")[0]
    is_itself = path == came.path and came.query
    return f"{path}?{came.query}" if is_itself else path or ROOT


def _came(request: web.Request) -> SplitResult:
    """Return the referring page; empty if it is not ours."""
    with suppress(ValueError):
        came = urlsplit(request.headers.get(hdrs.REFERER, ""))
        if came.netloc == request.headers.get(hdrs.HOST):
            return came
    return urlsplit("")
