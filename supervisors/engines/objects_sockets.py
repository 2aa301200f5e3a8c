"""The unix sockets that SeaweedFS puts into /tmp, where no flag moves them.

They carry its gRPC port in their names. It removes them when it stops in order; after a kill they
stay, and one of another user under a port that we chose would make it hang.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path("/tmp")  # noqa: S108 - the program's choice, not ours
SERVICES = ("master", "volume", "filer", "s3", "admin")


def socket_paths(port: int) -> list[Path]:
    """The sockets that exist for a gRPC port, of whichever user."""
    paths = (FOLDER / f"seaweedfs-{service}-grpc-{port}.sock" for service in SERVICES)
    return [path for path in paths if path.is_socket()]


def remove_sockets(ports: Mapping[str, int]) -> None:
    """Remove what a killed store of ours left; another user's stays, and its port is not used."""
    for name, port in ports.items():
        if name.endswith(".grpc"):
            for path in socket_paths(port):
                with contextlib.suppress(OSError):
                    path.unlink()
