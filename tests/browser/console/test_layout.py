"""Long words on a page, beside which no element may shrink to a column of single letters."""

from playwright.async_api import Browser

from tests.browser.console.visits import NARROW, WIDE
from web.console.assets import STYLE, assets

FACTS = f'<dl class="in facts"><dt>{"b" * 200}</dt><dd>otto@example.org, an operator</dd></dl>'
HEAD = f"""<div class="head"><div><h1>{"W" * 100}</h1></div>
<button>Pause</button> <a class="button">Leave</a> <a class="button">End it</a></div>"""
WIDTHS = "['dl', 'dd'].map((each) => document.querySelector(each).getBoundingClientRect().width)"


async def test_a_long_name_leaves_room_for_what_it_names(browser: Browser) -> None:
    page = await browser.new_page()
    style = assets().files[STYLE].plain.decode()
    await page.set_content(f"<style>{style}</style><main>{HEAD}{FACTS}</main>")
    for size in (NARROW, WIDE):
        await page.set_viewport_size(size)
        whole, value = await page.evaluate(WIDTHS)
        assert value > whole / 2
        assert await page.locator("h1").evaluate("it => it.offsetHeight") < 300
        assert await page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    await page.close()
