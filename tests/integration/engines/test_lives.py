"""Life of one engine in this process: unexpected ends, and leftovers of earlier runs."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from actors.kernel import State
from supervisors.engines.current_endpoint import CurrentEndpoint
from supervisors.engines.engine_account import EngineAccount, engine_account
from supervisors.engines.engine_actor import engine_child
from supervisors.engines.errors import EngineError, FolderClosed, OtherMajor
from supervisors.engines.objects_endpoint import ObjectsEndpoint
from supervisors.engines.postgres import EmbeddedPostgres, PostgresEndpoint
from supervisors.engines.remote import RemoteEngine, remote_objects, remote_postgres, remote_valkey
from supervisors.engines.seaweedfs import EmbeddedObjects
from supervisors.engines.valkey import EmbeddedValkey, ValkeyEndpoint
from supervisors.restart_policy import Intensity, Strategy
from supervisors.supervisor import Supervisor
from tests.support.databases import execute
from tests.support.engines import engine_folder
from tests.support.until import until

DEAD = "postgresql://a@127.0.0.1:9/x"
KINDS = (EmbeddedPostgres, EmbeddedValkey, EmbeddedObjects)
AnyEngine = EmbeddedPostgres | EmbeddedValkey | EmbeddedObjects


@pytest.fixture
def data() -> Iterator[Path]:
    with engine_folder() as folder:
        yield folder


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
async def engine(request: pytest.FixtureRequest, data: Path) -> AsyncIterator[AnyEngine]:
    """Yield an engine of each kind, not started; stop it after the test."""
    made: AnyEngine = request.param(data, account=engine_account())
    yield made
    await made.stop()


async def test_a_killed_engine_is_noticed_and_starts_again(engine: AnyEngine) -> None:
    await engine.start()
    os.kill(engine.pid, signal.SIGKILL)
    assert await engine.exited() == 128 + signal.SIGKILL
    await engine.stop()
    await engine.start()


async def test_an_engine_ends_with_its_tether(engine: AnyEngine) -> None:
    await engine.start()
    process = psutil.Process(engine.pid)
    tether = process.parent()
    assert tether is not None
    tether.kill()
    await engine.exited()
    await engine.stop()
    await until(lambda: not process.is_running())
    await engine.start()


async def test_programs_out_of_reach_are_copied_into_the_data_folder(
    engine: AnyEngine, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_self: EngineAccount, program: Path) -> bool:
        return False

    monkeypatch.setattr(EngineAccount, "can_run", never)
    await engine.start()
    if engine.folder.account is not None:
        program = Path(psutil.Process(engine.pid).exe())
        assert data / "programs" in program.parents


async def test_a_supervisor_restarts_an_engine_that_ended(data: Path) -> None:
    current: CurrentEndpoint[ValkeyEndpoint] = CurrentEndpoint()
    engine = EmbeddedValkey(data, account=engine_account())
    child = engine_child(engine, current)
    tree = Supervisor("Engines", Strategy.ONE_FOR_ONE, Intensity(5, 30.0), [child])
    await tree.start()
    first = engine.pid
    assert current.get().url
    os.kill(first, signal.SIGKILL)
    await until(lambda: engine.pid not in (0, first))
    await until(lambda: tree.snapshot().children[0].state is State.RUNNING)
    assert tree.snapshot().children[0].restarts == 1
    await tree.stop()
    assert engine.pid == 0


async def test_a_pid_file_that_names_another_process_of_the_same_user(data: Path) -> None:
    engine = EmbeddedPostgres(data, account=engine_account())
    await engine.start()
    os.kill(engine.pid, signal.SIGKILL)
    await engine.exited()
    await engine.stop()
    account = engine.folder.account
    other = await asyncio.create_subprocess_exec(
        "sleep", "60", user=account.uid if account else None, cwd="/"
    )
    pid_file = engine.cluster / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
    await engine.start(within=30.0)
    await engine.stop()
    other.kill()
    await other.wait()


async def test_a_cluster_of_another_major_is_told_in_one_line(data: Path) -> None:
    engine = EmbeddedPostgres(data, account=engine_account())
    await engine.start()
    await engine.stop()
    (engine.cluster / "PG_VERSION").write_text("17\n")
    with pytest.raises(OtherMajor, match="made by PostgreSQL 17, and this gateway has PostgreSQL"):
        await engine.start()


async def test_an_engine_that_cannot_start_says_why(data: Path) -> None:
    class Hasty(EmbeddedPostgres):
        recovery_seconds = 0.5

    engine = Hasty(data, account=engine_account(), settings={"shared_buffers": "nonsense"})
    with pytest.raises(EngineError, match="shared_buffers"):
        await engine.start()


async def test_a_closed_parent_folder_is_named(data: Path) -> None:
    closed = data / "closed"
    closed.mkdir(mode=0o700)
    account = EngineAccount("somebody", 54_321, 54_321)
    engine = EmbeddedValkey(closed / "data", account=account)
    with pytest.raises(FolderClosed, match=f"{closed} is closed to the user somebody"):
        await engine.start()
    assert not (closed / "data").exists()


async def test_remote_engines_are_checked_and_nothing_is_started(
    postgres_endpoint: PostgresEndpoint,
    valkey_endpoint: ValkeyEndpoint,
    objects_endpoint: ObjectsEndpoint,
) -> None:
    before = set(psutil.Process().children())  # not the children of PostgreSQL: they come and go
    postgres = remote_postgres(postgres_endpoint.owner_dsn, postgres_endpoint.app_dsn)
    assert await postgres.start() == postgres_endpoint
    assert await remote_valkey(valkey_endpoint.url).start() == valkey_endpoint
    assert await remote_objects(objects_endpoint).start() == objects_endpoint
    assert set(psutil.Process().children()) <= before
    await postgres.stop()


@pytest.mark.parametrize(
    "remote",
    [
        remote_postgres("postgresql://a:hushhush@127.0.0.1:9/x", "postgresql://127.0.0.1:9/x"),
        remote_valkey("redis://:hushhush@127.0.0.1:9"),
        remote_objects(ObjectsEndpoint("http://127.0.0.1:9", "key", "hushhush")),
    ],
    ids=lambda remote: remote.name,
)
async def test_a_remote_engine_that_is_away_is_told_without_its_password(
    remote: RemoteEngine[object], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with pytest.raises(EngineError, match=cannot_be_used(remote.name)) as raised:
        await remote.start(within=0.5)
    assert "hushhush" not in str(raised.value) + caplog.text
    assert f"waiting up to 0.5 s for the remote {remote.name} at 127.0.0.1:9" in caplog.text


def cannot_be_used(name: str) -> str:
    return f"the remote {name} at 127.0.0.1:9 cannot be used"


async def test_a_remote_engine_is_waited_for_as_long_as_the_settings_say() -> None:
    remote = remote_postgres(DEAD, DEAD, patience=0.2)
    async with asyncio.timeout(60):
        with pytest.raises(EngineError, match=cannot_be_used("postgres")):
            await remote.start(within=120.0)


async def test_a_remote_store_that_refuses_our_key(objects_endpoint: ObjectsEndpoint) -> None:
    wrong = ObjectsEndpoint(objects_endpoint.url, objects_endpoint.access_key, "wrong")
    with pytest.raises(EngineError, match="does not serve the bucket"):
        await remote_objects(wrong).start(within=1.0)


async def test_acknowledged_rows_survive_the_kill_of_postgres(data: Path) -> None:
    engine = EmbeddedPostgres(data, account=engine_account())
    endpoint = await engine.start()
    await execute(endpoint.owner_dsn, "CREATE TABLE marks AS SELECT 1 AS mark")
    os.kill(engine.pid, signal.SIGKILL)
    await engine.exited()
    await engine.stop()
    again = await engine.start()
    assert again == endpoint
    await execute(again.owner_dsn, "DROP TABLE marks")
    await engine.stop()
