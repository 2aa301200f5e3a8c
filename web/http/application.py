"""Builder of the aiohttp application: the API's operations and the console behind the
pipeline.
"""

from aiohttp import web

from config.settings import Settings
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.program_version import DOWNLOAD
from web.console import receipt_page, shared_page
from web.console.assets import STATIC, assets
from web.console.download_page import DownloadPage
from web.console.factor_page import AGAIN
from web.console.front_page import FRONT, FrontPage
from web.console.identity_links import AGAIN as AGAIN_AT_PROVIDER
from web.console.identity_links import LINK, ProviderFormHandler
from web.console.link_pages import PURPOSES, LinkPage
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
from web.console.pricing_page import PRICING, PricingPage
from web.console.provider_sign_in import CALLBACK, START, ProviderSignIn
from web.console.receipt_page import ReceiptPage
from web.console.registry import ROOT, Pages
from web.console.second_step import SecondStep, Step
from web.console.setup.finish import SetupFinish
from web.console.setup.offer import PATH as SETUP
from web.console.setup.pages import SetupPages
from web.console.shared_page import SharedPage, hide_links
from web.console.sign_in import SignIn, SignUp
from web.documentation.help_site import HelpSite
from web.documentation.plain_help import ROOT as HELP
from web.gateway import GATEWAY, Gateway
from web.http.endpoint import Endpoint
from web.http.json_document import BYTES_MAX
from web.http.problem import Problem
from web.http.responses import add_headers
from web.identity.invitation_tokens import SIGN_UP
from web.middleware.cross_origin import CrossOrigin
from web.middleware.request_pipeline import RequestPipeline
from web.objects.archives import add_archive_route
from web.objects.object_forwarding import object_gate
from web.openapi.served_document import DESCRIPTION, Description
from web.routes import OPERATIONS

NO_PAGE = Problem(404, "There is no such page", code=RefusalCode.NOT_FOUND)


def build_site(gateway: Gateway) -> web.Application:
    """Return a new application; it can be started and stopped once."""
    pages = every_page()
    cross_origin = cross_origin_of(gateway.settings)
    pipeline = RequestPipeline(
        gateway.ports.clock,
        gateway.ports.random,
        gateway.settings.server.proxies(),
        logged=gateway.settings.logs.access,
        lost=PublicHandler(gateway, pages, "probe", no_address).serve,
        cross_origin=cross_origin,
    )
    site = web.Application(
        middlewares=[pipeline.serve],
        client_max_size=BYTES_MAX,
    )
    site[GATEWAY] = gateway
    site[DESCRIPTION] = Description(OPERATIONS)
    site.on_response_prepare.append(add_headers)
    if cross_origin is not None:
        site.on_response_prepare.append(cross_origin.on_prepare)
    for operation in OPERATIONS:
        endpoint = Endpoint(operation, gateway)
        if operation.method == "GET":
            site.router.add_get(operation.path, endpoint.serve)  # also registers HEAD
        else:
            site.router.add_route(operation.method, operation.path, endpoint.serve)
    add_archive_route(site, gateway, through=object_gate(gateway.rates))
    add_console(site, gateway, pages)
    site.on_response_prepare.append(hide_links)
    return site


def cross_origin_of(settings: Settings) -> CrossOrigin | None:
    """Return the marks for web applications on other origins; None if the settings name none."""
    allowed = settings.cors.allowed()
    return CrossOrigin(allowed, settings.objects.bucket) if allowed else None


def add_console(site: web.Application, gateway: Gateway, pages: Pages) -> None:
    """Add every page and action, sign-in and sign-out, and the static files."""
    router = site.router
    add_signing(router, gateway, pages)
    add_setup(router, gateway, pages)
    add_password_pages(router, gateway, pages)
    for purpose in PURPOSES:
        link = LinkPage(gateway, pages, purpose)
        router.add_get(purpose.path, PublicHandler(gateway, pages, "probe", link.show).serve)
        router.add_post(purpose.path, PublicHandler(gateway, pages, "login", link.use).serve)
    front = PublicHandler(gateway, pages, "probe", FrontPage(gateway, pages).show)
    router.add_get(FRONT, front.serve)
    site_of_help = HelpSite(gateway, pages)
    router.add_get(HELP, PublicHandler(gateway, pages, "probe", site_of_help.begin).serve)
    helping = PublicHandler(gateway, pages, "probe", site_of_help.serve)
    router.add_get(HELP + "/{path:.*}", helping.serve)
    prices = PublicHandler(gateway, pages, "probe", PricingPage(gateway, pages).show)
    router.add_get(PRICING, prices.serve)
    handed_out = PublicHandler(gateway, pages, "read", DownloadPage(gateway, pages).show)
    router.add_get(DOWNLOAD, handed_out.serve)
    files = PublicHandler(gateway, pages, "probe", assets().serve)
    router.add_get(STATIC + "/{version}/{name}", files.serve)
    for page in pages:
        router.add_get(page.path, PageHandler(gateway, pages, page).serve)
    receipt = PublicHandler(gateway, pages, "read", ReceiptPage(gateway, pages).show)
    router.add_get(receipt_page.PATH, receipt.serve)
    add_shared_page(router, gateway, pages)
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


def add_shared_page(router: web.UrlDispatcher, gateway: Gateway, pages: Pages) -> None:
    shared = SharedPage(gateway, pages)
    for path, show in (
        (shared_page.SHARED, shared.show),
        (shared_page.PICTURE, shared.picture),
        (shared_page.SMALL, shared.thumbnail),
        (shared_page.RECEIPT, shared.receipt),
    ):
        router.add_get(path, PublicHandler(gateway, pages, "read", show).serve)
    other = PublicHandler(gateway, pages, "probe", shared_page.nothing)
    router.add_route("*", shared_page.BELOW, other.serve)


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
    if gateway.providers:
        provided = ProviderSignIn(gateway, pages, factor)
        start = PublicHandler(gateway, pages, "login", provided.start, signing.limited)
        router.add_post(START, start.serve)
        callback = PublicHandler(gateway, pages, "probe", provided.callback)
        router.add_get(CALLBACK, callback.serve, allow_head=False)
        for action in (LINK, AGAIN_AT_PROVIDER):
            form = ProviderFormHandler(gateway, pages, action, provided)
            router.add_post(action.path, form.serve)


def add_setup(router: web.UrlDispatcher, gateway: Gateway, pages: Pages) -> None:
    setup = SetupPages(gateway, pages, SetupFinish(gateway, SecondStep(gateway, pages)))
    router.add_get(SETUP, PublicHandler(gateway, pages, "probe", setup.enter).serve)
    page = f"{SETUP}/{{step}}"
    router.add_get(page, PublicHandler(gateway, pages, "probe", setup.show).serve)
    router.add_post(page, PublicHandler(gateway, pages, "write", setup.take).serve)


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


async def no_address(_request: web.Request) -> Problem:
    """Answer 404 at an address outside the console."""
    return NO_PAGE
