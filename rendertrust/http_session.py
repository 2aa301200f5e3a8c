"""HTTP sessions of nodes and clients."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import aiohttp

USUAL: Final = aiohttp.ClientTimeout(total=300, sock_connect=30)
PLAIN: Final = {"Accept-Encoding": "identity"}
NO_MORE: Final[Mapping[str, str]] = MappingProxyType({})


def http_session(
    *,
    headers: Mapping[str, str] = NO_MORE,
    middlewares: Sequence[aiohttp.ClientMiddlewareType] = (),
    timeout: aiohttp.ClientTimeout = USUAL,
) -> aiohttp.ClientSession:
    """Return a session that asks for uncompressed bodies and decodes no compressed body.

    An object store sends the Content-Encoding that an object's uploader named. Decoding would
    change the bytes whose hash is checked.
    """
    return aiohttp.ClientSession(
        auto_decompress=False,
        headers={**PLAIN, **headers},
        middlewares=middlewares,
        timeout=timeout,
    )
