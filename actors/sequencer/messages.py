"""Messages of the Sequencer."""

import attrs

from actors.kernel import Message


class Sequencer:
    """Marker type for the address of the sequencer actor."""


@attrs.frozen
class Pass(Message[Sequencer, None]):
    """From the Sequencer's own timer: append the transfers that were posted since the last time."""


@attrs.frozen
class ChainAgreement(Message[Sequencer, None]):
    """From the Anchor after each comparison of chain and log; ``holds``: they agree.

    If there is a chain, the Sequencer signs nothing until ``holds`` is True.
    """

    holds: bool


@attrs.frozen
class CheckpointReady:
    """Reply: a checkpoint covers every transfer that was posted before the request.

    ``size``: the number of leaves that it covers.
    """

    size: int


@attrs.frozen
class CheckpointLate:
    """Reply: no checkpoint covers all transfers posted before the request yet; try again.

    ``why``: for example that the database is down, no key is valid, or many transfers wait.
    """

    why: str


@attrs.frozen
class RequestCheckpoint(Message[Sequencer, "CheckpointReady | CheckpointLate"]):
    """From the web, for a proof of an entry that no checkpoint covers yet: make a checkpoint
    now.
    """
