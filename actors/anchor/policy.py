"""Decisions about the Anchor's blockchain transactions (pure)."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import attrs

from actors.ports import Anchored, ChainState
from sql.anchors import CONFIRMED, PENDING, SentRow


@attrs.frozen
class AnchorSettings:
    """Settings of the Anchor.

    ``every_seconds``: interval of the Anchor's runs. ``anchor_seconds``: least time between
    anchors. ``confirmations``: blocks until an anchor is CONFIRMED. ``rebid_seconds``: after this
    time in no block, a transaction is sent again with a higher fee. ``doubt_seconds``: how long a
    node of the chain must report something as missing before the Anchor believes it. A node that
    only lags behind reports it for a shorter time.
    """

    every_seconds: float = 5.0
    anchor_seconds: float = 300.0
    confirmations: int = 1
    rebid_seconds: float = 120.0
    doubt_seconds: float = 120.0
    anchors: bool = True  # if False, only the contract is deployed


@attrs.frozen
class Situation:
    """Sent transactions, grouped by what to do about them.

    ``unmined``: in no block now. ``lost``: those of them that were settled before; mostly the chain
    has replaced their block by another. ``to_check``: pending transactions whose number the chain
    has used.
    """

    unmined: tuple[SentRow, ...]
    lost: tuple[SentRow, ...]
    to_check: tuple[SentRow, ...]
    made: SentRow | None  # the newest confirmed deployment of a contract
    newest: SentRow | None  # the newest confirmed anchor

    @property
    def contract(self) -> str | None:
        """The address of the contract that receives the anchors; None before the contract is
        deployed.
        """
        return None if self.made is None else self.made.contract

    @property
    def newest_confirmed(self) -> SentRow | None:
        """The newest confirmed anchor; before the first anchor, the deployment of the contract."""
        return self.newest or self.made


def situation_of(state: ChainState, sent: Sequence[SentRow]) -> Situation:
    """Group sent transactions by what to do about them."""
    beyond = [row for row in sent if row.nonce >= state.nonce]
    within = [row for row in sent if row.nonce < state.nonce]
    made = [row for row in within if row.size is None and row.state == CONFIRMED]
    anchors = [row for row in within if row.size is not None and row.state == CONFIRMED]
    return Situation(
        unmined=tuple(beyond),
        lost=tuple(row for row in beyond if row.state != PENDING),
        to_check=tuple(row for row in within if row.state == PENDING),
        made=made[-1] if made else None,
        newest=anchors[-1] if anchors else None,
    )


def rows_to_look_up(situation: Situation) -> Sequence[SentRow]:
    """Return the transactions whose block must be looked up on the chain."""
    newest = situation.newest_confirmed
    return [*situation.to_check, *([] if newest is None else [newest])]


def may_send(situation: Situation) -> bool:
    """Return True if no transaction is outstanding: only one is sent at a time."""
    return not situation.unmined and not situation.to_check


def has_lost_anchors(situation: Situation, newest: Anchored | None) -> bool:
    """Return True if the chain lacks a confirmed anchor or contract.

    Blocks were replaced, or the chain's node lags behind.
    """
    if newest is None:
        return situation.contract is not None
    known = situation.newest
    return known is not None and known.size is not None and newest.size < known.size


def is_due(situation: Situation, size: int, now: datetime, settings: AnchorSettings) -> bool:
    """Return True if the log has grown, and enough time has passed, since the last anchor.

    It does not matter which gateway sent that anchor.
    """
    newest = situation.newest
    if newest is None or newest.size is None:
        return True
    rested = now - newest.bid_at >= timedelta(seconds=settings.anchor_seconds)
    return size > newest.size and rested


def needs_higher_fee(row: SentRow, now: datetime, settings: AnchorSettings) -> bool:
    """Return True if the transaction has been in no block for ``rebid_seconds``."""
    return now - row.bid_at >= timedelta(seconds=settings.rebid_seconds)


@attrs.define
class ConfirmedFinding:
    """Findings that count as certain once they have been repeated for ``seconds``."""

    seconds: float
    _since: dict[str, datetime] = attrs.field(factory=dict[str, datetime])

    def last(self, what: str, now: datetime) -> bool:
        """Record a finding; return True if it has been repeated for long enough."""
        since = self._since.setdefault(what, now)
        return now - since >= timedelta(seconds=self.seconds)

    def end(self, what: str) -> None:
        self._since.pop(what, None)

    def keep(self, what: Iterable[str]) -> None:
        """Forget all findings except these."""
        self._since = {one: self._since[one] for one in what if one in self._since}
