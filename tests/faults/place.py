"""Addresses of engines, and the same addresses through a proxy on a local port."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

import attrs

if TYPE_CHECKING:
    from tests.faults.proxy import Proxy

Ends: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@attrs.frozen
class Place:
    """A host and port, or the path of a Unix socket."""

    host: str = ""
    port: int = 0
    path: Path | None = None

    async def open(self) -> Ends:
        if self.path is not None:
            return await asyncio.open_unix_connection(self.path)
        return await asyncio.open_connection(self.host, self.port)


def of_postgres(dsn: str) -> Place:
    """Return the address of a database; ``host`` in the DSN may be the folder of its socket."""
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    if "host" in query:
        folder, port = query["host"][0], query.get("port", ["5432"])[0]
        return Place(path=Path(folder) / f".s.PGSQL.{port}")
    return Place(parts.hostname or "", parts.port or 5432)


def of_redis(url: str) -> Place:
    """Return the address of a Redis or Valkey server."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return Place(path=Path(unquote(parts.path)))
    return Place(parts.hostname or "", parts.port or 6379)


def of_http(url: str) -> Place:
    """Return the address of an HTTP server."""
    parts = urlsplit(url)
    return Place(parts.hostname or "", parts.port or 80)


def postgres_by(proxy: "Proxy", dsn: str) -> str:
    """Return the database's DSN with the proxy's address."""
    return _through(proxy, dsn, query="sslmode=disable")


def redis_by(proxy: "Proxy", url: str) -> str:
    """Return the server's URL with the proxy's address."""
    return _through(proxy, url, scheme="redis", path="/0")


def http_by(proxy: "Proxy", url: str) -> str:
    """Return the server's URL with the proxy's address."""
    return _through(proxy, url)


def _through(proxy: "Proxy", url: str, **changes: str) -> str:
    parts = urlsplit(url)
    login, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login}{at}127.0.0.1:{proxy.port}", **changes))
