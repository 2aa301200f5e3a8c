"""What a gateway knows of work that was done; as in ``answers``."""

from datetime import datetime

import attrs


@attrs.frozen
class LooseTiles:
    """Delivered ``tiles`` of frames that will not come to be, as things stand, and their cost.

    ``checking`` of them are not charged yet, but if they are right. ``download_frames`` fetches
    them with ``tiles``.
    """

    tiles: int
    checking: int
    charged: str


@attrs.frozen
class Reputation:
    """By the verdicts of whoever looked; three ``strikes`` end in quarantine; ``score``: 0 to 1."""

    device_class: str
    valid: int
    invalid: int
    valid_in_row: int
    strikes: int
    score: float


@attrs.frozen
class NodeCheck:
    """What was found of one attempt, and why; without a verdict it waits for it.

    ``strike``: it counts against the node.
    """

    job_id: str
    unit: int
    attempt: int
    device_class: str
    verdict: str | None
    said: str
    opened_at: datetime
    decided_at: datetime | None
    strike: bool = False


@attrs.frozen
class NodeChecks:
    """Newest first."""

    checks: tuple[NodeCheck, ...]
