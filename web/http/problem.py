"""Problems: error responses with ``detail`` and the members of RFC 9457."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import attrs

from rendertrust.api.refusal_code import RefusalCode, help_path, of_status

FAULTS_MAX: Final = 20  # per answer, as even a small body can have very many
PLACE_MAX: Final = 200  # characters of a fault's field


@attrs.frozen
class Fault:
    """A fault of a request: its place, a code for programs, and a sentence for people."""

    field: str  # 'email', 'metadata.gpu', 'capabilities[2]'; '' is the whole body
    code: str  # like missing, unknown, type, value, duplicate, depth, or of a preflight finding
    message: str


def _general_code(problem: "Problem") -> RefusalCode:
    return of_status(problem.status)


@attrs.frozen
class Problem:
    """An error response. Handlers return problems, and do not raise them."""

    status: int
    detail: str
    errors: tuple[Fault, ...] = ()
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    extra: Mapping[str, Any] = attrs.field(factory=dict[str, Any])
    code: RefusalCode = attrs.field(
        kw_only=True, default=attrs.Factory(_general_code, takes_self=True)
    )

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the members of the JSON answer."""
        members: dict[str, Any] = {
            "detail": self.detail,
            "code": self.code.value,
            "type": help_path(self.code.value),
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "request_id": request_id,
            **self.extra,
        }
        if self.errors:
            members["errors"] = [attrs.asdict(fault) for fault in self.errors]
        return members


def invalid(faults: Sequence[Fault]) -> Problem:
    """Return 422 with at most FAULTS_MAX faults; ``detail`` lists up to ten in one line."""
    told = tuple(attrs.evolve(f, field=f.field[:PLACE_MAX]) for f in faults[:FAULTS_MAX])
    lines = [f"{f.field}: {f.message}" if f.field else f.message for f in told[:10]]
    return Problem(422, "; ".join(lines), told)


def unavailable(
    detail: str, retry_after: int = 1, *, code: RefusalCode = RefusalCode.UNAVAILABLE
) -> Problem:
    """Return 503 with Retry-After in seconds."""
    return Problem(503, detail, headers={"Retry-After": str(retry_after)}, code=code)


DATABASE_AWAY: Final = unavailable(
    "The database is not available; try again", code=RefusalCode.DATABASE_UNAVAILABLE
)


def sentence(text: str) -> str:
    """Return the text with a capital first letter."""
    return text[:1].upper() + text[1:]
