"""The documentation at ``/help``, which every visitor may read.

It is the site that ``scripts/docs`` builds; where nobody has built it, the plain pages.

The policy of its pages allows no other host, no inline script, and no script from outside of the
site, because users' objects may have the same origin.
"""

import asyncio
from pathlib import Path
from typing import Final

from aiohttp import hdrs, web

from rendertrust.api.refusal_code import RefusalCode
from web.console.page_responses import assets_source
from web.console.registry import Pages
from web.documentation.plain_help import ROOT, PlainHelp
from web.gateway import GATEWAY, Gateway
from web.http.problem import Problem

FOLDER: Final = Path(__file__).parent / "site"
MEDIA: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
AGAIN: Final = "no-cache"  # cached by browsers, and revalidated
NO_PAGE: Final = Problem(
    404, "The documentation has no such page: begin at /help", code=RefusalCode.NOT_FOUND
)


class HelpSite:
    """The files of the site, or plain pages. A build while the gateway runs is served at once."""

    def __init__(self, gateway: Gateway, pages: Pages) -> None:
        self._folder = FOLDER
        self._plain = PlainHelp(gateway, pages)

    async def begin(self, _request: web.Request) -> web.StreamResponse:
        """Redirect to the first page, below which the links of all pages lead."""
        raise web.HTTPMovedPermanently(f"{ROOT}/")

    async def serve(self, request: web.Request) -> web.StreamResponse | Problem:
        """Serve a page or a file of the site."""
        asked = request.match_info["path"]
        path, is_built = await asyncio.to_thread(self._found, asked)
        if not is_built:
            return await self._plain.serve(request, asked)
        if path is None:
            return NO_PAGE
        if path.name == "index.html" and asked and not asked.endswith(("/", ".html")):
            raise web.HTTPMovedPermanently(f"{ROOT}/{asked}/")
        headers = {
            hdrs.CACHE_CONTROL: AGAIN,
            hdrs.CONTENT_TYPE: f"{MEDIA[path.suffix]}; charset=utf-8",
            "Content-Security-Policy": policy(request),
        }
        return web.FileResponse(path, headers=headers)

    def _found(self, asked: str) -> tuple[Path | None, bool]:
        """Return the file at the path, None if there is none; and True if the site was built."""
        folder = self._folder.resolve()
        if not (folder / "index.html").is_file():
            return None, False
        try:
            path = (folder / asked).resolve()
            path = path / "index.html" if path.is_dir() else path
            is_served = path.is_relative_to(folder) and path.suffix in MEDIA and path.is_file()
        except (OSError, ValueError):  # too long a name, or a NUL in it
            return None, True
        return (path if is_served else None), True


def policy(request: web.Request) -> str:
    """Return the Content-Security-Policy of all files; the search's worker has only its own."""
    own = assets_source(request.headers.get(hdrs.HOST, ""), request.app[GATEWAY].settings, ROOT)
    return (
        f"default-src 'none'; script-src {own}; worker-src {own}; connect-src {own}; "
        f"style-src {own}; img-src {own} data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
