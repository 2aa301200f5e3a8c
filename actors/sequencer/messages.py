"""Messages of the Sequencer."""

import attrs

from actors.kernel import Message


class Sequencer:
    """Marker: the address of the sequencer actor."""


@attrs.frozen
class Pass(Message[Sequencer, None]):
    """From the Sequencer's own timer: append entries that were posted since the last pass."""


@attrs.frozen
class ChainAgreement(Message[Sequencer, None]):
    """From the Anchor after each comparison; ``holds``: the chain has nothing that the log lacks.

    A Sequencer that waits for the chain signs nothing before ``holds`` is true.
    """

    holds: bool


@attrs.frozen
class CheckpointReady:
    """A checkpoint covers every entry posted before the request; ``size`` is that of the log."""

    size: int


@attrs.frozen
class CheckpointLate:
    """There is no such checkpoint yet; try again.

    The database is down, no key is valid, or time ran out.
    """

    why: str


@attrs.frozen
class RequestCheckpoint(Message[Sequencer, "CheckpointReady | CheckpointLate"]):
    """From the web, for a proof of an entry that no checkpoint covers yet: make a checkpoint
    now.
    """
