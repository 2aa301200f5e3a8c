"""A JSON response is written in one piece, with the headers of all responses."""

from unittest.mock import Mock

import pytest
from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.http_writer import HttpVersion
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from web.http.rate_limits import RATE_STATE, RateState
from web.http.responses import ALWAYS, REQUEST_ID, JsonResponse

BODY = b'{"status":"healthy"}'


def asked(method: str = "GET", version: HttpVersion = HttpVersion11, **headers: str) -> web.Request:
    transport = Mock()
    transport.is_closing.return_value = False
    given = CIMultiDict(headers)
    request = make_mocked_request(method, "/health", given, version=version, transport=transport)
    request.writer.drain.side_effect = nothing  # type: ignore[attr-defined]
    return request


async def nothing() -> None:
    """Return at once, as for a client that reads."""


async def sent(request: web.Request, response: JsonResponse) -> tuple[str, list[str], bytes]:
    """Send the response; return its status line, its header lines and its body."""
    await response.prepare(request)
    await response.write_eof()
    transport: Mock = request.transport  # type: ignore[assignment]
    transport.write.assert_called_once()
    head, _, body = transport.write.call_args[0][0].partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return status, [line for line in lines if not line.startswith("Date: ")], body


async def test_head_and_body_are_written_at_once() -> None:
    request = asked()
    request[REQUEST_ID] = "0123456789abcdef"
    request[RATE_STATE] = RateState(limit=10, remaining=9, seconds=60)
    response = JsonResponse(200, BODY)
    assert not response.prepared
    status, lines, body = await sent(request, response)
    assert response.prepared
    assert (status, body) == ("HTTP/1.1 200 OK", BODY)
    assert lines == [
        "Content-Type: application/json",
        "Content-Length: 20",
        "Server: rendertrust",
        *(f"{name}: {value}" for name, value in ALWAYS.items()),
        "RateLimit-Limit: 10",
        "RateLimit-Remaining: 9",
        "RateLimit-Reset: 60",
        "X-Request-ID: 0123456789abcdef",
    ]


async def test_a_head_request_gets_the_length_alone() -> None:
    _, lines, body = await sent(asked("HEAD"), JsonResponse(200, BODY))
    assert "Content-Length: 20" in lines
    assert body == b""


async def test_headers_and_cookies_of_a_response_are_kept() -> None:
    response = JsonResponse(200, BODY, {"Cache-Control": "no-cache", "Retry-After": "5"})
    response.headers["X-More"] = "1"
    response.set_cookie("a", "1")
    response.set_cookie("b", "2", httponly=True)
    _, lines, _ = await sent(asked(), response)
    assert {"Cache-Control: no-cache", "Retry-After: 5", "X-More: 1"} <= set(lines)
    assert {"Set-Cookie: a=1; Path=/", "Set-Cookie: b=2; HttpOnly; Path=/"} <= set(lines)
    names = [line.partition(":")[0] for line in lines if not line.startswith("Set-Cookie")]
    assert len(names) == len(set(names))
    assert {str(name) for name in ALWAYS} <= set(names)


@pytest.mark.parametrize(
    ("version", "asks", "says"),
    [
        (HttpVersion11, "keep-alive", []),
        (HttpVersion11, "close", ["Connection: close"]),
        (HttpVersion10, "close", []),
    ],
)
async def test_the_end_of_a_connection_is_named_to_http_1_1(
    version: HttpVersion, asks: str, says: list[str]
) -> None:
    response = JsonResponse(200, BODY)
    if asks == "close":
        response.force_close()
    request = asked(version=version, Connection=asks)
    _, lines, _ = await sent(request, response)
    assert [line for line in lines if line.startswith("Connection")] == says
    assert response.keep_alive is (asks == "keep-alive")


async def test_a_control_character_in_a_header_is_refused() -> None:
    request = asked()
    with pytest.raises(ValueError, match="control character"):
        await JsonResponse(200, BODY, {"X-More": "1\r\nX-Forged: 1"}).prepare(request)
    request.transport.write.assert_not_called()  # type: ignore[union-attr]


async def test_nothing_is_written_to_a_client_that_has_gone() -> None:
    request = asked()
    request.transport.is_closing.return_value = True  # type: ignore[union-attr]
    with pytest.raises(ConnectionError):
        await JsonResponse(200, BODY).prepare(request)
