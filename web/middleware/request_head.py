"""Refusals of requests with unreliable headers, before a handler reads them."""

from typing import Final

from aiohttp import hdrs, web

from rendertrust.api.refusal_code import RefusalCode
from web.http.problem import Problem
from web.http.public_host import is_host

HOST_REFUSED: Final = Problem(
    400, "The Host header is not a valid host and port", code=RefusalCode.HOST_INVALID
)
CODING_REFUSED: Final = Problem(
    400, "Transfer-Encoding must be chunked and nothing else", code=RefusalCode.HTTP_INVALID
)
EXPECTATION_REFUSED: Final = Problem(
    417, "Expect must be 100-continue", code=RefusalCode.EXPECTATION_FAILED
)


def refusal_of_head(request: web.BaseRequest) -> Problem | None:
    """Return 400 for a Host that cannot be signed for, and for an unsupported transfer coding.

    aiohttp checks only the first ``Expect`` header. Here an unknown value in any ``Expect`` header
    is answered with 417. HTTP/1.0 may omit Host; the parser has checked that neither Host nor
    Transfer-Encoding is repeated.
    """
    headers = request.headers
    host, coding = headers.get(hdrs.HOST), headers.get(hdrs.TRANSFER_ENCODING)
    if host is not None and not is_host(host):
        return HOST_REFUSED
    if coding is not None and coding.strip().lower() != "chunked":
        return CODING_REFUSED
    if hdrs.EXPECT in headers and any(
        each.lower() != "100-continue" for each in headers.getall(hdrs.EXPECT)
    ):
        return EXPECTATION_REFUSED
    return None
