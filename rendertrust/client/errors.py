"""Exceptions of the client, one for each kind of refusal, or of failure to get a reply."""

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import attrs

Extra: TypeAlias = Mapping[str, Any]


@attrs.frozen
class Fault:
    """A fault in a request: its field, a code for programs, and a message for people."""

    field: str
    code: str
    message: str


class RenderTrustError(Exception):
    """Base of all exceptions of the client. The text of an exception is a sentence for people."""


class NoAnswer(RenderTrustError):
    """The gateway did not reply: the connection was refused or lost, or timed out.

    ``delivered``: the gateway may have received and executed the request. ``untrusted``: the
    server's certificate is not trusted.
    """

    def __init__(self, detail: str, *, delivered: bool, untrusted: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.delivered = delivered
        self.untrusted = untrusted


class BadAnswer(RenderTrustError):
    """The reply is not from a gateway, or does not follow the API reference."""


class TransferFailed(RenderTrustError):
    """An upload or download failed, for example because the object store refused it.

    ``status``: the HTTP status; None without a reply.
    """

    def __init__(self, detail: str, status: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status


class FileChanged(RenderTrustError):
    """The file was modified during the upload."""


class Forked(RenderTrustError):
    """The gateway's log contradicts a checkpoint that the gateway signed before.

    ``before`` and ``now`` are the two signed checkpoints. Keep both as evidence.
    """

    def __init__(self, detail: str, before: str, now: str) -> None:
        super().__init__(f"The gateway's log is not the one that it showed before: {detail}")
        self.before = before
        self.now = now


class PinUnreadable(RenderTrustError):
    """The pinned checkpoint cannot be read, so a fork of the log cannot be ruled out."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"The pinned checkpoint of the gateway's log cannot be read: {where}: {reason}"
        )


class NotProved(RenderTrustError):
    """A proof or receipt of the gateway is invalid. The exception's text says which step failed."""


class StillRunning(RenderTrustError):
    """The job has not ended within the given time. The job continues."""

    def __init__(self, job_id: str, status: str, within: float) -> None:
        super().__init__(f"Job {job_id} is {status} after {within:g} s; the job continues")
        self.job_id = job_id
        self.status = status


class NotReady(RenderTrustError):
    """The unit is not complete, so it has no result yet. ``state``: the unit's state."""

    def __init__(self, job_id: str, number: int, state: str) -> None:
        super().__init__(f"Unit {number} of job {job_id} is {state}; there is nothing to download")
        self.job_id = job_id
        self.number = number
        self.state = state


class Refused(RenderTrustError):
    """The gateway refused the request. ``errors`` lists all faults in the request.

    ``code`` is the reason for programs, as listed in ``API.md``; None from other servers.
    ``retry_after`` is in seconds, if the gateway named a time.
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
    """HTTP 400: the request is not possible in the current state."""


class NotAuthenticated(Refused):
    """HTTP 401: you are not logged in, or the session has ended."""


class InsufficientCredits(Refused):
    """HTTP 402: the price is more than you have."""

    @property
    def available(self) -> str | None:
        """Return the available credits that the gateway reported."""
        return _text(self.extra.get("available"))

    @property
    def requested(self) -> str | None:
        """Return the required credits that the gateway reported."""
        return _text(self.extra.get("requested"))


class Forbidden(Refused):
    """HTTP 403: you are not allowed to do this."""


class NotFound(Refused):
    """HTTP 404: the resource does not exist, or is not yours."""


class LeavesGivenUp(NotFound):
    """HTTP 404: the entry may have been lost when the gateway was restored from a backup.

    ``given_up`` describes each epoch in which leaves were lost: number and time of the epoch, and
    the first and last lost leaf.
    """

    @property
    def given_up(self) -> list[Extra]:
        """Return the lost leaves, by epoch."""
        found = self.extra.get("given_up")
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


class Conflict(Refused):
    """HTTP 409: the request conflicts with the current state."""


class Gone(Refused):
    """HTTP 410: the resource existed and has expired."""


class TooLarge(Refused):
    """HTTP 413: the request is too long, or exceeds your quota of uploads."""


class NotTaken(Refused):
    """HTTP 415: the media type is not supported."""


class TooSlow(Refused):
    """HTTP 408: the request did not arrive in time."""


class Invalid(Refused):
    """HTTP 422: the request is invalid; ``errors`` says where."""


class KeyConflict(Invalid):
    """HTTP 422: the idempotency key was used for another request."""


class RateLimited(Refused):
    """HTTP 429: too many requests, open jobs or preflights.

    ``retry_after`` says when to try again, if the gateway named a time.
    """


class Unavailable(Refused):
    """HTTP 502, 503 or 504: the gateway is temporarily unavailable.

    ``retry_after`` says when to try again, if the gateway named a time.
    """


class GatewayFault(Refused):
    """Any other HTTP status 5xx: the gateway itself failed."""


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
    502: Unavailable,  # a proxy sends 502 while the gateway starts
    503: Unavailable,
    504: Unavailable,
}
IDEMPOTENCY_KEY: Final = "Idempotency-Key"
_KNOWN: Final = frozenset({"detail", "code", "type", "title", "status", "request_id", "errors"})


def refusal(status: int, body: object, *, retry_after: float | None = None) -> Refused:
    """Return the exception for an error reply.

    ``body``: the JSON of the reply, with any content.
    """
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
