"""Types of the clients' arguments, and the request bodies that are built from these arguments."""

from typing import Any, Literal, TypeAlias
from uuid import UUID

from rendertrust import frame_rate
from rendertrust.job_spec import Priority

Id: TypeAlias = str | UUID
Checks: TypeAlias = Literal["none", "only"]
Container: TypeAlias = Literal["MP4", "WEBM"]
MemberRole: TypeAlias = Literal["owner", "member"]
NodeVerb: TypeAlias = Literal["drain", "quarantine", "release", "revoke"]
PayoutSchedule: TypeAlias = Literal["by_hand", "weekly", "monthly"]
PayoutTo: TypeAlias = Literal["credits", "money"]


def uuid(text: Id) -> str:
    """Return an id in canonical form. Raises ValueError if the id is not a UUID."""
    return str(UUID(str(text)))


def given(**arguments: Any) -> dict[str, Any]:
    """Return the arguments that are not None."""
    return {name: value for name, value in arguments.items() if value is not None}


def change_body(
    priority: Priority | None, max_credits: str | None, *, uncapped: bool
) -> dict[str, Any]:
    """Return the body that changes an open job; ``max_credits: null`` removes the job's cap."""
    if uncapped and max_credits is not None:
        raise ValueError("give either max_credits or uncapped")
    body = given(priority=priority, max_credits=max_credits)
    if uncapped:
        body["max_credits"] = None
    if not body:
        raise ValueError("give priority, max_credits or both")
    return body


def video_body(container: Container, fps: float | str | None) -> dict[str, Any]:
    """Return the body that orders a video. Raises FrameRateError if ``fps`` cannot be read."""
    if fps is None:
        return {"container": container}
    rate = frame_rate.parse(str(fps))
    base = None if rate.base == 1 else rate.base
    return given(container=container, fps=rate.fps, fps_base=base)
