"""Every page that each role finds, by the links that lead there: none is dead, and all is well.

A link to a page that was looked at with other words is not followed: of each kind there is one.
"""

import re
from collections import deque
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Browser, ViewportSize, expect

from tests.browser.console.looking import NARROW, WIDE, Looking, Theme, looking
from tests.browser.console.stage import ROLES, Stage
from web.console.pages import every_page
from web.console.registry import ID, Page
from web.identity.rights import Role

UUID = "[0-9a-f-]{36}"
PAGES = {page: re.compile(ID.sub(UUID, page.path)) for page in every_page() if page.template != ""}
TABS = ("tab", "show", "kind", "is")  # what makes another page of the same address
CHANGES = (
    "form[method=post], input[type=checkbox], button:not(#pause, [data-copy], form[method=get] *)"
)
LINKS = """
[...document.querySelectorAll("a[href]:not([download])")].map((each) => each.getAttribute("href"))
"""
# A page that two roles see is looked at in all four ways, by each of them in two.
LOOKS: tuple[tuple[tuple[ViewportSize, Theme], ...], ...] = (
    ((WIDE, "light"), (NARROW, "dark")),
    ((WIDE, "dark"), (NARROW, "light")),
)
SEES = {"ann": LOOKS[0], "rita": LOOKS[1], "otto": LOOKS[0], "jane": LOOKS[1]}
# Where nobody comes by a link: a form leads there, or there is none of his own.
NO_LINK = {
    "ann": {
        *("/console/users/{id}/credits", "/console/organisations/{id}"),
        *("/console/webhooks/{endpoint_id}", "/console/jobs/{id}/dispute"),
    },
    "rita": {
        *("/console/jobs/new", "/console/organisations/{id}"),
        *("/console/webhooks/{endpoint_id}", "/console/jobs/{id}/dispute"),
    },
    "otto": {
        *("/console/jobs/{id}", "/console/organisations/{id}", "/console/jobs/{id}/dispute"),
        *("/console/webhooks/{endpoint_id}", "/console/disputes/{id}"),
    },
    "jane": {"/console/fleet/{id}", "/console/checks"},
}


def page_at(href: str) -> Page | None:
    """Which page is there; None: no page."""
    path = urlsplit(href).path
    return next((page for page, there in PAGES.items() if there.fullmatch(path)), None)


def kind_of(href: str) -> tuple[object, ...]:
    """What tells one kind of look at a page from another."""
    words = parse_qs(urlsplit(href).query)
    tabs = tuple(sorted((name, words[name][0]) for name in TABS if name in words))
    return (page_at(href), tabs, tuple(sorted(words.keys() - {"sort"})))


class Crawl:
    """One person's way through the console."""

    def __init__(self, eyes: Looking, name: str, *more: str) -> None:
        """``more``: where links of some jobs alone lead, and perhaps not of the one that is met."""
        self._eyes, self._looks = eyes, SEES[name]
        self._ahead = deque(["/console", *more])
        self._known: set[tuple[object, ...]] = {kind_of(href) for href in self._ahead}
        self.found: set[str] = set()

    async def go(self, *, changes: bool) -> None:
        """All of it. ``changes``: there may be something that changes something."""
        while self._ahead:
            href = self._ahead.popleft()
            answer = await self._eyes.page.goto(self._eyes.url + href)
            assert answer is not None
            assert answer.status == 200, f"{href}: {answer.status}"
            if not changes:
                await expect(self._eyes.page.locator(f"main :is({CHANGES})"), href).to_have_count(0)
            await self._look(href)
            for link in await self._eyes.page.evaluate(LINKS):
                self._note(link)

    async def _look(self, href: str) -> None:
        page = page_at(href)
        assert page is not None
        is_new = page.path not in self.found
        self.found.add(page.path)
        for size, theme in self._looks:
            await self._eyes.page.set_viewport_size(size)
            await self._eyes.fits(size["width"])
            if is_new:
                await self._eyes.can_be_used(theme, size)
        await self._eyes.did_nothing_wrong()

    def _note(self, href: str) -> None:
        page = page_at(href)
        if page is not None and kind_of(href) not in self._known:
            self._known.add(kind_of(href))
            self._ahead.append(href)


@pytest.mark.parametrize("name", list(ROLES))
async def test_all_that_somebody_finds_is_there_and_well(
    browser: Browser, stage: Stage, name: str
) -> None:
    jane = stage.people["jane"]
    await jane.call("POST", "/organisations", {"name": f"For {name}"})
    hook = {"url": "https://hooks.example.org/x", "types": ["job.*"]}
    _, made = await jane.call("POST", "/webhooks/endpoints", hook)
    complaint = {"reason": "it is black"}
    status, said = await jane.call("POST", f"/jobs/{stage.jobs[0]}/units/0/dispute", complaint)
    assert status in (200, 201), said
    async with looking(browser, stage, name) as eyes:
        own = f"/console/jobs/{stage.jobs[1]}/dispute?unit=0"
        crawl = Crawl(eyes, name, *([own] if name == "jane" else []))
        await crawl.go(changes=name != "rita")
    await jane.call("DELETE", f"/webhooks/endpoints/{made['id']}")
    his = {page.path for page in PAGES if Role(ROLES[name]) in page.who}
    assert his - crawl.found == NO_LINK[name]
    assert crawl.found <= his
