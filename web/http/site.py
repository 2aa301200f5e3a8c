"""The aiohttp application: every operation behind the middleware."""

from aiohttp import web

from web.console.site import add_console
from web.gateway import GATEWAY, Gateway
from web.http.document import BYTES_MAX
from web.http.endpoint import Endpoint
from web.middleware.headers import add_headers
from web.middleware.measures import measures
from web.middleware.notes import notes
from web.middleware.problems import problems
from web.middleware.request_head import request_heads
from web.middleware.request_id import request_ids
from web.middleware.seats import callers, seats
from web.objects.archives import add_archive_route
from web.objects.objects_route import object_gate
from web.openapi.description import DESCRIPTION, Description
from web.routes import OPERATIONS


def build_site(gateway: Gateway) -> web.Application:
    """A fresh application; it can be started and stopped once."""
    trusted = gateway.settings.server.proxies()
    site = web.Application(
        middlewares=[
            notes(request_ids(gateway.random, trusted), callers(trusted)),
            measures(gateway.clock, logged=gateway.settings.logs.access),
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
