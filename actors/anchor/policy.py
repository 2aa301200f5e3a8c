"""Decisions about transactions on the chain (pure)."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import attrs

from actors.ports import Anchored, ChainState
from sql.anchors import CONFIRMED, PENDING, SentRow


@attrs.frozen
class AnchorSettings:
    """Settings of the Anchor.

    ``anchor_seconds``: time between anchors, if the log has grown. ``confirmations``: blocks until
    an anchor is CONFIRMED. ``rebid_seconds``: after this time without a block, a transaction is
    sent again with a higher fee. ``doubt_seconds``: how long a chain's node must repeat a
    surprising answer before it is believed, as the node may only lag behind.
    """

    every_seconds: float = 5.0
    anchor_seconds: float = 300.0
    confirmations: int = 1
    rebid_seconds: float = 120.0
    doubt_seconds: float = 120.0
    anchors: bool = True  # False: only deploy the contract


@attrs.frozen
class Situation:
    """Sent transactions, grouped by what to do about them.

    ``lost``: they were in a block, but now the chain's transaction count is below their number.
    """

    unmined: tuple[SentRow, ...]
    lost: tuple[SentRow, ...]
    to_check: tuple[SentRow, ...]
    made: SentRow | None  # the confirmed deployment of the contract
    newest: SentRow | None  # the newest confirmed anchor

    @property
    def contract(self) -> str | None:
        """The contract that has the anchors."""
        return None if self.made is None else self.made.contract

    @property
    def newest_confirmed(self) -> SentRow | None:
        """The newest confirmed anchor; before the first one, the deployment of the contract."""
        return self.newest or self.made


def sorted_out(state: ChainState, sent: Sequence[SentRow]) -> Situation:
    """Group rows by what to do about them."""
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


def asked_about(situation: Situation) -> Sequence[SentRow]:
    """Return the rows whose block must be looked up on the chain."""
    newest = situation.newest_confirmed
    return [*situation.to_check, *([] if newest is None else [newest])]


def may_send(situation: Situation) -> bool:
    """Return True if no transaction is outstanding: only one is sent at a time."""
    return not situation.unmined and not situation.to_check


def has_gone_back(situation: Situation, newest: Anchored | None) -> bool:
    """Return True if the chain has fewer leaves than were confirmed, as blocks were replaced."""
    if newest is None:
        return situation.contract is not None
    known = situation.newest
    return known is not None and known.size is not None and newest.size < known.size


def is_due(situation: Situation, size: int, now: datetime, settings: AnchorSettings) -> bool:
    """Return True if enough time has passed since the last anchor, whichever gateway sent it."""
    newest = situation.newest
    if newest is None or newest.size is None:
        return True
    rested = now - newest.bid_at >= timedelta(seconds=settings.anchor_seconds)
    return size > newest.size and rested


def wants_more(row: SentRow, now: datetime, settings: AnchorSettings) -> bool:
    """Return True if the transaction has waited too long for a block."""
    return now - row.bid_at >= timedelta(seconds=settings.rebid_seconds)


@attrs.define
class ConfirmedFinding:
    """Findings that are believed once they have been repeated for ``seconds``."""

    seconds: float
    _since: dict[str, datetime] = attrs.field(factory=dict[str, datetime])

    def last(self, what: str, now: datetime) -> bool:
        """Record a finding; return True if it has been repeated for long enough."""
        since = self._since.setdefault(what, now)
        return now - since >= timedelta(seconds=self.seconds)

    def end(self, what: str) -> None:
        """Forget a finding."""
        self._since.pop(what, None)

    def keep(self, what: Iterable[str]) -> None:
        """Forget all findings except these."""
        self._since = {one: self._since[one] for one in what if one in self._since}
