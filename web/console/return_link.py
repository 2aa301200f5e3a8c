"""From a refusal back to where one came from: a page of ours, and never anything else."""

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
    """To the page that is nearest above what was asked for, as it was seen last."""
    for path in _candidates(request):
        found = pages.at(path)
        if found is None or found[0].path == ROOT or not _may(visitor, found[0]):
            continue
        page = found[0]
        if path != request.path:
            return ReturnLink(path + _query_of(request, path), _label(page))
        if page.nav is not None:  # a list may itself be meant, without what was asked of it
            return ReturnLink(path, _label(page))
    return HOME


def _candidates(request: web.Request) -> Iterator[str]:
    """Paths, from the longest on."""
    path = request.path.rstrip("/")
    if request.method == "GET" and request.query_string:
        yield path
    while path := path.rpartition("/")[0]:
        yield path


def _may(visitor: SignedInVisitor | None, page: ConsolePage) -> bool:
    """Where nobody knows who asks, the page itself says whether he may see it."""
    return visitor is None or visitor.who.role in page.who


def _label(page: ConsolePage) -> str:
    return f"Back to {page.title if page.nav else 'the ' + page.title.lower()}"


def _query_of(request: web.Request, path: str) -> str:
    """The filter and the tab of that page, where the browser says that it came from there."""
    came = _came(request)
    return f"?{came.query}" if came.path == path and came.query else ""


def came_from(request: web.Request, pages: Pages) -> str:
    """The page of ours whose form this is, as it was; the one above where that was a refusal."""
    came = _came(request)
    path = came.path
    while path and pages.at(path) is None:
        path = path.rpartition("/")[0]
    is_itself = path == came.path and came.query
    return f"{path}?{came.query}" if is_itself else path or ROOT


def _came(request: web.Request) -> SplitResult:
    """Where the browser says that it came from; nowhere, if that is not ours."""
    with suppress(ValueError):
        came = urlsplit(request.headers.get(hdrs.REFERER, ""))
        if came.netloc == request.headers.get(hdrs.HOST):
            return came
    return urlsplit("")
