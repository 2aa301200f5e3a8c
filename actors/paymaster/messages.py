"""Messages of the Paymaster; each docstring names the sender."""

import attrs

from actors.kernel import Message


class Paymaster:
    """Marker type for the address of the paymaster actor."""


@attrs.frozen
class FindMatured(Message[Paymaster, None]):
    """From the Paymaster's own timer: look for shares whose dispute window is over."""


@attrs.frozen
class FindPayoutDates(Message[Paymaster, None]):
    """From the Paymaster's own timer: pay operators whose payout is due, and move passed dates."""


@attrs.frozen
class FindClaimable(Message[Paymaster, None]):
    """From the web, after a node got an owner: look for shares in suspense that have an owner now.

    ``again``: from the Paymaster's own timer, which is then set again.
    """

    again: bool = False
