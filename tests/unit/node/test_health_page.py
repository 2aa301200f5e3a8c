"""The health page, which answers only requests to this machine's own name."""

import aiohttp
import pytest

from rendertrust.node.health_page import HealthPage


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:9", 200),
        ("localhost:8081", 200),
        ("evil.example", 421),
        ("evil.example:8081", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("[", 421),
        ("", 421),
    ],
)
async def test_it_answers_who_asks_for_this_machine_by_its_own_name(name: str, status: int) -> None:
    """Else a web page whose host name was pointed at this machine could read the health page."""
    page = HealthPage(lambda: {"connected": True, "node": "n"})
    await page.start(0)
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(page.address, headers={"Host": name}) as answer,
        ):
            assert answer.status == status
            assert ("node" in await answer.text()) == (status == 200)
    finally:
        await page.stop()
