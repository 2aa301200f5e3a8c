"""What waits for a check again, as its node was caught: where the gateway's own looks."""

import attrs

from actors.verifier.crops import Places, in_round, rounds_of
from actors.verifier.messages import FinalVerdict
from sql.checks import Voucher


@attrs.define
class Again:
    """Where a stranger looked who had vouched for it, as that is his word, too; and of a chunk of
    so many ``frames`` at each, some at a time, as one says nothing of the others.

    ``done`` looks found nothing wrong, and ``held`` is what the last of them said.
    """

    voucher: Voucher | None
    frames: int = 0  # of a chunk
    done: int = 0
    held: FinalVerdict | None = None

    def places(self, secret: bytes, unit: bytes, result: bytes) -> Places | None:
        """Of the next look; None: those of any other check."""
        told = self.voucher
        if told is not None and not self.done:
            return Places(told.draws, told.shown)
        if not self.frames:
            return None
        return in_round(self.done - (told is not None), self.frames, secret, unit, result)

    def after(self, verdict: FinalVerdict) -> FinalVerdict | None:
        """What a look that found nothing wrong comes to; None: there are more to come."""
        looks = rounds_of(self.frames) + (self.voucher is not None) if self.frames else 1
        if self.done + 1 >= looks:
            return verdict
        self.done, self.held = self.done + 1, verdict
        return None
