"""Charts of the console in a browser: they draw, and react to pointer, drag and new values."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import Browser, Page, Route

from tests.support.examples import chosen
from web.console.assets import MEDIA, assets

UPLOT: Final = "uPlot.iife.min.js"
MOMENTS: Final = [1_700_000_000 + 60 * step for step in range(60)]
HOURS: Final = [1_700_000_000 + 3600 * step for step in range(100)]
WAVE: Final = [abs(step % 20 - 10) * 1.37 for step in range(100)]


def series(tone: str, values: list[float | None]) -> dict[str, Any]:
    return {"label": tone, "values": values, "tone": tone}


PLOTS: Final[dict[str, dict[str, Any]]] = {
    "line": {"at": MOMENTS, "series": [series("accent", [*WAVE[:60]])]},
    "lines": {
        "at": MOMENTS,
        "series": [
            series("run", [None if 20 < step < 30 else step for step in range(60)]),
            series("warn", [None, None, *WAVE[:57], None]),
        ],
    },
    "whole": {
        "at": MOMENTS,
        "series": [series("run", [step % 3 for step in range(60)])],
        "whole": True,
    },
    "small": {"at": MOMENTS, "series": [series("run", [step / 4000 for step in range(60)])]},
    "large": {"at": MOMENTS, "series": [series("run", [step * 1e7 for step in range(60)])]},
    "hours": {"at": HOURS, "series": [series("accent", [*WAVE])]},
    "days": {"at": [24 * 9 * at for at in HOURS], "series": [series("accent", [*WAVE])]},
    "one": {"at": MOMENTS[:1], "series": [series("accent", [3])]},
    "none": {"at": [], "series": [series("accent", [])]},
    "zeros": {"at": MOMENTS, "series": [series("accent", [0] * 60)]},
    "bars": {
        "at": MOMENTS,
        "series": [
            series("run", [step % 7 for step in range(60)]),
            series("bad", [step % 2 for step in range(60)]),
        ],
        "kind": "bars",
        "whole": True,
    },
    "calendar": {
        "at": [1_699_963_200 + 86_400 * day for day in range(30)],
        "series": [series("accent", [day % 5 for day in range(30)])],
        "kind": "bars",
        "step": 86_400,
    },
}
KEPT: Final = """
const Whole = window.uPlot;
function Kept(...how) {
  const made = new Whole(...how);
  (window.made ??= []).push(made);
  return made;
}
Kept.paths = Whole.paths;
window.uPlot = Kept;
"""
TOUCHED: Final = chosen(day=("lines", "bars", "one", "none"), night=tuple(PLOTS))
PUT = """
(plots) => {
  document.querySelector("main").replaceChildren(...plots.map(([id, plot]) => {
    const figure = document.createElement("figure");
    figure.className = "chart";
    figure.id = id;
    figure.dataset.plot = JSON.stringify(plot);
    figure.innerHTML = '<div class="plot"></div>';
    return figure;
  }));
  document.dispatchEvent(new Event("theme"));
}
"""
SEEN = """
() => [...document.querySelectorAll("figure.chart")].map((each) =>
  [each.id, each.querySelector("canvas").toDataURL(), each.querySelector(".u-over").outerHTML])
"""
SHORTER = (
    "() => made.forEach((chart) => chart.setData(chart.data.map((each) => each.slice(0, 40))))"
)


PAGE: Final = """
<!doctype html>
<link rel="stylesheet" href="console.css">
<body data-chart="/uPlot.iife.min.js"><main></main>
<script type="module" src="console.js"></script>
"""


@pytest.mark.parametrize("width", [pytest.param(1280, marks=pytest.mark.nightly), 390])
async def test_charts_draw_and_answer(browser: Browser, width: int) -> None:
    """The charts have lines, gaps, bars or nothing; each step changes them."""
    seen = await draw_and_act(browser, width)
    assert len(seen) == 5
    assert len({json.dumps(each) for each in seen}) == 5, "each step changes what is seen"
    canvases = [canvas for _, canvas, _ in seen[0]]
    assert len(set(canvases)) == len(PLOTS), "no two charts look alike"


async def draw_and_act(browser: Browser, width: int) -> list[Any]:
    """Draw all charts, point, drag and undo on them, and return what is seen after each step."""
    async with paper(browser, width) as page:
        await page.evaluate(PUT, list(PLOTS.items()))
        await page.wait_for_function(f"() => window.made?.length === {len(PLOTS)}")
        found = [await page.evaluate(SEEN)]
        for act in (pointed, dragged, undone):
            for name in TOUCHED:
                await act(page, name)
            found.append(await page.evaluate(SEEN))
        await page.evaluate(SHORTER)
        return [*found, await page.evaluate(SEEN)]


@asynccontextmanager
async def paper(browser: Browser, width: int) -> AsyncGenerator[Page]:
    """Open a page that has only the console's scripts; fail if the page has errors."""
    context = await browser.new_context(viewport={"width": width, "height": 860})
    page, errors = await context.new_page(), list[str]()
    page.on("pageerror", lambda error: errors.append(str(error)))
    files = {name: asset.plain.decode() for name, asset in assets().files.items()}
    files |= {UPLOT: files[UPLOT] + KEPT, "": PAGE}

    async def answer(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        media = MEDIA.get(Path(name).suffix, "text/html")
        await route.fulfill(body=files[name], content_type=media)

    await context.route("https://console.test/**", answer)
    await page.goto("https://console.test/")
    try:
        yield page
    finally:
        await context.close()
    assert errors == []


async def pointed(page: Page, name: str) -> None:
    await page.locator(f"#{name} .u-over").hover(position={"x": 100, "y": 40})


async def dragged(page: Page, name: str) -> None:
    over = page.locator(f"#{name} .u-over")
    await over.hover(position={"x": 60, "y": 40})
    await page.mouse.down()
    await over.hover(position={"x": 90, "y": 50})
    await over.hover(position={"x": 160, "y": 60})
    await page.mouse.up()


async def undone(page: Page, name: str) -> None:
    await page.locator(f"#{name} .u-over").dblclick(position={"x": 100, "y": 40})
