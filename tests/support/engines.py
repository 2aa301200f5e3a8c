"""Fixtures of the real engines, which start once per test run when a test first requests them.

The engines run in an event loop in a separate thread, so tests with and without a loop can use
them. The fixture ``database`` gives each test a fresh database.
"""

import asyncio
import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Coroutine, Generator, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from sql.migrate import migrate
from supervisors.engines.anvil import ChainEndpoint, EmbeddedAnvil
from supervisors.engines.engine_account import engine_account
from supervisors.engines.objects_endpoint import ObjectsEndpoint
from supervisors.engines.postgres import EmbeddedPostgres, PostgresEndpoint
from supervisors.engines.seaweedfs import EmbeddedObjects
from supervisors.engines.valkey import EmbeddedValkey, ValkeyEndpoint
from tests.support.databases import Databases, execute, with_database

T = TypeVar("T")
START_SECONDS = 60.0
MIGRATED = "migrated"
PREFIX, LOCK = "engines-", "run.lock"
SHARED_MEMORY, MEMORY_LEAST = Path("/dev/shm"), 8 << 30
# The clusters live for one run, so durability is off. Autovacuum is off because the owner of a
# database may not end its workers, which would block dropping the database.
UNDURABLE = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
}


class LoopThread:
    """An event loop in a thread; ``run`` executes a coroutine there and returns its value."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="engines", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, T], *, within: float = START_SECONDS) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(within)

    def close(self) -> None:
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_SECONDS)
        self._loop.close()


def memory_folder() -> str | None:
    """Return a folder in memory if it has room, else None.

    In memory, creating and dropping databases takes a third of the time.
    """
    told = Path("/proc/meminfo")
    if not (SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK) and told.exists()):
        return None
    free = shutil.disk_usage(SHARED_MEMORY).free
    [available] = re.findall(r"MemAvailable: +(\d+) kB", told.read_text())
    is_large = min(free, int(available) << 10) >= MEMORY_LEAST
    return str(SHARED_MEMORY) if is_large else None


@contextlib.contextmanager
def engine_folder(parent: str | None = None) -> Generator[Path]:
    """Create a data folder that the engines' account can enter, and remove it afterwards.

    First remove the folders of killed test runs, because each folder may take a gigabyte of memory.
    Folders of pytest itself are not accessible to another account.
    """
    parent = parent or memory_folder() or tempfile.gettempdir()
    for folder in Path(parent).glob(f"{PREFIX}*"):
        remove_if_abandoned(folder)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    folder.chmod(0o711)
    new = folder / "new"
    with new.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # The file gets its name once it is locked, because other test runs try to lock LOCK files.
        new.rename(folder / LOCK)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def remove_if_abandoned(folder: Path) -> None:
    """Remove the data folder if the test run that made it has ended."""
    with contextlib.suppress(OSError), (folder / LOCK).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while that run lives
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def engine_loop() -> Iterator[LoopThread]:
    """The event loop in which the run's engines live."""
    thread = LoopThread()
    yield thread
    thread.close()


@pytest.fixture(scope="session")
def engine_data() -> Iterator[Path]:
    """The data folder of the run's engines."""
    with engine_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres_endpoint(engine_loop: LoopThread, engine_data: Path) -> Iterator[PostgresEndpoint]:
    """The run's PostgreSQL, with DSNs of owner and app; its database ``rendertrust`` is empty."""
    engine = EmbeddedPostgres(engine_data, account=engine_account(), settings=UNDURABLE)
    yield engine_loop.run(engine.start())
    engine_loop.run(engine.stop())


@pytest.fixture(scope="session")
def valkey_endpoint(engine_loop: LoopThread, engine_data: Path) -> Iterator[ValkeyEndpoint]:
    """The run's Valkey; tests share it, so each test must use its own topics and keys."""
    engine = EmbeddedValkey(engine_data, account=engine_account())
    yield engine_loop.run(engine.start())
    engine_loop.run(engine.stop())


@pytest.fixture(scope="session")
def objects_endpoint(engine_loop: LoopThread, engine_data: Path) -> Iterator[ObjectsEndpoint]:
    """The run's object store; tests share its bucket, so each test must use its own keys."""
    engine = EmbeddedObjects(engine_data, account=engine_account())
    yield engine_loop.run(engine.start())
    engine_loop.run(engine.stop())


@pytest.fixture(scope="session")
def anvil(engine_loop: LoopThread, engine_data: Path) -> Iterator[ChainEndpoint]:
    """The run's EVM node; tests share the node, so each test must deploy its own contract."""
    engine = EmbeddedAnvil(engine_data, account=engine_account())
    yield engine_loop.run(engine.start(within=200), within=220)
    engine_loop.run(engine.stop())


@pytest.fixture(scope="session")
def database_template() -> str:
    """The template that ``database`` copies; override it to have a schema in every database."""
    return "template1"


@pytest.fixture(scope="session")
def migrated_database(engine_loop: LoopThread, postgres_endpoint: PostgresEndpoint) -> str:
    """The name of a template database with the newest schema; each worker has one."""
    owner = postgres_endpoint.owner_dsn
    engine_loop.run(execute(owner, f"CREATE DATABASE {MIGRATED}"))
    engine_loop.run(migrate(with_database(owner, MIGRATED)))
    return MIGRATED


@pytest.fixture(scope="session")
def databases(engine_loop: LoopThread, postgres_endpoint: PostgresEndpoint) -> Iterator[Databases]:
    """The pool from which ``database`` takes its copies."""
    made = Databases(postgres_endpoint)
    yield made
    engine_loop.run(made.close())


@pytest.fixture
def database(
    engine_loop: LoopThread, databases: Databases, database_template: str
) -> Iterator[PostgresEndpoint]:
    """A fresh database for one test; it and its connections are dropped afterwards."""
    fresh = engine_loop.run(databases.take(database_template))
    yield fresh
    engine_loop.run(databases.drop(fresh))
