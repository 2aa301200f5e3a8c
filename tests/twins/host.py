"""A machine with as much space and as long a certificate as a test says."""

from datetime import UTC, datetime, timedelta

import attrs

from supervisors.engines.system_host import DiskSpace


@attrs.define
class TwinHost:
    """Twin of the Host port. ``fails``: the error of the certificate's next checks."""

    free: int = 50 * 2**30
    total: int = 100 * 2**30
    ends: datetime = attrs.field(factory=lambda: datetime.now(UTC) + timedelta(days=90))
    fails: Exception | None = None

    async def disk(self) -> DiskSpace:
        return DiskSpace(self.free, self.total)

    async def certificate_ends(self, host: str, port: int) -> datetime:
        if self.fails is not None:
            raise self.fails
        return self.ends
