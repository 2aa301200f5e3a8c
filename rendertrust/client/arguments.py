"""Types of the clients' arguments, and the request bodies that are built from them."""

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias, TypedDict
from uuid import UUID

from rendertrust import frame_rate

Id: TypeAlias = str | UUID
Container: TypeAlias = Literal["MP4", "WEBM"]
MemberRole: TypeAlias = Literal["owner", "member"]
NodeVerb: TypeAlias = Literal["drain", "quarantine", "release", "revoke"]
Order: TypeAlias = Literal["sequential", "every_nth", "middle_first"]
PayoutTo: TypeAlias = Literal["credits", "money"]
Pool: TypeAlias = Literal["mine", "trusted", "any"]
Priority: TypeAlias = Literal["low", "normal", "high"]


class Needs(TypedDict, total=False):
    """Requirements on the nodes of a job. A key that is left out requires nothing.

    ``blender``: minimum version, like ``5.2``. ``memory``: bytes per unit. ``device_class``: exact
    class, as in ``Node.reputation``. ``alike``: all units on nodes of one class, which the gateway
    chooses at submission. ``opengl``: the engine needs OpenGL, as EEVEE and Workbench do.
    """

    device: Literal["cpu", "gpu"]
    blender: str
    memory: int
    device_class: str
    alike: bool
    opengl: bool


def uuid(text: Id) -> str:
    """Return an id in canonical form. Raises ValueError if it is not a UUID."""
    return str(UUID(str(text)))


def given(**arguments: Any) -> dict[str, Any]:
    """Return the arguments that are not None."""
    return {name: value for name, value in arguments.items() if value is not None}


def job_body(
    job_type: str, payload_ref: str | None, params: Mapping[str, Any] | None, manifest: str | None
) -> dict[str, Any]:
    """Return the part of a job request that says what to do. Empty arguments are left out."""
    said = {"payload_ref": payload_ref, "params": dict(params or {}), "manifest": manifest}
    return {"job_type": job_type, **{name: value for name, value in said.items() if value}}


def change_body(
    priority: Priority | None, max_credits: str | None, *, uncapped: bool
) -> dict[str, Any]:
    """Return the body that changes an open job; ``max_credits: null`` removes its cap."""
    if uncapped and max_credits is not None:
        raise ValueError("give max_credits or uncapped")
    body = given(priority=priority, max_credits=max_credits)
    if uncapped:
        body["max_credits"] = None
    if not body:
        raise ValueError("name priority, max_credits, or both")
    return body


def video_body(container: Container, fps: float | str | None) -> dict[str, Any]:
    """Return the body that orders a video. Raises FrameRateError if ``fps`` cannot be read."""
    if fps is None:
        return {"container": container}
    rate = frame_rate.parse(str(fps))
    base = None if rate.base == 1 else rate.base
    return given(container=container, fps=rate.fps, fps_base=base)
