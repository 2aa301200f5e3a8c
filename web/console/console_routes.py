"""Registers everything below ``/console`` as routes."""

from aiohttp import web

from web.console import receipt_page
from web.console.assets import STATIC, assets
from web.console.live_updates import LIVE, LiveHandler
from web.console.page_handler import ActionHandler, CallHandler, PageHandler, PublicHandler
from web.console.page_responses import SIGN_IN, redirect
from web.console.pages import every_page
from web.console.receipt_page import ReceiptPage
from web.console.registry import ROOT, Pages
from web.console.sign_in import SignIn
from web.gateway import Gateway
from web.http.problem import Problem

NOT_FOUND = Problem(404, "There is no such page")


def add_console(site: web.Application, gateway: Gateway) -> None:
    """Add every page and action, sign-in and sign-out, and the static files."""
    pages, router = every_page(), site.router
    add_signing(router, gateway, pages)
    files = PublicHandler(gateway, pages, "probe", assets().serve)
    router.add_get(STATIC + "/{version}/{name}", files.serve)
    for page in pages:
        router.add_get(page.path, PageHandler(gateway, pages, page).serve)
    receipt = PublicHandler(gateway, pages, "read", ReceiptPage(gateway, pages).show)
    router.add_get(receipt_page.PATH, receipt.serve)
    live = LiveHandler(gateway, pages)
    router.add_get(LIVE, live.serve, allow_head=False)
    router.add_post(LIVE, live.serve)
    site.on_shutdown.append(live.close)
    for action in pages.actions:
        router.add_post(action.path, ActionHandler(gateway, pages, action).serve)
    for call in pages.calls:
        door = CallHandler(gateway, pages, call)
        router.add_route(call.operation.method, call.path, door.serve)
    # the last route matches everything else
    router.add_get(ROOT + "/{rest:.*}", PublicHandler(gateway, pages, "probe", nothing).serve)


def add_signing(router: web.UrlDispatcher, gateway: Gateway, pages: Pages) -> None:
    signing = SignIn(gateway, pages)
    router.add_get(SIGN_IN, PublicHandler(gateway, pages, "probe", signing.show).serve)
    router.add_post(SIGN_IN, PublicHandler(gateway, pages, "login", signing.sign_in).serve)
    router.add_post(
        f"{ROOT}/sign-out", PublicHandler(gateway, pages, "probe", signing.sign_out).serve
    )


async def nothing(request: web.Request) -> web.StreamResponse | Problem:
    """Answer 404, or redirect if only a trailing slash is too many."""
    return NOT_FOUND if request.match_info["rest"].strip("/") else redirect(ROOT)
