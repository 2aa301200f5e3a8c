"""Response models for the queue of checks and the verifiers of the gateways."""

from datetime import datetime

import attrs

from rendertrust.value_types import Id


@attrs.frozen
class VerifierStatus:
    """A verifier and its load, as its gateway last reported at ``seen_at``.

    ``build`` is the verifier's build of Blender; ``cores`` is null if the verifier does not say.
    ``checking`` is the number of results in the check that it runs, 0 if it is idle. ``load`` is
    the share (0 to 1) of the last five minutes in which it ran checks.
    """

    node_id: Id
    name: str
    device_class: str
    build: str
    cores: int | None
    checking: int
    load: float
    seen_at: datetime


@attrs.frozen
class CheckQueue:
    """The queue of checks and the verifiers of all gateways that share the database.

    ``waiting`` counts the delivered results without a verdict. The oldest of them has waited for
    ``oldest_seconds``. ``checking`` of them are in a running check. ``overdue`` counts those of the
    oldest 1,000 that have waited for over a minute and over ten times as long as their node took.
    ``verifiers`` are those connected within the last 30 seconds; their figures are at most ten
    seconds old.
    """

    waiting: int
    oldest_seconds: float
    overdue: int
    checking: int
    verifiers: tuple[VerifierStatus, ...]
