"""A request with two ``Expect`` headers: the second one counts as much as the first."""

import pytest

from tests.support.http_gateway import Face
from tests.support.raw_connections import raw

HEAD = "GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"


@pytest.mark.parametrize("second", ["tea", ""])
async def test_a_second_expectation_that_is_unknown_is_refused(face: Face, second: str) -> None:
    async with raw(str(face.client.make_url("/"))) as connection:
        await connection.send(f"{HEAD}Expect: 100-continue\r\nExpect: {second}\r\n\r\n".encode())
        assert b"HTTP/1.1 417" in await connection.rest()
