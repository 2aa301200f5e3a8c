"""Loopback TCP ports for engines: chosen once and kept while they are free."""

import json
import socket
from collections.abc import Callable
from pathlib import Path

from supervisors.engines.errors import EngineError

LOOPBACK = "127.0.0.1"
UNIX_PATH_BYTES_MAX = 107
TRIES_MAX = 1_000
# The ports lie below the range of outgoing connections. An outgoing connection could take a port
# between the check and the engine's bind.
LOWEST, SPAN = 16_384, 16_384


def is_free(port: int) -> bool:
    """Return True if a server could bind the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def keep_ports(
    path: Path, names: tuple[str, ...], usable: Callable[[int], bool] = is_free
) -> dict[str, int]:
    """Return a port for each name: the port stored in ``path`` if it is still usable, otherwise a
    new port.
    """
    kept = read_ports(path)
    ports = {name: kept[name] for name in names if name in kept and usable(kept[name])}
    missing = [name for name in names if name not in ports]
    ports.update(zip(missing, free_ports(len(missing), usable), strict=True))
    if ports != kept:
        fresh = path.with_name(path.name + ".new")
        fresh.write_text(json.dumps(ports))
        fresh.replace(path)
    return ports


def read_ports(path: Path) -> dict[str, int]:
    """Return the stored ports; empty if the file is missing or invalid."""
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(kept, dict):
        return {}
    return {str(name): port for name, port in kept.items() if isinstance(port, int)}


def free_ports(count: int, usable: Callable[[int], bool] = is_free) -> list[int]:
    """Return different usable ports. Raises EngineError if there are not enough."""
    found: list[int] = []
    for _ in range(count + TRIES_MAX):
        if len(found) == count:
            return found
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((LOOPBACK, 0))
            port = LOWEST + int(probe.getsockname()[1]) % SPAN
        if port not in found and usable(port):
            found.append(port)
    raise EngineError(f"no {count} free ports on {LOOPBACK}")


def fits_unix_socket(path: Path) -> bool:
    """Return True if the path is short enough for a unix socket."""
    return len(bytes(path)) <= UNIX_PATH_BYTES_MAX
