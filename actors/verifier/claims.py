"""Claims: each check is made by one gateway, until its claim runs out."""

from collections.abc import Iterable, Sequence
from uuid import UUID

import attrs

from actors.ports import Store
from actors.verifier.case import Case


@attrs.frozen
class Claims:
    """The claims of this ``gateway``. Each lasts ``seconds``, and is renewed in every round."""

    store: Store
    gateway: UUID
    seconds: float

    async def take(self, cases: Sequence[Case]) -> set[Case]:
        """Claim the cases; return those that are now this gateway's. Raises Unavailable."""
        if not cases:
            return set()
        ids = [case.id for case in cases]
        ours = await self.store.claim_checks(self.gateway, ids, self.seconds)
        return {case for case in cases if case.id in ours}

    async def release(self, cases: Iterable[Case]) -> None:
        """Release the cases on which this gateway cannot make progress. Raises Unavailable."""
        idle = [case.id for case in cases if not case.is_begun]
        if idle:
            await self.store.release_checks(self.gateway, idle)
