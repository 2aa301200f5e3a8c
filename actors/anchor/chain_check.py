"""Comparison of the anchors on the chain with the log in the database."""

from collections.abc import Sequence
from datetime import datetime

import attrs

from actors.ports import Anchored, AnchorStore, Chain, ChainState
from sql.halts import ChainHead, Halt, halt_over


@attrs.frozen
class ChainCheck:
    """Result of the comparison of the chain with the database.

    ``contract``: the contract for new anchors, if it exists; ``newest``: its newest anchor.
    ``halts``: a halt for each contract whose newest anchor the log does not match, largest anchor
    first. ``strays``: contracts that the database does not know, with anchors of this log.
    """

    contract: str | None
    newest: Anchored | None
    halts: tuple[Halt, ...] = ()
    strays: tuple[tuple[str, Anchored], ...] = ()

    @property
    def halt(self) -> Halt | None:
        """The reason to stop writing to the books, or None."""
        return self.halts[0] if self.halts else None


class ChainChecker:
    """Compares the chain with the database, including contracts that the database does not know.

    If a backup from before the first anchor was restored, the database has no trace of the
    contract. The only hint is that the sender account has used transaction numbers without a row in
    the database. One of the transactions with these numbers deployed the contract.
    """

    def __init__(self, chain: Chain, store: AnchorStore) -> None:
        self._chain, self._store = chain, store
        # Contracts by transaction number, for numbers without a row in the database.
        self._asked: dict[int, str | None] = {}

    async def standing(self, state: ChainState, contract: str | None, at: datetime) -> ChainCheck:
        """Compare the log with the newest anchor of each contract, also of contracts that the
        database does not know.
        """
        newest = None if contract is None else await self._chain.newest(contract)
        known = [] if contract is None or newest is None else [(contract, newest)]
        lost = await self._lost(state)
        halts = await self._halts(state, [*known, *lost], at)
        others = {halt.contract for halt in halts}
        strays = [found for found in lost if found[1].size and found[0] not in others]
        return ChainCheck(contract, newest, halts, tuple(strays))

    async def _lost(self, state: ChainState) -> Sequence[tuple[str, Anchored]]:
        """Return the sender's contracts that the database lacks, with their newest anchors."""
        numbers = await self._store.unknown(state.chain_id, state.sender, state.nonce)
        for number in numbers:
            if number not in self._asked:
                self._asked[number] = await self._chain.contract_by(number)
        made = [contract for n in numbers if (contract := self._asked[n]) is not None]
        found = [(contract, await self._chain.newest(contract)) for contract in made]
        return [(contract, newest) for contract, newest in found if newest is not None]

    async def _halts(
        self, state: ChainState, found: Sequence[tuple[str, Anchored]], at: datetime
    ) -> tuple[Halt, ...]:
        """Return a halt for each contract whose newest anchor the log does not match."""
        halts: list[Halt] = []
        for contract, anchored in found:
            own = await self._store.own(anchored.size)
            there = ChainHead(state.chain_id, contract, anchored.size, anchored.root)
            halt = halt_over(there, own, at)
            halts += [] if halt is None else [halt]
        return tuple(sorted(halts, key=lambda halt: halt.size or 0, reverse=True))
