"""The farm's first page, for everybody: what the farm is, its figures, and the ways in.

The page is made from memory. A farm that is not open to everybody shows only its name, and links
to sign in, to the documentation and to the program.
"""

from typing import Final

from aiohttp import web

from web.console.page_responses import frame_of, html
from web.console.registry import Pages
from web.console.session import is_known
from web.gateway import Gateway
from web.http.problem import Problem

FRONT: Final = "/"


class FrontPage:
    def __init__(self, gateway: Gateway, pages: Pages) -> None:
        self._gateway, self._pages = gateway, pages

    async def show(self, request: web.Request) -> web.StreamResponse | Problem:
        gateway = self._gateway
        is_open = gateway.settings.accounts.registration == "open"
        context = {
            "title": "Render farm" if is_open else "Sign in",
            "frame": frame_of(request, self._pages, None, None),
            "is_open": is_open,
            "is_signed_in": await is_known(gateway, request),
            "farm": gateway.console.farm.figures if is_open else None,
            "read_at": gateway.console.farm.read_at,
            "checking": gateway.settings.verification.enabled,
            "anchoring": bool(gateway.settings.chain.url),
            "is_test_chain": gateway.settings.chain.embedded,
            "seconds": self._seconds(),
            "sold": gateway.console.prices.of_credits,
        }
        return html(request, gateway, "front.html", context, 200)

    def _seconds(self) -> int:
        """Return the seconds of work that the price buys; 0 if every frame costs the same."""
        gateway = self._gateway
        return gateway.settings.pricing.frame_seconds if gateway.verifiers else 0
