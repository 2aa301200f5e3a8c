"""Builds the aiohttp application: every operation behind the middleware."""

from aiohttp import web

from web.console.console_routes import add_console
from web.gateway import GATEWAY, Gateway
from web.http.endpoint import Endpoint
from web.http.json_document import BYTES_MAX
from web.middleware.problem_responses import problems
from web.middleware.proxy_limits import callers, seats
from web.middleware.request_context import notes
from web.middleware.request_head import request_heads
from web.middleware.request_id import request_ids
from web.middleware.request_metrics import measures
from web.middleware.response_headers import add_headers
from web.objects.archives import add_archive_route
from web.objects.object_forwarding import object_gate
from web.openapi.description import DESCRIPTION, Description
from web.routes import OPERATIONS


def build_site(gateway: Gateway) -> web.Application:
    """Return a new application; it can be started and stopped once."""
    trusted = gateway.settings.server.proxies()
    site = web.Application(
        middlewares=[
            notes(request_ids(gateway.ports.random, trusted), callers(trusted)),
            measures(gateway.ports.clock, logged=gateway.settings.logs.access),
            request_heads,
            seats,
            problems,
        ],
        client_max_size=BYTES_MAX,
    )
    site[GATEWAY] = gateway
    site[DESCRIPTION] = Description(OPERATIONS)
    site.on_response_prepare.append(add_headers)
    for operation in OPERATIONS:
        endpoint = Endpoint(operation, gateway)
        if operation.method == "GET":
            site.router.add_get(operation.path, endpoint.serve)  # HEAD too
        else:
            site.router.add_route(operation.method, operation.path, endpoint.serve)
    add_archive_route(site, gateway, through=object_gate(gateway.rates))
    add_console(site, gateway)
    return site
