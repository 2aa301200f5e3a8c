"""The parameters of a job: for ``render`` known ones within bounds, for other types any object."""

from typing import Any, Final

import attrs
import orjson

from rendertrust.job_spec import RenderParams
from web.http.converter import structure
from web.http.problem import Fault

BYTES_MAX = 10_240
# Types of jobs that only the gateway submits: nodes do them for no other.
OF_GATEWAY: Final = frozenset({"check", "check_batch", "preflight"})


def parameters_of(job_type: str, given: dict[str, Any]) -> dict[str, Any] | list[Fault]:
    """Return the parameters to store, or what is wrong with them."""
    if job_type in OF_GATEWAY:
        return [Fault("job_type", "value", "is a type that only the gateway itself dispatches")]
    if job_type == "render":
        return _render(given)
    if any(name.startswith("_") for name in given):
        return [Fault("params", "value", "must not hold names that begin with _")]
    if len(orjson.dumps(given)) > BYTES_MAX:
        return [Fault("params", "value", f"must not be larger than {BYTES_MAX} bytes")]
    return given


def _render(given: dict[str, Any]) -> dict[str, Any] | list[Fault]:
    params = structure(given, RenderParams)
    if isinstance(params, list):
        return [attrs.evolve(f, field=f"params.{f.field}".rstrip(".")) for f in params]
    if (params.width is None) != (params.height is None):
        return [Fault("params", "value", "must give width and height together")]
    return params.members()
