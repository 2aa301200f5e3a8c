"""The console at an IPv6 address, where a policy cannot name a path: the console's own tags have a
nonce.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from playwright.async_api import Browser, ConsoleMessage

from tests.browser.console.stage import Stage

CHUNK = 1 << 16


async def pumped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def at_ipv6(url: str) -> AsyncGenerator[str]:
    """Forward an IPv6 address to the gateway, and yield its URL."""
    port = urlsplit(url).port

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pumped(reader, there[1]), pumped(there[0], writer))

    server = await asyncio.start_server(forward, "::1", 0)
    try:
        yield f"http://[::1]:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_its_scripts_and_styles_are_loaded(browser: Browser, stage: Stage) -> None:
    said: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            said.append(message.text)

    async with at_ipv6(stage.url) as url:
        page = await browser.new_page()
        page.on("console", hear)
        answer = await page.goto(f"{url}/console/sign-in")
        assert answer is not None
        assert "'nonce-" in answer.headers["content-security-policy"]
        await page.wait_for_load_state("load")
        assert await page.evaluate("typeof htmx") == "object"
        assert await page.evaluate("document.styleSheets[0].cssRules.length") > 10
        names = "performance.getEntriesByType('resource').map((one) => one.name)"
        assert any(name.endswith("/console.js") for name in await page.evaluate(names))
        await page.close()
    assert said == []
