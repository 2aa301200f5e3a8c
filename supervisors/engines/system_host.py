"""The machine that the gateway runs on, and the certificate of its public address."""

import asyncio
import shutil
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

import attrs

from actors.ports import Clock

CERTIFICATE_SECONDS: Final = 3.0
KEPT_SECONDS: Final = 600.0  # how long the end of a certificate is remembered


@attrs.frozen
class DiskSpace:
    """Bytes of the disk that has the data folder."""

    free: int
    total: int


class SystemHost:
    """The real Host port."""

    def __init__(self, data: Path, clock: Clock) -> None:
        """Prepare. ``data``: the data folder."""
        self._data, self._clock = data, clock
        self._ends: tuple[tuple[str, int], float, datetime] | None = None

    async def disk(self) -> DiskSpace:
        """Return the space of the data folder's disk. Raises OSError."""
        found = await asyncio.to_thread(shutil.disk_usage, self._data)
        return DiskSpace(found.free, found.total)

    async def certificate_ends(self, host: str, port: int) -> datetime:
        """Return when the TLS certificate of an address expires, as of the last ten minutes.

        Raises OSError: ssl.SSLCertVerificationError for a certificate that clients refuse.
        """
        address, now = (host, port), self._clock.monotonic()
        if self._ends is None or self._ends[0] != address or now - self._ends[1] > KEPT_SECONDS:
            self._ends = address, now, await self._certificate_ends(host, port)
        return self._ends[2]

    async def _certificate_ends(self, host: str, port: int) -> datetime:
        context = ssl.create_default_context()
        async with asyncio.timeout(CERTIFICATE_SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
        try:
            certificate = cast("dict[str, Any]", writer.get_extra_info("peercert"))
            seconds = ssl.cert_time_to_seconds(certificate["notAfter"])
            return datetime.fromtimestamp(seconds, UTC)
        finally:
            writer.close()
