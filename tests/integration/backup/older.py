"""Data folder with a database of an older PostgreSQL: the newest older version on this machine."""

import os
from pathlib import Path

import pytest

from sql.database import Database
from sql.migrate import migrate
from supervisors.engines.engine_account import EngineAccount, engine_account
from supervisors.engines.postgres import INITDB_STOP, SUPERUSER, EmbeddedPostgres
from supervisors.engines.postgres_tools import DEBIAN, major_of
from supervisors.engines.secret import write_private
from supervisors.engines.tethered_process import Command, run_once
from tests.integration.conformance.conftest import sql_stage
from tests.integration.sql.test_fsck import some_of_everything

OURS = 18


def older_programs() -> Path:
    """Return the folder of the older PostgreSQL's programs; if none exists, skip the test, but fail
    in CI.
    """
    found = {major_of(folder / "postgres") or 0: folder for folder in sorted(DEBIAN.glob("*/bin"))}
    older = [major for major in found if 0 < major < OURS]
    if not older:
        why = "there is no older PostgreSQL: on a Debian `apt-get install postgresql` brings one"
        assert "CI" not in os.environ, why
        pytest.skip(why)
    return found[max(older)]


class OlderPostgres(EmbeddedPostgres):
    """A PostgreSQL cluster that the older programs make and run, instead of the package's
    programs.
    """

    def __init__(self, data: Path, *, account: EngineAccount | None, programs: Path) -> None:
        super().__init__(data, account=account)
        self._programs = self._bin = programs

    async def prepare(self, lock: int) -> None:
        self.read_passwords()
        if self.cluster.exists():
            return
        self.folder.give("pg")
        password = self.folder.path / "password"
        text = (self.folder.secrets / SUPERUSER).read_text("ascii")
        write_private(password, text, self.folder.owned())
        words = [f"--pgdata={self.cluster}", f"--username={SUPERUSER}", f"--pwfile={password}"]
        words += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
        command = Command([self._bin / "initdb", *words], INITDB_STOP)
        await run_once(self.folder, command, lock, within=120)


async def older_database(data: Path) -> int:
    """Make a migrated database with rows in the data folder; return the server's major version."""
    programs = older_programs()
    engine = OlderPostgres(data, account=engine_account(), programs=programs)
    endpoint = await engine.start()
    try:
        await migrate(endpoint.owner_dsn)
        pool = Database(lambda: endpoint.app_dsn)
        await some_of_everything(sql_stage(pool))
        await pool.close()
    finally:
        await engine.stop()
    found = major_of(programs / "postgres")
    assert found is not None
    return found
