"""Crawl of all pages that each role can reach by links: no link is dead, and no page has faults.

Pages are drawn for an admin at desktop size and for a creator at phone size (by day, for one of the
two). For other users pages are only read. A link that differs from a visited link only in its
search words is not followed.
"""

import re
from collections import deque
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Browser

from tests.browser.console.stage import ROLES, Stage
from tests.browser.console.visits import DESK, PHONE, Look, Visit, visiting
from tests.support.examples import chosen
from web.console.pages import every_page
from web.console.registry import ID, ConsolePage
from web.identity.roles import UserRole

UUID = "[0-9a-f-]{36}"
PAGES = {page: re.compile(ID.sub(UUID, page.path)) for page in every_page() if page.template != ""}
TABS = ("tab", "show", "kind")  # parameters that make another page at the same address
# The page of a proof: the nodes of the tree keep their order, so its table is not sorted.
UNSORTED = "/console/ledger/entry"
OWN = "/console/account"  # read-only admins change something only here and below
# Reads a page; each table needs a caption, and head cells with links that sort it.
READ: Final = """
(page) => ({
  links: [...page.querySelectorAll("a[href]:not([download])")]
    .map((each) => each.getAttribute("href")),
  menu: [...page.querySelectorAll(".menu nav a")]
    .map((each) => [each.getAttribute("href"), each.querySelector("span").textContent]),
  here: [...page.querySelectorAll(".tabs a[aria-current=page]")]
    .map((each) => each.getAttribute("href")),
  title: page.querySelector("h1").textContent,
  changes: [...page.querySelectorAll("main :is(form[method=post], input[type=checkbox]," +
    " button:not(#pause, #reel-play, [data-by], [data-copy], [data-act], form[method=get] *))")]
    .map((each) => each.outerHTML),
  unnamed: [...page.querySelectorAll("table")]
    .filter((each) => !each.caption?.textContent.trim()).map((each) => each.outerHTML),
  unsorted: [...page.querySelectorAll("table")]
    .filter((each) => !each.querySelector("thead th[aria-sort] > a[href]"))
    .map((each) => each.outerHTML),
  heads: [...page.querySelectorAll("table")]
    .map((each) => [...each.querySelectorAll("thead th[aria-sort] > a[href]")].at(-1))
    .filter((each) => each).map((each) => each.getAttribute("href")),
  sorted: page.querySelectorAll("th[aria-sort]:not([aria-sort=none])").length,
})
"""
READ_HERE = f"() => ({READ})(document)"
READ_THERE = f"""
async (there) => {{
  const answer = await fetch(there);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return [answer.status, ({READ})(page)];
}}
"""
MENUS = {
    "jane": [
        *("Overview", "Your account", "Jobs", "Disputes", "Webhooks", "Fleet", "Organisations"),
        *("Credits", "Ledger"),
    ],
    "otto": [
        *("Overview", "Your account", "Jobs", "Disputes", "Webhooks", "Fleet", "Checks"),
        *("Organisations", "Credits", "Earnings", "Ledger"),
    ],
    "ann": [
        *("Overview", "Your account", "Jobs", "Disputes", "Webhooks", "Fleet", "Checks"),
        *("Organisations", "Credits", "Ledger", "Payouts", "Packages"),
        *("Readiness", "Actors", "Users", "Dead letters", "System", "Settings"),
    ],
    "rita": [
        *("Overview", "Your account", "Jobs", "Disputes", "Webhooks", "Fleet", "Checks"),
        *("Organisations", "Ledger", "Payouts", "Packages"),
        *("Readiness", "Actors", "Users", "Dead letters", "System", "Settings"),
    ],
}
# The pages that set up a factor: a form leads to one, and there are no passkeys at IP addresses.
SET_UPS = {
    "/console/account/second-factor/app/{id}",
    "/console/account/second-factor/passkeys/new",
}
# Only users with a node have links to these.
OF_OPERATORS = {"/console/account/payout-account", "/console/earnings"}
SHARE = "/console/jobs/{id}/share"  # a link leads there from verified pictures
# Links lead there from jobs with an earlier job of the same scene, which other tests may have made.
COMPARE = "/console/jobs/{id}/compare"
# Pages without a link: a form leads to the page, or the user has nothing to show on it.
NO_LINK = {
    "ann": {
        *SET_UPS,
        *OF_OPERATORS,
        SHARE,
        *("/console/users/{id}/credits", "/console/organisations/{id}"),
        *("/console/presets", "/console/webhooks/{endpoint_id}", "/console/jobs/{id}/dispute"),
        "/console/payouts/batches/{id}",
    },
    "rita": {
        *SET_UPS,
        *OF_OPERATORS,
        SHARE,
        *("/console/jobs/new", "/console/presets", "/console/organisations/{id}"),
        *("/console/webhooks/{endpoint_id}", "/console/jobs/{id}/dispute"),
        "/console/payouts/batches/{id}",
    },
    "otto": {
        *SET_UPS,
        SHARE,
        *("/console/jobs/{id}", "/console/organisations/{id}", "/console/jobs/{id}/dispute"),
        "/console/presets",
        "/console/webhooks/{endpoint_id}",
    },
    "jane": {*SET_UPS, "/console/fleet/{id}", "/console/checks"},
}


# Users whose pages are drawn, and the looks that axe checks by day.
SEES: dict[str, tuple[Look, ...]] = {"ann": DESK, "jane": PHONE}


def pages_of(name: str) -> set[str]:
    """Return the paths of all pages that this user may see."""
    return {page.path for page in PAGES if UserRole(ROLES[name]) in page.who}


SHARED = set[str].intersection(*(pages_of(name) - NO_LINK[name] for name in SEES))


def page_at(href: str) -> ConsolePage | None:
    """Return the page at this address, or None."""
    path = urlsplit(href).path
    return next((page for page, there in PAGES.items() if there.fullmatch(path)), None)


def kind_of(href: str) -> tuple[object, ...]:
    """Return the page, its tabs and its search fields; addresses that agree in these are
    one visit.
    """
    words = parse_qs(urlsplit(href).query)
    tabs = tuple(sorted((name, words[name][0]) for name in TABS if name in words))
    return (page_at(href), tabs, tuple(sorted(words.keys() - {"sort"})))


class Crawl:
    """The visit of one user to all pages of the console."""

    def __init__(self, visit: Visit, name: str, *more: str) -> None:
        """Take the user's browser and name; ``more`` has pages that only some jobs link to."""
        self._visit, self._name = visit, name
        self._changes = name != "rita"
        self._ahead = deque(["/console", *more])
        self._known: set[tuple[object, ...]] = {kind_of(href) for href in self._ahead}
        self._opened: set[tuple[object, ...]] = set()
        self._titles: dict[str, str] = {}
        self.menu: list[str] = []
        self.found: set[str] = set()

    async def go(self) -> None:
        """Visit all pages."""
        first = await self._open("/console")
        self._titles = dict(first["menu"])
        self.menu = list(self._titles.values())
        while self._ahead:
            href = self._ahead.popleft()
            self._check(href, await self._seen(href))

    def _check(self, href: str, seen: dict[str, Any]) -> None:
        page = page_at(href)
        assert page is not None
        self.found.add(page.path)
        assert seen["title"] == self._titles.get(href, seen["title"])
        if not self._changes and not page.path.startswith(OWN):
            assert seen["changes"] == [], href
        self._known.update(map(kind_of, seen["here"]))
        for link in seen["links"]:
            self._note(link)

    async def _seen(self, href: str) -> dict[str, Any]:
        """Return what is at a URL; at the first visit, also check how the page looks."""
        page, tabs, _ = kind_of(href)
        assert isinstance(page, ConsolePage)
        if self._name not in SEES or (page, tabs) in self._opened:
            return await self._read(href)
        self._opened.add((page, tabs))
        by_day = self._name == "jane" or page.path not in SHARED
        if chosen(day=by_day, night=True):
            seen = await self._open(href)
            await self._visit.check_page(by_day=SEES[self._name])
        else:
            seen = await self._read(href)
        assert seen["unnamed"] == [], href
        assert seen["unsorted"] == [] or page.path == UNSORTED, href
        for head in seen["heads"]:
            assert (await self._read(head))["sorted"], f"{href}: {head}"
        return seen

    async def _open(self, href: str) -> dict[str, Any]:
        answer = await self._visit.page.goto(self._visit.url + href)
        assert answer is not None
        assert answer.status == 200, f"{href}: {answer.status}"
        return dict(await self._visit.page.evaluate(READ_HERE))

    async def _read(self, href: str) -> dict[str, Any]:
        status, seen = await self._visit.page.evaluate(READ_THERE, href)
        assert status == 200, f"{href}: {status}"
        return dict(seen)

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
    async with visiting(browser, stage, name) as visit:
        job = f"/console/jobs/{stage.jobs[1]}"
        own = (f"{job}/dispute?unit=0", f"{job}/share")
        crawl = Crawl(visit, name, *(own if name == "jane" else ()))
        await crawl.go()
    await jane.call("DELETE", f"/webhooks/endpoints/{made['id']}")
    has_nodes = name == "otto"  # other tests of this gateway may have given nodes to others
    assert [each for each in crawl.menu if has_nodes or each != "Earnings"] == MENUS[name]
    his = pages_of(name)
    links = set[str]() if has_nodes else OF_OPERATORS
    links = links if name == "jane" else links | {COMPARE}
    assert his - crawl.found - links == NO_LINK[name] - links
    assert crawl.found <= his
