"""Golden files of the interfaces: OpenAPI, problems, events, command line and metrics."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click
import orjson

from rendertrust.api.refusal_code import RefusalCode
from rendertrust.cli import exit_codes
from rendertrust.cli.app import ROOT
from rendertrust.cli.error_exits import ending_of
from rendertrust.client import errors
from sql.events import shown
from tests.golden.signed import EVENT, JOB
from tests.unit.web.test_metrics_documents import exposed
from web.commands import group
from web.events.event_stream import End, Progress
from web.http.problem import Fault, Problem
from web.http.responses import encode
from web.openapi.served_document import Description
from web.routes import OPERATIONS
from web.routes.dead_letters import COLUMNS as DEAD_LETTERS
from web.routes.payouts import COLUMNS as PAYOUTS
from web.routes.statements import COLUMNS as STATEMENT

Json = Any
PROSE: Final = frozenset(
    {"description", "summary", "title", "example", "examples", "version", "x-codeSamples"}
)
# Members whose keys are names of the API, not words of OpenAPI.
NAMED: Final = frozenset({"properties", "schemas", "headers", "responses", "webhooks", "x-frames"})
REFUSED: Final = {
    "plain": Problem(404, "D", code=RefusalCode.JOB_NOT_FOUND),
    "with a header": Problem(429, "D", headers={"Retry-After": "5"}),
    "with amounts": Problem(402, "D", extra={"available": "4.0000", "requested": "10.0000"}),
    "with faults": Problem(400, "D", (Fault("capabilities[2]", "missing", "M"),)),
}


def api() -> dict[str, bytes]:
    """Return the OpenAPI document, refusals as JSON, columns of CSV files, and a job's events."""
    document = json.loads(Description(OPERATIONS).document().body)
    document["tags"] = {tag["name"]: True for tag in document["tags"]}
    refused = {name: problem.body("a1b2c3d4e5f60718") for name, problem in REFUSED.items()}
    events = [shown(JOB, EVENT), Progress(JOB, 3, 2, 0.45), End(JOB, "COMPLETED")]
    return {
        "openapi.txt": _text(sorted(lines_of(without_prose(document)))),
        "problems.json": _pretty(refused),
        "csv.txt": _text(",".join(columns) for columns in (STATEMENT, PAYOUTS, DEAD_LETTERS)),
        "events.jsonl": b"".join(encode(event) + b"\n" for event in events),
    }


def without_prose(value: Json, *, named: bool = False) -> Json:
    """Return the document without texts for people; ``named``: the keys of ``value`` are names."""
    if isinstance(value, list):
        return [without_prose(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: sorted(member) if key == "x-close-codes" else without_prose(member, named=key in NAMED)
        for key, member in value.items()
        if named or key not in PROSE
    }


def lines_of(document: Json, depth: int = 5, path: str = "") -> Iterator[str]:
    """Yield one line for each part at this depth, so that a diff is easy to read."""
    if depth == 0 or not isinstance(document, dict) or not document:
        yield f"{path}{json.dumps(document, sort_keys=True)}"
        return
    for key, member in document.items():
        yield from lines_of(member, depth - 1, f"{path}{key} ")


def metrics() -> dict[str, bytes]:
    """Return one line per metric: name, type and labels."""
    lines = sorted(
        f"{name} {kind} {','.join(sorted(labels))}".rstrip()
        for name, (kind, labels) in exposed().items()
    )
    return {"metrics.txt": _text(lines)}


def command_line() -> dict[str, bytes]:
    """Return one line per command, argument and option, and the exit code of each failure."""
    context = click.Context(ROOT)
    lines: list[str] = []
    for name in ROOT.list_commands(context):
        command = ROOT.get_command(context, name) or group.get_command(context, name)
        assert command is not None, name
        lines += _lines_of(command, name)
    return {"commands.txt": _text(lines), "exits.txt": _text(_exits())}


def _lines_of(command: click.Command, path: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _lines_of(command.commands[name], f"{path} {name}")
        if not command.invoke_without_command:
            return
    yield path
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    options = [p for p in command.params if not isinstance(p, click.Argument)]
    for parameter in (*arguments, *sorted(options, key=lambda option: option.opts)):
        yield f"{path} {_parameter(parameter)}"


def _parameter(parameter: click.Parameter) -> str:
    told: dict[str, Any] = {"required": parameter.required, "multiple": parameter.multiple}
    if isinstance(parameter, click.Option):
        words = ", ".join([*parameter.opts, *parameter.secondary_opts])
        told |= {"flag": parameter.is_flag, "count": parameter.count, "hidden": parameter.hidden}
        told["environment"] = parameter.envvar
    else:
        words = "ARGUMENT"
    told["values"] = 0 if told.get("flag") else parameter.nargs
    told["default"] = _default_of(parameter)
    kept = {name: value for name, value in told.items() if value not in (None, False)}
    if kept.get("values") == 1:
        del kept["values"]
    facts = " ".join(
        f"{name}={json.dumps(value, default=str)}" for name, value in sorted(kept.items())
    )
    return f"{words} <{_type_of(parameter.type)}> {facts}".rstrip()


def _default_of(parameter: click.Parameter) -> Any:
    found = parameter.to_info_dict()["default"]
    return "computed" if callable(found) else found


def _type_of(kind: "click.ParamType[Any]") -> str:
    """Return Click's name of the type with the allowed values; text for our own types."""
    if isinstance(kind, click.Choice):
        return "|".join(str(choice) for choice in kind.choices)
    if isinstance(kind, click.IntRange | click.FloatRange):
        number = "int" if isinstance(kind, click.IntRange) else "float"
        return f"{number} {kind.min}..{kind.max}"
    ours = not type(kind).__module__.startswith("click.")
    return "text" if ours else kind.name


def _exits() -> Iterator[str]:
    yield from (f"exit {code}" for code in sorted(exit_codes.TABLE))
    for error in _failures():
        ending = ending_of(error, "http://localhost:8000")
        assert ending is not None
        yield f"{type(error).__name__} {ending.code} {ending.name}"


def _failures() -> Iterator[errors.RenderTrustError]:
    for status in sorted({*errors.KINDS, 500, 418}):
        yield errors.refusal(status, {"detail": "D"})
    yield errors.NoAnswer("D", delivered=False)
    yield errors.BadAnswer("D")
    yield errors.TransferFailed("D", 404)
    yield errors.TransferFailed("D", 500)
    yield errors.FileChanged("D")
    yield errors.PinUnreadable("W", "R")
    yield errors.NotProved("D")
    yield errors.StillRunning("J", "RUNNING", 1.0)
    yield errors.NotReady("J", 0, "RUNNING")


def _pretty(value: Mapping[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _text(lines: Any) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
