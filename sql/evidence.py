"""Evidence: files beside results, used by their checks."""

from uuid import UUID

import attrs

from sql.database import Database
from sql.scheduler_rows import evidence_key


@attrs.frozen
class EvidenceRow:
    """The evidence of the attempt that completed a unit."""

    user_id: UUID
    job_id: UUID
    unit: int
    attempt: int
    sha256: bytes
    size: int

    @property
    def key(self) -> str:
        """The object's key."""
        return evidence_key(self.user_id, self.job_id, self.unit, self.attempt)


class EvidenceReads:
    """Reads of evidence for the web."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, job: UUID, unit: int, owner: UUID) -> EvidenceRow | None:
        """Return the evidence of a unit of one of ``owner``'s jobs, unless it has expired."""
        row = await self._database.one("evidence_of_unit", job, unit, owner)
        return None if row is None else EvidenceRow(**row)
