"""Builder of the aiohttp application: the API's operations and the console behind the
pipeline.
"""

from aiohttp import web

from web.console import receipt_page
from web.console.address_page import VERIFY, AddressPage
from web.console.assets import STATIC, assets
from web.console.factor_page import AGAIN
from web.console.front_page import FRONT, FrontPage
from web.console.live_updates import LIVE, LiveHandler
from web.console.page_handler import (
    ActionHandler,
    CallHandler,
    FactorHandler,
    PageHandler,
    PublicHandler,
)
from web.console.page_responses import SIGN_IN, redirect
from web.console.pages import every_page
from web.console.password_pages import FORGOT, RESET, PasswordPages
from web.console.receipt_page import ReceiptPage
from web.console.registry import ROOT, Pages
from web.console.second_step import SecondStep, Step
from web.console.sign_in import SignIn, SignUp
from web.gateway import GATEWAY, Gateway
from web.http.endpoint import Endpoint
from web.http.json_document import BYTES_MAX
from web.http.problem import Problem
from web.http.refusal_code import RefusalCode
from web.http.responses import add_headers
from web.identity.invitation_tokens import SIGN_UP
from web.middleware.request_pipeline import RequestPipeline
from web.objects.archives import add_archive_route
from web.objects.object_forwarding import object_gate
from web.openapi.served_document import DESCRIPTION, Description
from web.routes import OPERATIONS

NO_PAGE = Problem(404, "There is no such page", code=RefusalCode.NOT_FOUND)


def build_site(gateway: Gateway) -> web.Application:
    """Return a new application; it can be started and stopped once."""
    pipeline = RequestPipeline(
        gateway.ports.clock,
        gateway.ports.random,
        gateway.settings.server.proxies(),
        logged=gateway.settings.logs.access,
    )
    site = web.Application(
        middlewares=[pipeline.serve],
        client_max_size=BYTES_MAX,
    )
    site[GATEWAY] = gateway
    site[DESCRIPTION] = Description(OPERATIONS)
    site.on_response_prepare.append(add_headers)
    for operation in OPERATIONS:
        endpoint = Endpoint(operation, gateway)
        if operation.method == "GET":
            site.router.add_get(operation.path, endpoint.serve)  # also registers HEAD
        else:
            site.router.add_route(operation.method, operation.path, endpoint.serve)
    add_archive_route(site, gateway, through=object_gate(gateway.rates))
    add_console(site, gateway)
    return site


def add_console(site: web.Application, gateway: Gateway) -> None:
    """Add every page and action, sign-in and sign-out, and the static files."""
    pages, router = every_page(), site.router
    add_signing(router, gateway, pages)
    add_password_pages(router, gateway, pages)
    address = AddressPage(gateway, pages)
    router.add_get(VERIFY, PublicHandler(gateway, pages, "probe", address.show).serve)
    router.add_post(VERIFY, PublicHandler(gateway, pages, "login", address.verify).serve)
    front = PublicHandler(gateway, pages, "probe", FrontPage(gateway, pages).show)
    router.add_get(FRONT, front.serve)
    files = PublicHandler(gateway, pages, "probe", assets().serve)
    router.add_get(STATIC + "/{version}/{name}", files.serve)
    for page in pages:
        router.add_get(page.path, PageHandler(gateway, pages, page).serve)
    receipt = PublicHandler(gateway, pages, "read", ReceiptPage(gateway, pages).show)
    router.add_get(receipt_page.PATH, receipt.serve)
    router.add_post(AGAIN, FactorHandler(gateway, pages).serve)
    live = LiveHandler(gateway, pages)
    router.add_get(LIVE, live.serve, allow_head=False)
    router.add_post(LIVE, live.serve)
    site.on_shutdown.append(live.close)
    for action in pages.actions:
        router.add_post(action.path, ActionHandler(gateway, pages, action).serve)
    for call in pages.calls:
        handler = CallHandler(gateway, pages, call)
        router.add_route(call.operation.method, call.path, handler.serve)
    # the last route matches everything else
    router.add_get(ROOT + "/{rest:.*}", PublicHandler(gateway, pages, "probe", no_page).serve)


def add_signing(router: web.UrlDispatcher, gateway: Gateway, pages: Pages) -> None:
    factor = SecondStep(gateway, pages)
    for step in Step:
        router.add_get(step.value, PublicHandler(gateway, pages, "probe", factor.show).serve)
        take = PublicHandler(gateway, pages, "login", factor.take, factor.limited)
        router.add_post(step.value, take.serve)
    signing = SignIn(gateway, pages, factor)
    router.add_get(SIGN_IN, PublicHandler(gateway, pages, "probe", signing.show).serve)
    sign_in = PublicHandler(gateway, pages, "login", signing.sign_in, signing.limited)
    router.add_post(SIGN_IN, sign_in.serve)
    joining = SignUp(gateway, pages)
    router.add_get(SIGN_UP, PublicHandler(gateway, pages, "probe", joining.show).serve)
    sign_up = PublicHandler(gateway, pages, "register", joining.sign_up, joining.limited)
    router.add_post(SIGN_UP, sign_up.serve)
    router.add_post(
        f"{ROOT}/sign-out", PublicHandler(gateway, pages, "probe", signing.sign_out).serve
    )


def add_password_pages(router: web.UrlDispatcher, gateway: Gateway, pages: Pages) -> None:
    shown = PasswordPages(gateway, pages)
    for path, show, change in (
        (FORGOT, shown.show_forgot, shown.ask),
        (RESET, shown.show_reset, shown.choose),
    ):
        router.add_get(path, PublicHandler(gateway, pages, "probe", show).serve)
        router.add_post(path, PublicHandler(gateway, pages, "login", change).serve)


async def no_page(request: web.Request) -> web.StreamResponse | Problem:
    """Answer 404, or redirect ``/console/`` to ``/console``."""
    return NO_PAGE if request.match_info["rest"].strip("/") else redirect(ROOT)
