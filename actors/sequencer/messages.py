"""Messages of the Sequencer."""

import attrs

from actors.kernel import Message


class Sequencer:
    """Marker: the address of the sequencer actor."""


@attrs.frozen
class Pass(Message[Sequencer, None]):
    """From the Sequencer's own timer: append what was posted since."""


@attrs.frozen
class ChainAgreement(Message[Sequencer, None]):
    """From the Anchor after each comparison: does the chain have nothing that the log lacks?

    A Sequencer that awaits the chain signs nothing before ``holds`` is true.
    """

    holds: bool


@attrs.frozen
class CheckpointReady:
    """A checkpoint covers every entry posted before the request; ``size`` is the log's."""

    size: int


@attrs.frozen
class CheckpointLate:
    """There is no such checkpoint yet; try again.

    The database is down, no key counts, or time ran out.
    """

    why: str


@attrs.frozen
class RequestCheckpoint(Message[Sequencer, "CheckpointReady | CheckpointLate"]):
    """From the web, for a proof of an entry that no checkpoint covers yet: make one now."""
