"""The database for a command: the database of a running gateway, or an embedded one that is started
for the command.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from supervisors.engines.engine_account import engine_account
from supervisors.engines.free_ports import LOOPBACK, fits_unix_socket, read_ports
from supervisors.engines.postgres import (
    APPLICATION,
    DATABASE,
    OWNER,
    UNIX_PORT,
    EmbeddedPostgres,
    PostgresEndpoint,
    dsn,
)
from supervisors.engines.remote import check_postgres


@asynccontextmanager
async def embedded_database(data: Path) -> AsyncGenerator[PostgresEndpoint]:
    """Yield the database in ``data``.

    Raises EngineError if the database neither runs nor starts.
    """
    running = kept_endpoint(data)
    if running is not None and await check_postgres(running) is None:
        yield running
        return
    engine = EmbeddedPostgres(data, account=engine_account())
    endpoint = await engine.start()
    try:
        yield endpoint
    finally:
        await engine.stop()


def kept_endpoint(data: Path) -> PostgresEndpoint | None:
    """Return the database endpoint for this data folder; None if the database never ran."""
    folder = data / "postgres"
    try:
        passwords = {
            role: (folder / "secrets" / role).read_text("ascii").strip()
            for role in (OWNER, APPLICATION)
        }
    except FileNotFoundError:
        return None
    sockets = folder.absolute() / "run"
    address = (str(sockets), UNIX_PORT)
    if not fits_unix_socket(sockets / f".s.PGSQL.{UNIX_PORT}.lock"):
        address = (LOOPBACK, read_ports(folder / "ports").get("postgres", 0))
    return PostgresEndpoint(
        owner_dsn=dsn(address, OWNER, passwords[OWNER], DATABASE),
        app_dsn=dsn(address, APPLICATION, passwords[APPLICATION], DATABASE),
    )
