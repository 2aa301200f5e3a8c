"""What can go wrong, as exceptions: by what the gateway answered, or why it did not answer."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import attrs

Extra: TypeAlias = Mapping[str, Any]


@attrs.frozen
class Fault:
    """One thing that is wrong with a request: where, a code for programs, words for people."""

    field: str
    code: str
    message: str


class RenderTrustError(Exception):
    """The base of all exceptions of the client; its text is one sentence for people."""


class NoAnswer(RenderTrustError):
    """Nobody answered: the connection was refused, cut, or nothing came in time.

    ``delivered``: the request may have reached the gateway, and been obeyed.
    """

    def __init__(self, detail: str, *, delivered: bool) -> None:
        super().__init__(detail)
        self.detail = detail
        self.delivered = delivered


class BadAnswer(RenderTrustError):
    """What answered is no gateway, or one that speaks otherwise than its reference."""


class TransferFailed(RenderTrustError):
    """The object store did not take or give the content. ``status``: its answer, if any."""

    def __init__(self, detail: str, status: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status


class FileChanged(RenderTrustError):
    """The file was written to while it was being sent."""


class Forked(RenderTrustError):
    """The gateway shows another log than before: it took back what it had signed.

    ``before`` and ``now`` are both checkpoints, as it signed them. Keep them: they are evidence.
    """

    def __init__(self, detail: str, before: str, now: str) -> None:
        super().__init__(f"The gateway's log is not the one that it showed before: {detail}")
        self.before = before
        self.now = now


class PinUnreadable(RenderTrustError):
    """What was kept of a gateway's log cannot be read: whether the log was forked is not known."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"What was kept of the gateway's log cannot be read: {where}: {reason}")


class NotProved(RenderTrustError):
    """The proof that the gateway gave does not hold; the text says at which step."""


class StillRunning(RenderTrustError):
    """The job has not ended within the time that the caller gave it; it goes on."""

    def __init__(self, job_id: str, status: str, within: float) -> None:
        super().__init__(f"Job {job_id} is {status} after {within:g} s; it goes on")
        self.job_id = job_id
        self.status = status


class NotReady(RenderTrustError):
    """The unit is not complete: there is nothing to download (yet). ``state`` is what it is."""

    def __init__(self, job_id: str, number: int, state: str) -> None:
        super().__init__(f"Unit {number} of job {job_id} is {state}; there is nothing to download")
        self.job_id = job_id
        self.number = number
        self.state = state


class Refused(RenderTrustError):
    """The gateway said no: ``status``, ``detail``, all faults in ``errors``, and ``request_id``.

    ``code`` is the reason for programs, as ``API.md`` lists them; None from other servers.
    ``retry_after`` is in seconds, where the gateway named a time.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: tuple[Fault, ...] = (),
        request_id: str | None = None,
        retry_after: float | None = None,
        extra: Extra | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.status = status
        self.detail = detail
        self.errors = errors
        self.request_id = request_id
        self.retry_after = retry_after
        self.extra: Extra = extra or {}


class BadRequest(Refused):
    """400: it cannot be done as things stand."""


class NotAuthenticated(Refused):
    """401: not logged in, or the login is over."""


class InsufficientCredits(Refused):
    """402: the price is more than there is."""

    @property
    def available(self) -> str | None:
        """What there is, as the gateway said."""
        return _text(self.extra.get("available"))

    @property
    def requested(self) -> str | None:
        """What it takes, as the gateway said."""
        return _text(self.extra.get("requested"))


class Forbidden(Refused):
    """403: not for this role."""


class NotFound(Refused):
    """404: it does not exist, or belongs to somebody else."""


class LeavesGivenUp(NotFound):
    """404, of an entry, where the log gave leaves up: the gateway was restored from a backup.

    ``given_up``: for each such epoch its number, when it began, and the first and the last leaf
    that went, as the gateway says. The entry may have been among them.
    """

    @property
    def given_up(self) -> list[Extra]:
        """What went."""
        found = self.extra.get("given_up")
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


class Conflict(Refused):
    """409: something else is there already."""


class Gone(Refused):
    """410: it was there, and its time is over."""


class TooLarge(Refused):
    """413: the request is longer than the gateway takes."""


class NotTaken(Refused):
    """415: the gateway does not take content of this kind."""


class TooSlow(Refused):
    """408: the request did not arrive in time."""


class Invalid(Refused):
    """422: the request is wrong; ``errors`` says where."""


class KeyConflict(Invalid):
    """422: the idempotency key was used for another request."""


class RateLimited(Refused):
    """429: too many requests; ``retry_after`` says when to try again."""


class Unavailable(Refused):
    """503: not now; ``retry_after`` says when to try again."""


class GatewayFault(Refused):
    """Any other 5xx: the gateway itself failed."""


KINDS: Final[Mapping[int, type[Refused]]] = {
    400: BadRequest,
    401: NotAuthenticated,
    402: InsufficientCredits,
    403: Forbidden,
    404: NotFound,
    408: TooSlow,
    409: Conflict,
    410: Gone,
    413: TooLarge,
    415: NotTaken,
    422: Invalid,
    429: RateLimited,
    502: Unavailable,  # what a proxy says while the gateway behind it starts
    503: Unavailable,
    504: Unavailable,
}
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
_KNOWN: Final = frozenset({"detail", "code", "type", "title", "status", "request_id", "errors"})


def refusal(status: int, body: object, *, retry_after: float | None = None) -> Refused:
    """The exception for an answer that is no success; ``body`` is its JSON, whatever it is."""
    members: Extra = body if isinstance(body, dict) else {}
    faults = _faults(members.get("errors"))
    return _kind(status, faults, members)(
        status,
        _text(members.get("detail")) or f"The gateway answered {status}",
        errors=faults,
        request_id=_text(members.get("request_id")),
        retry_after=retry_after,
        extra={name: members[name] for name in members if name not in _KNOWN},
        code=_text(members.get("code")),
    )


def _kind(status: int, faults: tuple[Fault, ...], members: Extra) -> type[Refused]:
    kind = KINDS.get(status) or (GatewayFault if status >= 500 else Refused)
    if kind is Invalid and any(fault.field == IDEMPOTENCY_KEY for fault in faults):
        return KeyConflict
    return LeavesGivenUp if kind is NotFound and members.get("given_up") else kind


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _faults(value: object) -> tuple[Fault, ...]:
    if not isinstance(value, list):
        return ()
    members = [item for item in value if isinstance(item, dict)]
    return tuple(
        Fault(*(str(item.get(name, "")) for name in ("field", "code", "message")))
        for item in members
    )
