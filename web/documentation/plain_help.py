"""The pages of ``docs/`` as they are, for a gateway whose documentation site was not built.

They have no search, and of the generated pages only that of the errors. Addresses are the files'
names, so that links between the files lead where they should.
"""

import asyncio
import posixpath
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import attrs
from aiohttp import web
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from rendertrust.api.refusal_code import RefusalCode
from web.console.page_responses import frame_of, html
from web.console.registry import Pages
from web.documentation import error_page
from web.gateway import Gateway
from web.http.problem import Problem

ROOT: Final = "/help"
DOCS: Final = Path(__file__).resolve().parent.parent.parent / "docs"
FIRST: Final = "index.md"
TITLE: Final = "Documentation"
GENERATED: Final[Mapping[str, Callable[[], str]]] = {error_page.NAME: error_page.text}
PAGES_MAX: Final = 128  # rendered pages that are kept
PICTURES: Final = {".png": "image/png", ".svg": "image/svg+xml"}
NOT_HERE: Final = Problem(
    404,
    "The documentation has no such page, or it is not built here: run scripts/docs in the "
    "gateway's checkout, then reload this page. The source archive of a release has all pages. "
    "Begin at /help",
    code=RefusalCode.NOT_FOUND,
)
_DIVISION: Final = re.compile(r"^</?div\b.*>$", re.MULTILINE)  # for the site's layout
_ELSEWHERE: Final = re.compile(r"[a-z]+:|/|#")
_PUNCTUATION: Final = re.compile(r"[^\w\s-]")
_SPACES: Final = re.compile(r"[\s-]+")


@attrs.frozen
class PlainPage:
    """A page: its first heading, and its HTML."""

    title: str
    body: Markup


class PlainHelp:
    """The pages and pictures of the folder. A change of a file is served at once."""

    def __init__(self, gateway: Gateway, pages: Pages, folder: Path = DOCS) -> None:
        self._gateway, self._pages, self._folder = gateway, pages, folder.resolve()

    async def serve(self, request: web.Request, asked: str) -> web.StreamResponse | Problem:
        """Serve a page or a picture; redirect from an address of the built site."""
        path = await asyncio.to_thread(found, self._folder, asked)
        if path is None:
            return NOT_HERE
        name = path.relative_to(self._folder).as_posix()
        if name != (asked or FIRST):
            raise web.HTTPFound(f"{ROOT}/{name}")
        if path.suffix in PICTURES:
            kind = {"Content-Type": PICTURES[path.suffix]}
            policy = {"Content-Security-Policy": "default-src 'none'"}
            return web.FileResponse(path, headers=kind | policy)
        changed = 0 if name in GENERATED else path.stat().st_mtime_ns
        shown = await asyncio.to_thread(page, self._folder, name, changed)
        context = {
            "title": shown.title,
            "frame": frame_of(request, self._pages, None, None),
            "page": shown,
            "is_first": name == FIRST,
        }
        return html(request, self._gateway, "plain_help.html", context, 200)


def found(folder: Path, asked: str) -> Path | None:
    """Return the file for an address below ``/help/``, in the files' form or in the site's."""
    plain = asked.strip("/")
    names = [FIRST] if not plain else [asked, f"{plain}.md", f"{plain}/{FIRST}"]
    for name in names:
        try:
            if name in GENERATED:
                return folder / name
            path = (folder / name).resolve()
            is_served = path.suffix == ".md" or path.suffix in PICTURES
            if is_served and path.is_relative_to(folder) and path.is_file():
                return path
        except (OSError, ValueError):  # too long a name, or a NUL in it
            return None
    return None


@lru_cache(maxsize=PAGES_MAX)
def page(folder: Path, name: str, _changed: int) -> PlainPage:
    """Return the page of a file, which is read again once it has changed. Raises OSError."""
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    source = GENERATED[name]() if name in GENERATED else (folder / name).read_text("utf-8")
    tokens = parser.parse(_DIVISION.sub("", source))
    headings = [each for each in pairwise(tokens) if each[0].type == "heading_open"]
    for heading, text in headings:
        heading.attrSet("id", anchor(text.content))
    for token in tokens:
        _see_to_links(folder, name, token.children or [])
    title = headings[0][1].content if headings else TITLE
    rendered = parser.renderer.render(tokens, parser.options, {})
    return PlainPage(title, Markup(_scrolling(rendered)))  # noqa: S704 - our own pages


def anchor(heading: str) -> str:
    """Return the id of a heading, as links name it."""
    return _SPACES.sub("-", _PUNCTUATION.sub("", heading.lower()).strip())


def _see_to_links(folder: Path, name: str, tokens: list[Token]) -> None:
    """Let a link to what is not served become its text."""
    is_dead = False
    for token in tokens:
        if token.type == "link_open":
            target = str(token.attrGet("href"))
            is_dead = not _leads_somewhere(folder, name, target)
            if is_dead:
                token.attrs.clear()
        if token.type in ("link_open", "link_close") and is_dead:
            token.tag = "span"


def _leads_somewhere(folder: Path, name: str, target: str) -> bool:
    if _ELSEWHERE.match(target):
        return True
    inside = posixpath.join(posixpath.dirname(name), unquote(target.partition("#")[0]))
    if posixpath.normpath(inside) in GENERATED:
        return True
    path = (folder / inside).resolve()
    return path.suffix == ".md" and path.is_relative_to(folder) and path.is_file()


def _scrolling(rendered: str) -> str:
    """Let wide tables and lines of code scroll, also by the keyboard."""
    rendered = rendered.replace("<pre>", '<pre tabindex="0">')
    rendered = rendered.replace("<table>", '<div class="scroll" tabindex="0"><table>')
    return rendered.replace("</table>", "</table></div>")
