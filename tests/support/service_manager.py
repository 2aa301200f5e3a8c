"""A service manager for tests: the receiving end of the socket of sd_notify(3)."""

import socket
from contextlib import suppress
from pathlib import Path


class Manager:
    """A socket that receives the notifications of a service."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)

    def heard(self) -> list[str]:
        found: list[str] = []
        while True:
            try:
                found.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._socket.close()
        if not self.address.startswith("@"):
            with suppress(FileNotFoundError):
                Path(self.address).unlink()
