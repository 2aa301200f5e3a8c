"""The unix sockets that SeaweedFS creates in /tmp; no flag moves those for gRPC.

Two others can be placed, unless the data folder's path is too long for a socket. All have a port in
their names. Some remain when it stops, and all when it is killed. Another user's socket for a port
that we chose would make it hang.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path("/tmp")  # noqa: S108 - the program's choice, not ours
SERVICES = ("master", "volume", "filer", "s3", "admin")


def socket_paths(port: int) -> list[Path]:
    """Return the existing sockets for a port, of any user."""
    names = (f"seaweedfs-{service}{kind}" for service in SERVICES for kind in ("", "-grpc"))
    paths = (FOLDER / f"{name}-{port}.sock" for name in names)
    return [path for path in paths if path.is_socket()]


def possible_sockets(ports: Mapping[str, int]) -> list[Path]:
    """Return the possible sockets of a store with these ports."""
    names = [f"{service}-grpc-{ports[f'{service}.port.grpc']}" for service in SERVICES]
    names += [f"{service}-{ports[f'{service}.port']}" for service in ("filer", "s3")]
    return [FOLDER / f"seaweedfs-{name}.sock" for name in names]


def remove_sockets(ports: Mapping[str, int]) -> None:
    """Remove sockets of a killed store; another user's stay, and their ports are not used."""
    for port in ports.values():
        for path in socket_paths(port):
            with contextlib.suppress(OSError):
                path.unlink()
