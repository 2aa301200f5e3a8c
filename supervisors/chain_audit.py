"""Comparison of the chain with the log, and deployment of the contract, for commands.

Invariant I12 says that the chain and the log match.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from actors.anchor.actor import AnchorActor, unknown_contract_error
from actors.anchor.chain_check import ChainCheck, ChainChecker
from actors.anchor.policy import AnchorSettings, situation_of
from actors.ports import Anchored, Chain, ChainState, Clock
from config.settings import Chain as ChainSettings
from sql.anchors import PENDING, Anchors, SentRow
from sql.fsck import Finding
from sql.halts import Halt

ANCHORS_MAX: Final = 1000  # only the newest anchors are compared with the chain
LOOK_SECONDS: Final = 0.5
ANCHOR_LOOK_SECONDS_LEAST: Final = 0.5


@attrs.frozen
class ChainView:
    """The chain's state, and what the database knows of the chain.

    ``missing``: transaction numbers that the sender used and that lie above all numbers with rows.
    ``holes``: numbers without a row that lie between numbers with rows. ``unmade``: contracts
    with anchors whose deployment has no row. ``strays``: contracts that the database does not know,
    with leaves of the log.
    """

    state: ChainState
    contract: str | None
    newest: Anchored | None
    halts: Sequence[Halt]
    pending: Sequence[SentRow]
    missing: Sequence[int]
    holes: Sequence[int] = ()
    unmade: Sequence[str] = ()
    strays: Sequence[tuple[str, Anchored]] = ()

    @property
    def halt(self) -> Halt | None:
        """The halt that counts: the one of the contract with the most leaves; None if there is
        none.
        """
        return self.halts[0] if self.halts else None

    @property
    def lacks(self) -> bool:
        """Return True if the database has lost rows of transactions that were sent."""
        return bool(self.missing or self.holes or self.unmade or self.strays)


def anchor_settings(given: ChainSettings) -> AnchorSettings:
    """Return the Anchor's settings, with which it runs at least as often as it may anchor."""
    often = max(given.anchor_seconds, ANCHOR_LOOK_SECONDS_LEAST)
    return AnchorSettings(
        every_seconds=min(AnchorSettings().every_seconds, often),
        anchor_seconds=given.anchor_seconds,
        confirmations=1 if given.embedded else given.confirmations,
    )


async def see(chain: Chain, anchors: Anchors, clock: Clock) -> ChainView:
    """Read the chain and the database. Raises ChainUnavailable, Unavailable."""
    state = await chain.state()
    sent = await anchors.sent(state.chain_id, state.sender, state.nonce)
    contract = situation_of(state, sent).contract
    standing: ChainCheck = await ChainChecker(chain, anchors).standing(state, contract, clock.now())
    first = await anchors.first(state.chain_id, state.sender)
    unknown = await anchors.unknown(state.chain_id, state.sender, state.nonce)
    missing = [number for number in unknown if first is not None and number > first]
    there = standing.contract if standing.newest is not None else None
    pending = [row for row in sent if row.state == PENDING]
    return ChainView(
        state,
        there,
        standing.newest,
        standing.halts,
        pending,
        missing,
        await anchors.holes(state.chain_id, state.sender),
        await anchors.unmade(state.chain_id, state.sender),
        standing.strays,
    )


async def audit_chain(chain: Chain, anchors: Anchors, clock: Clock) -> Sequence[Finding]:
    """Return the violations of invariant I12. Raises ChainUnavailable, Unavailable."""
    seen = await see(chain, anchors, clock)
    name = f"chain {seen.state.chain_id}"
    found = [Finding("I12", name, halt.found) for halt in seen.halts]
    found += [
        Finding("I12", f"transaction {number} of {seen.state.sender}", f"is on {name} alone")
        for number in seen.missing
    ]
    found += [
        Finding(
            "I12", f"contract {contract}", f"{name} has {newest.size} leaves there, no row made it"
        )
        for contract, newest in seen.strays
    ]
    found += await _ahead(chain, anchors, seen.state)
    for row in await anchors.confirmed(ANCHORS_MAX):
        if row.chain_id != seen.state.chain_id:
            continue
        root = await chain.root_at(row.contract, row.size)
        if root != row.root:
            told = "nothing" if root is None else f"the root {root.hex()}"
            found.append(Finding("I12", f"anchor {row.size}", f"{name} has {told} at this size"))
    return found


async def _ahead(chain: Chain, anchors: Anchors, state: ChainState) -> Sequence[Finding]:
    """Return violations for contracts with more anchors than rows.

    A row is stored before its transaction is sent, so the chain is read first.
    """
    made = await anchors.contracts(state.chain_id, state.sender)
    there = {contract: await chain.newest(contract) for contract in made}
    known = await anchors.contracts(state.chain_id, state.sender)
    return [
        Finding(
            "I12",
            f"anchor {newest.size}",
            f"is in contract {contract}, which no row mentions so far",
        )
        for contract, newest in there.items()
        if newest is not None and newest.size > known.get(contract, 0)
    ]


async def make_contract(
    chain: Chain,
    anchors: Anchors,
    clock: Clock,
    settings: AnchorSettings,
    tell: Callable[[str], None],
) -> str:
    """Deploy the contract, and return its address once the deployment is confirmed.

    A gateway may run at the same time.

    Raises the errors of the ports, and ForeignLog if the chain has another log.
    """
    anchor = AnchorActor(
        chain, anchors, clock, settings=attrs.evolve(settings, anchors=False, every_seconds=0.0)
    )
    told = ""
    while True:
        await anchor.run_once()
        seen = await see(chain, anchors, clock)
        if seen.halt is not None:
            raise ForeignLog(seen.halt.text)
        if seen.strays:
            raise ForeignLog(unknown_contract_error(seen.strays[0][0]))
        making = [row for row in seen.pending if row.size is None]
        if seen.contract is not None and not making:
            return seen.contract
        if making and making[-1].hashes[-1] != told:
            told = making[-1].hashes[-1]
            tell(f"sent {told}; it counts after {settings.confirmations} blocks")
        await asyncio.sleep(LOOK_SECONDS)


class ForeignLog(Exception):
    """The chain has another log than the database. The text says what to do."""
