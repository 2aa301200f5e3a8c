"""The OpenAPI description and its pages, as the gateway serves them."""

import pytest
from aiohttp import web
from openapi_spec_validator import validate

from tests.support.http_gateway import Face
from web.nodes.relay import PATH as RELAY
from web.objects import archives
from web.routes import OPERATIONS


async def test_the_description_is_served_and_kept_by_its_etag(face: Face) -> None:
    async with face.client.get("/openapi.json") as answer:
        assert answer.content_type == "application/json"
        assert answer.headers["Cache-Control"] == "no-cache"
        validate(await answer.json())
        etag = answer.headers["ETag"]
    for known, status in ((etag, 304), (f'"other", {etag}', 304), ('"other"', 200)):
        headers = {"If-None-Match": known}
        async with face.client.get("/openapi.json", headers=headers) as answer:
            assert (answer.status, answer.headers["ETag"]) == (status, etag)


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_a_page_allows_nothing_inline_and_nothing_from_elsewhere(
    face: Face, path: str
) -> None:
    async with face.client.get(path) as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "blob:" not in policy


async def test_a_pages_files_are_served_with_their_types(face: Face) -> None:
    types = {".js": "text/javascript", ".css": "text/css"}
    for operation in OPERATIONS:
        if not operation.hidden:
            continue
        async with face.client.get(operation.path) as answer:
            assert answer.status == 200
            assert answer.content_type == types[operation.path[operation.path.rindex(".") :]]
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
    async with face.client.get("/documentation/manifest.json") as answer:
        assert answer.status == 404


async def test_every_route_is_an_operation(face: Face) -> None:
    """The relay is described separately; archives, which act like object URLs, and the pages for
    browsers are not part of the API.
    """
    site = face.client.app
    assert isinstance(site, web.Application)
    routes = {
        (route.method, route.resource.canonical)
        for route in site.router.routes()
        if route.resource is not None and route.method != "HEAD"
        if not route.resource.canonical.startswith(("/console", "/setup"))
    }
    declared = {(operation.method, operation.path) for operation in OPERATIONS}
    pages = ("/", "/pricing", "/download", "/help", "/help/{path}")
    assert routes - {("GET", path) for path in (*pages, RELAY, archives.PATH)} == declared
