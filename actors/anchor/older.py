"""Anchors that were confirmed before notes on them were signed: they get theirs afterwards."""

import logging
from typing import Final

from actors.ports import AnchorStore, Chain, CheckpointSigner
from rendertrust.anchor_note import AnchorNote
from sql.anchors import SentRow

AT_ONCE: Final = 16  # the chain is asked twice for each
log = logging.getLogger("anchor")


class OlderAnchors:
    """Goes over them once, the newest first, some at each look.

    Signed is what the chain says now, as when an anchor is confirmed
    (docs/adr/0018-sign-what-is-verified-offline.md): that the transaction succeeded in its block,
    and that the contract has the root. What the chain does not say so is
    passed over, until the gateway is started again.
    """

    def __init__(self, chain: Chain, store: AnchorStore, signer: CheckpointSigner) -> None:
        self._chain, self._store, self._signer = chain, store, signer
        self._passed, self._done = 0, False

    async def sign_some(self, chain_id: int) -> None:
        """Sign the next of them. Raises what the ports do; then the same ones are next."""
        if self._done:
            return
        rows = await self._store.unnoted(chain_id, AT_ONCE, self._passed)
        passed = 0
        for row in rows:
            signed = await self._signed(row)
            if signed is None:
                log.warning("no note on the anchor of %s leaves: the chain has it not", row.size)
                passed += 1
            else:
                await self._store.note(row, signed)
        self._passed += passed
        self._done = len(rows) < AT_ONCE

    async def _signed(self, row: SentRow) -> str | None:
        if row.size is None or row.root is None or row.origin is None:
            return None
        name = row.mined_hash or row.hashes[-1]
        mined = await self._chain.mined(name)
        if mined is None or not mined.is_still_at(row.block_number, row.block_hash):
            return None
        if await self._chain.root_at(row.contract, row.size) != row.root:
            return None
        named = (row.contract, row.size, row.root, name, mined.block)
        return self._signer.sign_anchor(AnchorNote(row.origin, row.chain_id, *named))
