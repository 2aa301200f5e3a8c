"""Options that describe a job, derived from the fields of ``JobSpec`` and ``RenderParams``."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final, Literal, get_args, get_origin

import attrs
import click

from rendertrust.cli import option_types, requirements
from rendertrust.cli.id_prefix import JOB_HOOK
from rendertrust.job_spec import JobSpec, RenderParams
from rendertrust.value_types import Doc, Limits

FORMATS: Final = {
    "png": "PNG",
    "jpeg": "JPEG",
    "jpg": "JPEG",
    "exr": "OPEN_EXR",
    "open_exr": "OPEN_EXR",
}
# Fields without an option: the command fills these fields, or only programs set these fields.
_NO_OPTIONS: Final = frozenset(
    {"job_type", "payload_ref", "params", "manifest", "quoted", "noisy", "saved_by"}
)
# Options with more settings than the types of the fields imply.
_OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "format": {"type": click.Choice(list(FORMATS), case_sensitive=False)},
    "frames": {"type": option_types.FRAMES},
    "tiles": {"type": option_types.TILES},
    "max_credits": {"type": option_types.CREDITS},
    "webhook": {"type": JOB_HOOK},
    "needs": {
        "type": requirements.RequirementsParam(),
        "multiple": True,
        "metavar": "WHAT",
        "help": f"Requirements: {requirements.NAMES}; separated by commas.",
    },
}


def job_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that describe a render job to a command; ``spec_of`` reads them."""
    for field in reversed([*_options_of(RenderParams), *_options_of(JobSpec)]):
        flag = f"--{field.name.replace('_', '-')}"
        told: dict[str, Any] = {
            "help": _help(field),
            **_type(field.type),
            **_OPTIONS.get(field.name, {}),
        }
        command = click.option(flag, field.name, **told)(command)
    return command


def spec_of(options: Mapping[str, Any]) -> JobSpec:
    """Return the job that the options describe.

    Raise UsageError if options contradict each other.
    """
    _require_sense(options)
    params = {field.name: options[field.name] for field in _options_of(RenderParams)}
    params["format"] = params["format"] and FORMATS[params["format"]]
    terms = {field.name: options[field.name] for field in _options_of(JobSpec)}
    terms["needs"] = requirements.together(options["needs"])
    given = {name: value for name, value in terms.items() if value is not None}
    return JobSpec("render", params=RenderParams(**params).members(), **given)


def lacks_size(spec: JobSpec) -> bool:
    """Return True if the picture's size is needed and was not given."""
    return spec.tiles is not None and "width" not in spec.params


def sized(spec: JobSpec, size: tuple[int, int] | None) -> JobSpec:
    """Return the job with the scene's own ``size``, if a size is needed.

    Raise UsageError if ``size`` is unknown.
    """
    if not lacks_size(spec):
        return spec
    if size is None:
        raise click.UsageError("--tiles needs --width and --height of the picture")
    return attrs.evolve(spec, params={**spec.params, "width": size[0], "height": size[1]})


def _require_sense(options: Mapping[str, Any]) -> None:
    """Raise UsageError if options contradict each other.

    The message names the options to use instead.
    """
    if (options["width"] is None) != (options["height"] is None):
        raise click.UsageError("Give --width and --height together")
    if options["frames"] is None:
        for name in ("chunk", "tiles", "order", "video"):
            if options[name] is not None:
                raise click.UsageError(f"--{name} needs --frames, like --frames 1-48")
        return
    if options["frame"] is not None:
        raise click.UsageError("Use either --frame (one picture) or --frames (an animation)")
    if options["tiles"] is not None and (options["chunk"] or 1) > 1:
        raise click.UsageError("--tiles cuts each frame on its own; leave out --chunk")


def _options_of(record: type[Any]) -> Iterator[Any]:
    return (field for field in attrs.fields(record) if field.name not in _NO_OPTIONS)


def _help(field: Any) -> str:
    (text,) = (part.text for part in get_args(field.type) if isinstance(part, Doc))
    return str(text)


def _type(kind: Any) -> dict[str, Any]:
    """Return click's settings for an option of this type; texts need no settings."""
    for part in _parts(kind):
        if part is bool:
            return {"is_flag": True}
        if part is datetime:
            return {"type": option_types.TIME}
        if get_origin(part) is Literal:
            return {"type": click.Choice(get_args(part))}
        if isinstance(part, Limits) and part.ge is not None:
            return {"type": option_types.IntegerParam(part.ge, part.le)}
    return {}


def _parts(kind: Any) -> Iterator[Any]:
    yield kind
    if get_origin(kind) is not Literal:
        for part in get_args(kind):
            yield from _parts(part)
