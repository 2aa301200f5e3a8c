"""Every route of a whole gateway has a declared audience and rate limit."""

from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from config.loader import load
from tests.support.engines import engine_folder
from tests.support.http_gateway import SECRET
from web.app import build, site_of
from web.console.page_handler import PathHandler
from web.http.endpoint import Endpoint
from web.http.operations import Audience
from web.http.rate_gate import RateGate
from web.http.rate_limits import RATES
from web.nodes.relay import Relay


@pytest.fixture(scope="module")
def site() -> Iterator[web.Application]:
    """Build the application as it is served, without starting it."""
    with engine_folder() as folder:
        data, off = str(folder / "data"), {"enabled": False}
        settings = load(overrides={"data": data, "jwt": {"secret": SECRET}, "verification": off})
        application = build(settings)

        async def nobody(*_: Any) -> Any:
            raise AssertionError("nothing is served")

        relay = Relay(application.gateway, nobody)
        yield site_of(application.gateway, relay, application.outside)
        application.gateway.identity.passwords.close()


def declared(route: web.AbstractRoute) -> tuple[Any, Any] | None:
    """Return audience and rate limit of the handler that serves the route."""
    owner = getattr(route.handler, "__self__", None)
    if isinstance(owner, Endpoint):
        return owner.operation.audience, owner.operation.rate
    return (owner.audience, owner.rate) if isinstance(owner, RateGate | PathHandler) else None


def test_every_route_has_an_audience_and_a_limit(site: web.Application) -> None:
    routes = list(site.router.routes())
    assert len(routes) > 60
    paths = {route.resource.canonical for route in routes if route.resource is not None}
    assert {"/api/v1/relay/ws/{node_id}", "/rendertrust/{key}", "/metrics"} <= paths
    for route in routes:
        found = declared(route)
        assert found is not None, f"{route} is served past the limits"
        assert found[0] in Audience, route
        assert found[1] in RATES, route
