"""The unix sockets that SeaweedFS puts into /tmp: those for gRPC are moved by no flag.

Two others can be placed, unless the data folder's path is too long for a socket. All carry a port
in their names. Not all are removed when it stops, and none when it is killed; and one of another
user under a port that we chose would make it hang.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path("/tmp")  # noqa: S108 - the program's choice, not ours
SERVICES = ("master", "volume", "filer", "s3", "admin")


def socket_paths(port: int) -> list[Path]:
    """The sockets that exist for a port, of whichever user."""
    names = (f"seaweedfs-{service}{kind}" for service in SERVICES for kind in ("", "-grpc"))
    paths = (FOLDER / f"{name}-{port}.sock" for name in names)
    return [path for path in paths if path.is_socket()]


def possible_sockets(ports: Mapping[str, int]) -> list[Path]:
    """Where the sockets of a store with these ports would be."""
    names = [f"{service}-grpc-{ports[f'{service}.port.grpc']}" for service in SERVICES]
    names += [f"{service}-{ports[f'{service}.port']}" for service in ("filer", "s3")]
    return [FOLDER / f"seaweedfs-{name}.sock" for name in names]


def remove_sockets(ports: Mapping[str, int]) -> None:
    """Remove what a killed store of ours left; another user's stays, and its port is not used."""
    for port in ports.values():
        for path in socket_paths(port):
            with contextlib.suppress(OSError):
                path.unlink()
