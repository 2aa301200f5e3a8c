"""What to do about a chain, decided from what it says and what was sent to it."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import attrs

from actors.ports import Anchored, ChainState
from sql.anchors import CONFIRMED, PENDING, SentRow


@attrs.frozen
class AnchorSettings:
    """An anchor after so many seconds, if the log has grown; CONFIRMED after so many blocks.

    A transaction that is in no block after ``rebid_seconds`` is offered more for. What a node says
    that has not caught up with the chain is believed after ``doubt_seconds``.
    """

    every_seconds: float = 5.0
    anchor_seconds: float = 300.0
    confirmations: int = 1
    rebid_seconds: float = 120.0
    doubt_seconds: float = 120.0
    anchors: bool = True  # False: see to the contract alone


@attrs.frozen
class Situation:
    """What was sent, sorted out. ``lost``: numbered beyond what the chain has, though it had it."""

    unmined: tuple[SentRow, ...]
    lost: tuple[SentRow, ...]
    to_check: tuple[SentRow, ...]
    made: SentRow | None  # what made the contract, confirmed
    newest: SentRow | None  # the newest confirmed anchor

    @property
    def contract(self) -> str | None:
        """Which holds the anchors."""
        return None if self.made is None else self.made.contract

    @property
    def newest_confirmed(self) -> SentRow | None:
        """The newest confirmed anchor; before the first, what made the contract."""
        return self.newest or self.made


def sorted_out(state: ChainState, sent: Sequence[SentRow]) -> Situation:
    """Rows by what is to be done about them."""
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
    """Rows of which the chain is asked in which block they are."""
    newest = situation.newest_confirmed
    return [*situation.to_check, *([] if newest is None else [newest])]


def may_send(situation: Situation) -> bool:
    """One after the other: nothing new while anything is under way."""
    return not situation.unmined and not situation.to_check


def has_gone_back(situation: Situation, newest: Anchored | None) -> bool:
    """Whether the chain has less than was confirmed: it lost blocks since it was looked at."""
    if newest is None:
        return situation.contract is not None
    known = situation.newest
    return known is not None and known.size is not None and newest.size < known.size


def is_due(situation: Situation, size: int, now: datetime, settings: AnchorSettings) -> bool:
    """Whether a checkpoint of so many leaves is to be anchored: long enough after the last, whoever
    sent that.
    """
    newest = situation.newest
    if newest is None or newest.size is None:
        return True
    rested = now - newest.bid_at >= timedelta(seconds=settings.anchor_seconds)
    return size > newest.size and rested


def wants_more(row: SentRow, now: datetime, settings: AnchorSettings) -> bool:
    """Whether it has waited for a block for too long."""
    return now - row.bid_at >= timedelta(seconds=settings.rebid_seconds)


@attrs.define
class ConfirmedFinding:
    """What is to be believed when it has been found at every look for long enough."""

    seconds: float
    _since: dict[str, datetime] = attrs.field(factory=dict[str, datetime])

    def last(self, what: str, now: datetime) -> bool:
        """It is found; whether that has been so for long enough."""
        since = self._since.setdefault(what, now)
        return now - since >= timedelta(seconds=self.seconds)

    def end(self, what: str) -> None:
        """It is not found any more."""
        self._since.pop(what, None)

    def keep(self, what: Iterable[str]) -> None:
        """End every other doubt: this look does not ask about it."""
        self._since = {one: self._since[one] for one in what if one in self._since}
