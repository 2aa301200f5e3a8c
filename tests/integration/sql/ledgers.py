"""Helpers that run a gateway's Ledger actor over a database for tests with many clients."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from actors.kernel import Ref
from actors.ledger.actor import LedgerActor
from actors.ledger.messages import Commit, Ledger, Outcome
from sql.database import Database
from sql.store import SqlStore
from supervisors.child import Child
from supervisors.engines.system_clock import SystemClock, SystemRandom
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor

ANSWER_SECONDS = 20.0  # requests wait two seconds; a busy machine takes longer


@asynccontextmanager
async def running_ledger(database: Database, store: Any = None) -> AsyncGenerator[Ref[Ledger]]:
    """Run one gateway's Ledger until the block ends, over the database or a store over it."""
    store, ref = store or SqlStore(database), Ref[Ledger]("ledger", capacity=20_000)
    child = Child("ledger", lambda: LedgerActor(store, SystemClock(), SystemRandom()), ref=ref)
    tree = Supervisor("Books", Strategy.ONE_FOR_ONE, Intensity(5, 30), [child])
    await tree.start()
    try:
        yield ref
    finally:
        await tree.stop()


async def ask_ledger(ledger: Ref[Ledger], commit: Commit) -> Outcome:
    """Ask the Ledger to do a commit, and return its outcome."""
    return await ledger.ask(commit, within=ANSWER_SECONDS)
