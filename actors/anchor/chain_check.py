"""What the chain says of the log: whether it has anything that the database has not."""

from collections.abc import Sequence
from datetime import datetime

import attrs

from actors.ports import Anchored, AnchorStore, Chain, ChainState
from sql.halts import ChainHead, Halt, halt_over


@attrs.frozen
class ChainCheck:
    """``contract``: on which we go on, if it is there, and ``newest`` what is anchored there.

    ``halts``: of each contract that has what the log has not, the one with the most first.
    ``strays``: contracts that have the log's own leaves, and of which the database does not know.
    """

    contract: str | None
    newest: Anchored | None
    halts: tuple[Halt, ...] = ()
    strays: tuple[tuple[str, Anchored], ...] = ()

    @property
    def halt(self) -> Halt | None:
        """Why nothing is written; None: it may be."""
        return self.halts[0] if self.halts else None


class ChainChecker:
    """Asks the chain. A contract that the database does not know of is looked for, too.

    Of a database that was restored to before its first anchor nothing tells but that: our sender
    has used numbers that no row has, and one of them made a contract.
    """

    def __init__(self, chain: Chain, store: AnchorStore) -> None:
        self._chain, self._store = chain, store
        self._asked: dict[int, str | None] = {}  # contracts, by numbers that no row had

    async def standing(self, state: ChainState, contract: str | None, at: datetime) -> ChainCheck:
        """How the log stands to the newest anchor of each contract."""
        newest = None if contract is None else await self._chain.newest(contract)
        known = [] if contract is None or newest is None else [(contract, newest)]
        lost = await self._lost(state)
        halts = await self._halts(state, [*known, *lost], at)
        others = {halt.contract for halt in halts}
        strays = [found for found in lost if found[1].size and found[0] not in others]
        return ChainCheck(contract, newest, halts, tuple(strays))

    async def _lost(self, state: ChainState) -> Sequence[tuple[str, Anchored]]:
        """Contracts of our sender that the database does not know of, and what they have."""
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
        """Those that have what the log has not."""
        halts: list[Halt] = []
        for contract, anchored in found:
            own = await self._store.own(anchored.size)
            there = ChainHead(state.chain_id, contract, anchored.size, anchored.root)
            halt = halt_over(there, own, at)
            halts += [] if halt is None else [halt]
        return tuple(sorted(halts, key=lambda halt: halt.size or 0, reverse=True))
