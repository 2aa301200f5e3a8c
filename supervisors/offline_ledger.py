"""A Ledger for a command, beside the Ledgers of running gateways."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from actors.kernel import Ref
from actors.ledger.actor import LedgerActor
from actors.ledger.messages import Ledger
from sql.database import Database
from sql.store import SqlStore
from supervisors.child import Child
from supervisors.engines.system_clock import SystemClock, SystemRandom
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor


@asynccontextmanager
async def offline_ledger(database: Database) -> AsyncGenerator[Ref[Ledger]]:
    """Yield a Ledger; locks in the database isolate it from the Ledgers of gateways."""
    ref = Ref[Ledger]("ledger")
    ledger = Child(
        "ledger", lambda: LedgerActor(SqlStore(database), SystemClock(), SystemRandom()), ref=ref
    )
    books = Supervisor("Books", Strategy.ONE_FOR_ONE, Intensity(1, 30), [ledger])
    await books.start()
    try:
        yield ref
    finally:
        await books.stop()
