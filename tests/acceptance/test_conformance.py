"""The gateway passes the conformance suite, and the suite detects a gateway that does not
conform.
"""

import asyncio
import os
from asyncio.subprocess import PIPE, STDOUT

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from tests.acceptance.conformance.shapes import CREDITS, UUID, differences
from tests.support import programs
from tests.support.lent_engines import StartGateway

# The limits of production, which the suite must not exceed.
LIMITS = {
    "RENDERTRUST_LIMITS_LOGIN": "5",
    "RENDERTRUST_LIMITS_REFRESH": "3",
    "RENDERTRUST_LIMITS_REGISTER": "10",
    "RENDERTRUST_LIMITS_NODE": "60",
}


async def conformance(*words: str) -> tuple[int, str]:
    suite = "tests.acceptance.conformance"
    process = await programs.start(suite, *words, env=os.environ, stdout=PIPE, stderr=STDOUT)
    async with asyncio.timeout(120):
        output, _ = await process.communicate()
    return await process.wait(), output.decode()


async def test_a_gateway_with_the_limits_of_production_keeps_the_reference(
    start_gateway: StartGateway,
) -> None:
    async with start_gateway(**LIMITS) as gateway:
        code, table = await conformance(gateway.url, "--limits")
    assert code == 0, table
    assert " 0 failed" in table
    assert "too many logins → 429" in table


async def test_something_else_is_not_taken_for_a_gateway(aiohttp_server: AiohttpServer) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"status": "fine"})

    site = web.Application()
    site.router.add_route("*", "/{path:.*}", answer)
    server = await aiohttp_server(site)
    code, table = await conformance(str(server.make_url("/")))
    assert code == 1, table
    assert "status is 'fine'" in table
    assert "the rest was not reached" in table


async def test_where_nobody_answers_is_told() -> None:
    code, table = await conformance("http://127.0.0.1:1")
    assert code == 1
    assert "the rest was not reached" in table


@pytest.mark.parametrize(
    ("found", "shape", "wrong"),
    [
        ({"a": 1, "more": 2}, {"a": int}, []),
        ({}, {"a": int}, ["a is missing"]),
        ({"a": None}, {"a": str}, ["a is None"]),
        ({"a": True}, {"a": int}, ["a is True"]),
        ({"a": 1}, {"a": True}, ["a is 1"]),
        ({"a": "10.00"}, {"a": CREDITS}, ["a is '10.00'"]),
        ({"a": 10.0}, {"a": CREDITS}, ["a is 10.0"]),
        ({"a": [{"id": "1"}]}, {"a": [{"id": UUID}]}, ["a[0].id is '1'"]),
        ({"a": {}}, {"a": [int]}, ["a is {}"]),
        ([1], [], ["body is [1]"]),
        ("b", ("a", "b"), []),
        ("c", ("a", "b"), ["body is 'c'"]),
    ],
)
def test_differences_are_told_by_their_place(
    found: object, shape: object, wrong: list[str]
) -> None:
    assert differences(found, shape) == wrong
