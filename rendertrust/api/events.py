"""Response models for job events, attempt logs and webhooks."""

from datetime import datetime

import attrs

from rendertrust.value_types import Id


@attrs.frozen
class JobEvent:
    """An event of a job, in a page of events or in the stream.

    ``type`` is ``job.completed``, ``unit.assigned`` …; ``number`` counts from 1. ``money`` says
    whether ``amount`` credits were held, charged or released. ``unit.progress`` has a ``progress``
    (0 to 1) and no number. After ``unit.thumbnail``, the client's method ``preview`` returns a
    picture of ``frame``.
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
    job_name: str | None = None


@attrs.frozen
class EventPage:
    """A page of events, in order. ``next`` is the ``after`` of the next page, if any."""

    events: tuple[JobEvent, ...]
    next: int | None = None
    ended: bool = False


@attrs.frozen
class AttemptLog:
    """The last log lines of an attempt at a unit, oldest line first.

    ``completed``: the attempt succeeded. ``ended_at`` is null until the attempt is known to have
    ended. Until then, the lines are the last lines that gateways received.
    """

    unit: int
    frames: str | None
    attempt: int
    node_id: Id | None
    ended_at: datetime | None
    error_class: str | None
    error: str | None
    lines: tuple[str, ...] = attrs.field(repr=False)
    completed: bool = False


@attrs.frozen
class JobLog:
    """The last 20 failed and last 20 successful attempts, oldest first, then running attempts."""

    attempts: tuple[AttemptLog, ...]


@attrs.frozen
class Hook:
    """A webhook endpoint.

    No delivery has succeeded since ``failing_since``; after some days the endpoint is disabled.
    """

    id: Id
    url: str
    types: tuple[str, ...]
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str | None
    failing_since: datetime | None
    created_at: datetime


@attrs.frozen
class HookWithSecret(Hook):
    """A webhook endpoint with the secret that signs deliveries, which is shown only once."""

    secret: str = attrs.field(repr=False, kw_only=True)


@attrs.frozen
class Hooks:
    """All of your webhook endpoints, oldest first."""

    endpoints: tuple[Hook, ...]


@attrs.frozen
class Reply:
    """The result of a try of a delivery: the reply's ``status``, or else the ``error``."""

    at: datetime
    status: int | None
    error: str | None


@attrs.frozen
class Delivery:
    """A delivery of an event: PENDING, DELIVERED or FAILED.

    ``status`` and ``error`` are of the last try; ``answers`` has the last twenty tries, oldest
    first.
    """

    id: Id
    endpoint_id: Id
    job_id: Id
    number: int
    type: str
    state: str
    tries: int
    due_at: datetime
    tried_at: datetime | None
    status: int | None
    error: str | None
    created_at: datetime
    ended_at: datetime | None
    answers: tuple[Reply, ...]


@attrs.frozen
class Deliveries:
    """A page of deliveries, newest first. ``next`` is the ``after`` of the next page."""

    deliveries: tuple[Delivery, ...]
    next: Id | None
