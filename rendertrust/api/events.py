"""Response models for job events, attempt logs and webhooks."""

from datetime import datetime

import attrs


@attrs.frozen
class Event:
    """What changed: ``job.completed``, ``unit.assigned`` …; ``number`` counts per job from 1.

    ``money`` says what became of ``amount``: held, charged or released. ``unit.progress`` alone has
    a ``progress`` (0 to 1), and no number. ``unit.thumbnail``: ``preview`` has a picture of
    ``frame``.
    """

    type: str
    job_id: str
    number: int | None = None
    at: datetime | None = None
    unit: int | None = None
    attempt: int | None = None
    node_id: str | None = None
    money: str | None = None
    amount: str | None = None
    error_class: str | None = None
    error: str | None = None
    error_code: str | None = None
    progress: float | None = None
    frame: int | None = None
    thumbnail: str | None = None


@attrs.frozen
class EventPage:
    """In their order. ``next`` is the ``after`` of the next page, None where there is none yet."""

    events: tuple[Event, ...]
    next: int | None = None
    ended: bool = False


@attrs.frozen
class AttemptLog:
    """What the node said last of an attempt at a unit, the oldest line first. ``ended_at``: None
    while it is not known to have ended. ``error_class`` and ``error``: how it failed, if it was not
    ``completed``.
    """

    unit: int
    attempt: int
    lines: tuple[str, ...] = attrs.field(repr=False)
    frames: str | None = None
    node_id: str | None = None
    ended_at: datetime | None = None
    error_class: str | None = None
    error: str | None = None
    completed: bool = False


@attrs.frozen
class JobLog:
    """Of attempts that ended, the oldest first, then of those that something is heard of."""

    attempts: tuple[AttemptLog, ...]


@attrs.frozen
class Hook:
    """An endpoint of webhooks. ``failing_since``: nothing arrives since then."""

    id: str
    url: str
    types: tuple[str, ...]
    enabled: bool
    created_at: datetime
    disabled_at: datetime | None = None
    disabled_reason: str | None = None
    failing_since: datetime | None = None


@attrs.frozen
class HookWithSecret(Hook):
    """With the secret by which deliveries are signed, which is shown this once."""

    secret: str = attrs.field(repr=False, kw_only=True)


@attrs.frozen
class Hooks:
    """All of one's endpoints, oldest first."""

    endpoints: tuple[Hook, ...]


@attrs.frozen
class Reply:
    """What a try of a delivery was answered: a status, or nothing, and why."""

    at: datetime
    status: int | None = None
    error: str | None = None


@attrs.frozen
class Delivery:
    """An event on its way: PENDING, DELIVERED or FAILED; status and error are of the last try, and
    ``answers`` of the last twenty, oldest first.
    """

    id: str
    endpoint_id: str
    job_id: str
    number: int
    type: str
    state: str
    tries: int
    created_at: datetime
    due_at: datetime | None = None
    tried_at: datetime | None = None
    status: int | None = None
    error: str | None = None
    ended_at: datetime | None = None
    answers: tuple[Reply, ...] = ()


@attrs.frozen
class Deliveries:
    """Newest first. ``next`` is the ``after`` of the next page."""

    deliveries: tuple[Delivery, ...]
    next: str | None = None
