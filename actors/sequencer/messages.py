"""What the Sequencer is asked."""

import attrs

from actors.kernel import Message


class Sequencer:
    """Marker: the address of the sequencer actor."""


@attrs.frozen
class Pass(Message[Sequencer, None]):
    """The Sequencer's own timer: take up what was posted since."""


@attrs.frozen
class ChainAgreement(Message[Sequencer, None]):
    """From the Anchor, each time it has asked the chain: whether that has nothing that the log has
    not. A Sequencer that waits for this signs nothing before it holds.
    """

    holds: bool


@attrs.frozen
class CheckpointReady:
    """A checkpoint covers all that was there when it was asked for; ``size`` is the log's."""

    size: int


@attrs.frozen
class CheckpointLate:
    """It does not, for want of the database, of a key that counts, or of time. Ask again."""

    why: str


@attrs.frozen
class RequestCheckpoint(Message[Sequencer, "CheckpointReady | CheckpointLate"]):
    """From the web, for a proof of an entry that no checkpoint covers yet: do not wait for one."""
