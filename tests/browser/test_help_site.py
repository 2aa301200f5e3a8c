"""The documentation site, built as `scripts/docs` builds it, and served at /help by a gateway."""

import asyncio
import re
import subprocess
from collections.abc import AsyncGenerator, Iterable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ViewportSize, expect

from rendertrust.api.refusal_code import RefusalCode
from supervisors.engines.postgres import PostgresEndpoint
from tests.browser.console.visits import AXE, FAULTS, LOOKS, WATCH, Theme, Visit
from tests.support.gateway_process import ROOT
from tests.support.http_gateway import Face, face_over
from web.documentation import help_site

pytestmark = pytest.mark.timeout(600)  # the first test of a worker builds the site
ENTRANCES = ("render/", "machine/", "farm/", "develop/")
HOW_TOS = (
    "how-to/render-an-animation/",
    "how-to/get-paid/",
    "how-to/restore-a-backup/",
    "how-to/verify-a-receipt/",
    "PLUGINS/",
)
LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
FILE_NAME = re.compile(r">[\w/-]+\.md</a>")
# Code of which a part is out of sight.
CUT = """() => [...document.querySelectorAll("pre > code")]
  .filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.innerText)"""
PAGES = ("", *ENTRANCES, "how-to/restore-a-backup/", "tutorials/production-farm/")


class Reader(HTMLParser):
    """Collects what a page loads, the links of its article, and its ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self._in_article = False
        self.inline = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.ids.add(named.get("id") or "")
        if tag == "article":
            self._in_article = True
        if tag == "a" and self._in_article:
            self.links.append(named.get("href") or "")
        if tag == "style" or "style" in named or (tag == "script" and not has_file(named)):
            self.inline += 1
        if tag in LOADED and named.get("rel") not in ("prev", "next", "canonical"):
            self.loaded.append(named.get(LOADED[tag]) or "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "article":
            self._in_article = False


def has_file(named: dict[str, str | None]) -> bool:
    """Return True for a script that is a file, or that holds data only."""
    return "src" in named or named.get("type") == "application/json"


def page(site: Path, place: str) -> Reader:
    return Reader((site / place / "index.html").read_text())


def linked(site: Path, places: Iterable[str]) -> set[str]:
    """Return the pages to which the articles of these pages link."""
    found = {
        urlsplit(urljoin(f"http://site/{place}", link))
        for place in places
        for link in page(site, place).links
    }
    return {one.path.removeprefix("/") for one in found if one.netloc == "site"}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site; it is built strictly, so a link that leads nowhere fails the build."""
    folder = tmp_path_factory.mktemp("documentation") / "site"
    command = [str(ROOT / "scripts/docs"), "--to", str(folder)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return folder


@pytest_asyncio.fixture(loop_scope="session")
async def face(
    database: PostgresEndpoint, site: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Face]:
    """Serve the built site."""
    monkeypatch.setattr(help_site, "FOLDER", site)
    async with face_over(database) as running:
        yield running


def test_pages_load_nothing_from_elsewhere_and_have_no_scripts_or_file_names(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 80
    for path in pages:
        text = path.read_text()
        read = Reader(text)
        assert FILE_NAME.search(text) is None, path
        assert read.loaded, path
        assert not [one for one in read.loaded if urlsplit(one).netloc], path
        assert read.inline == 0, path


def test_every_how_to_is_two_clicks_from_the_first_page(site: Path) -> None:
    assert set(HOW_TOS) <= linked(site, ["", *ENTRANCES])


@pytest.mark.parametrize("entrance", ENTRANCES, ids=[one.strip("/") for one in ENTRANCES])
def test_every_how_to_is_two_clicks_from_an_entrance(site: Path, entrance: str) -> None:
    assert entrance in linked(site, [""])
    once = {place for place in linked(site, [entrance]) if (site / place / "index.html").exists()}
    assert set(HOW_TOS) <= once | linked(site, once)


def test_each_code_of_a_refusal_has_its_place(site: Path) -> None:
    assert {str(code) for code in RefusalCode} <= page(site, "errors/").ids


def test_a_section_of_another_page_is_shown_whole(site: Path) -> None:
    text = (site / "how-to/update-a-node/index.html").read_text()
    assert "<!-- section" not in text
    assert "<code>rendertrust node update" in text


@pytest.mark.parametrize(("size", "theme"), LOOKS, ids=["phone in the dark", "desk in the light"])
async def test_pages_are_well(
    browser: Browser, face: Face, size: ViewportSize, theme: Theme
) -> None:
    await check_pages(browser, face, PAGES, size, theme)


async def check_pages(
    browser: Browser, face: Face, places: Iterable[str], size: ViewportSize, theme: Theme
) -> None:
    """Check that pages fit, are accessible, and load without faults."""
    context = await browser.new_context(viewport=size, color_scheme=theme)
    await context.add_init_script(WATCH)
    visit = Visit(await context.new_page(), str(face.client.make_url("/"))[:-1])
    visit.listen()
    for place in places:
        await visit.go(f"/help/{place}")
        await visit.check_no_faults()
        await visit.check_width(size["width"])
        assert await visit.page.evaluate(CUT) == [], place
        await visit.page.evaluate(AXE)
        faults = await visit.page.evaluate(FAULTS)
        assert [(one["id"], one["nodes"][0]["html"]) for one in faults] == [], place
    await context.close()


async def test_search_finds_a_how_to_before_decisions(browser: Browser, face: Face) -> None:
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    shown = await context.new_page()
    first = shown.locator(".md-search-result__link").first
    for words, title in (("get paid", "Get paid"), ("restore a backup", "Restore a backup")):
        await shown.goto(str(face.client.make_url("/help/")))
        await shown.get_by_role("textbox", name="Search").fill(words)
        await expect(first).to_contain_text(title)
    await first.click()
    await expect(shown.locator("h1")).to_contain_text("Restore a backup")
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def plain(
    database: PostgresEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Face]:
    """Serve the documentation of a gateway where nobody has built the site."""
    monkeypatch.setattr(help_site, "FOLDER", tmp_path / "none")
    async with face_over(database) as running:
        yield running


async def test_without_the_site_each_how_to_is_two_clicks_from_the_first_page(plain: Face) -> None:
    assert 'href="/help"' in await (await plain.client.get("/")).text()
    answer = await plain.client.get("/help")
    shown = await answer.text()
    assert (answer.status, "scripts/docs" in shown) == (200, True)
    assert linked_paths("/help/", shown) >= {f"/help/{one.strip('/')}.md" for one in HOW_TOS}
    for place in HOW_TOS:
        path = f"/help/{place.strip('/')}.md"
        onward = linked_paths(path, await (await plain.client.get(path)).text())
        assert onward
        assert {(await plain.client.get(each)).status for each in onward} == {200}, path


def linked_paths(path: str, text: str) -> set[str]:
    """Return the paths to which the page at the path links."""
    found = (urlsplit(urljoin(f"http://site{path}", link)) for link in Reader(text).links)
    return {one.path for one in found if one.netloc == "site"}


async def test_without_the_site_addresses_of_its_pages_lead_to_plain_ones(plain: Face) -> None:
    answer = await plain.client.get("/help/how-to/get-paid/", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (302, "/help/how-to/get-paid.md")
    answer = await plain.client.get("/help/errors/")
    assert (answer.status, answer.url.path) == (200, "/help/errors.md")
    assert {str(code) for code in RefusalCode} <= Reader(await answer.text()).ids
    answer = await plain.client.get("/help/reference/commands/")
    assert (answer.status, "run scripts/docs" in await answer.text()) == (404, True)
    for path in ("%2e%2e/pyproject.toml", "..%2fREADME.md", "%00", "a" * 5_000, "ownership"):
        answer = await plain.client.get(f"/help/{path}")
        assert answer.status == (200 if path == "ownership" else 404), path


@pytest.mark.parametrize(("size", "theme"), LOOKS, ids=["phone in the dark", "desk in the light"])
async def test_plain_pages_are_well(
    browser: Browser, plain: Face, size: ViewportSize, theme: Theme
) -> None:
    pages = ("", "how-to/restore-a-backup.md", "OPERATIONS.md", "render/index.md", "errors.md")
    await check_pages(browser, plain, pages, size, theme)


async def test_only_files_of_the_site_are_served(face: Face, site: Path) -> None:
    outside = site.parent / "outside.json"
    await asyncio.to_thread(outside.write_text, "{}")
    for path in ("../outside.json", "%2e%2e/outside.json", "..%2foutside.json", "%00", "a" * 5_000):
        answer = await face.client.get(f"/help/{path}")
        assert answer.status in (404, 400, 414), path
        assert await answer.text() != "{}"
    answer = await face.client.get("/help/errors", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (301, "/help/errors/")
    answer = await face.client.get("/help/errors/")
    assert answer.status == 200
    assert "'unsafe" not in answer.headers["Content-Security-Policy"]
