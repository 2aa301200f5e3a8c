"""A PostgreSQL cluster on disk: program arguments, pid file and connection strings."""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

# fsync and synchronous_commit keep their default, on.
SETTINGS = {
    "max_connections": "100",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    # Shared memory in files of the cluster: /dev/shm may be too small.
    "dynamic_shared_memory_type": "mmap",
    # No statements in the log, as they may contain secrets.
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    "max_wal_senders": "0",
    "wal_level": "minimal",
}

Address = tuple[str, int]  # folder of the unix socket or host, and port


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
    """Return process id and status (``starting``, ``ready``, …) of the pid file, or None."""
    try:
        lines = (cluster / "postmaster.pid").read_text("utf-8", "replace").splitlines()
        return int(lines[0]), lines[7].strip() if len(lines) > 7 else ""
    except (FileNotFoundError, ValueError, IndexError):
        return None


def remove_stale_pid_file(cluster: Path) -> None:
    """Remove the pid file of a server that has ended.

    We hold the lock that all processes of our servers inherit, so none is left. But the number in
    the file may belong to another process by now, as after a restart of a container, or to a
    zombie; then PostgreSQL would refuse to start. A server started by hand is left alone: its
    working folder is the cluster.
    """
    found = postmaster(cluster)
    if found is None or not works_in(found[0], cluster):
        (cluster / "postmaster.pid").unlink(missing_ok=True)


def works_in(pid: int, folder: Path) -> bool:
    """Return True if process ``pid`` works in ``folder``; unknown counts as yes."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/cwd").samefile(folder)
    except (ProcessLookupError, PermissionError):
        return False
    except OSError:
        # No /proc on this system, or a zombie, which has no folder.
        return not Path("/proc/self").exists()


def dsn(address: Address, role: str, password: str, database: str) -> str:
    """Return a URL for asyncpg that depends on nothing in the caller's environment."""
    host, port = address
    login = f"postgresql://{quote(role)}:{quote(password, safe='')}"
    if host.startswith("/"):
        place = quote(host, safe="")
        return f"{login}@/{database}?host={place}&port={port}&sslmode=disable"
    return f"{login}@{host}:{port}/{database}?sslmode=disable"
