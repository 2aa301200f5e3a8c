"""Refuse requests with unreliable headers before a handler reads them."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from web.http.problem import Problem
from web.http.public_host import is_host
from web.http.refusal_code import RefusalCode
from web.http.responses import refusal

HOST_REFUSED: Final = Problem(
    400, "The Host header is not a valid host and port", code=RefusalCode.HOST_INVALID
)
CODING_REFUSED: Final = Problem(
    400, "Transfer-Encoding must be chunked and nothing else", code=RefusalCode.HTTP_INVALID
)
EXPECTATION_REFUSED: Final = Problem(
    417, "Expect must be 100-continue", code=RefusalCode.EXPECTATION_FAILED
)

Serve: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@web.middleware
async def request_heads(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 400 to a Host that cannot be signed for, and to an unsupported transfer coding.

    aiohttp checks only the first ``Expect`` header. Here an unknown value in any ``Expect`` header
    is answered with 417. HTTP/1.0 may omit Host; the parser has checked that neither Host nor
    Transfer-Encoding is repeated.
    """
    host = request.headers.get(hdrs.HOST)
    if host is not None and not is_host(host):
        return refusal(request, HOST_REFUSED)
    coding = request.headers.get(hdrs.TRANSFER_ENCODING, "chunked")
    if coding.strip().lower() != "chunked":
        return refusal(request, CODING_REFUSED)
    if any(each.lower() != "100-continue" for each in request.headers.getall(hdrs.EXPECT, ())):
        return refusal(request, EXPECTATION_REFUSED)
    return await handler(request)


def with_expectations(serve: Serve) -> Serve:
    """Wrap ``serve`` to answer an unknown ``Expect``, for which aiohttp raises before any
    middleware runs.
    """

    async def served(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await serve(request)
        except web.HTTPExpectationFailed:
            return refusal(request, EXPECTATION_REFUSED)

    return served
