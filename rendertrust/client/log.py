"""The log of all entries: held against what was seen of it before."""

from uuid import UUID

from rendertrust.api.ledger import EntryProof, LogCheckpoint
from rendertrust.client.base import ApiBase
from rendertrust.proof_check import Verdict


class LogApi(ApiBase):
    """A part of ``AsyncClient``."""

    async def log_checkpoint(self, *, accept: bool = False) -> LogCheckpoint:
        """How large the gateway's log is, signed, held against what was seen of it before.

        Forked: the log is another one than before; that is evidence against the gateway. With
        ``accept`` it is what everything is held against from now on, nevertheless.
        """
        return await self._witness.newest(accept=accept)

    async def entry_proof(self, entry_id: int | str | UUID, *, opening: bool = False) -> EntryProof:
        """What shows that one's entry stands in the log, verified. ``opening``: the private part.

        NotProved: it does not hold. Forked: it is of another log than was seen before.
        """
        return (await self._witness.proof(entry_id, opening=opening))[0]

    async def verify_entry(self, entry_id: int | str | UUID) -> Verdict:
        """The same, step by step; ``witnessed`` where the log was seen before."""
        return (await self._witness.proof(entry_id, opening=False))[1]
