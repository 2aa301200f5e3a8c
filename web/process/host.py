"""The port for facts of the machine and of the public address."""

from datetime import datetime
from typing import Protocol

from supervisors.engines.system_host import DiskSpace


class Host(Protocol):
    """The machine of the gateway, and its public address as others see it."""

    async def disk(self) -> DiskSpace:
        """Return the space of the data folder's disk. Raises OSError."""
        ...

    async def certificate_ends(self, host: str, port: int) -> datetime:
        """Return when the TLS certificate of an address expires. Raises OSError, TimeoutError."""
        ...
