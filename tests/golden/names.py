"""Golden lists of names in the source that are stored, or that people use in settings."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, get_args

from actors.ledger.messages import Effect
from config.settings import SETTINGS
from rendertrust.node import plugins
from sql.credits import KINDS
from web.nodes.standing_policy import StandingAction

ROOT: Final = Path(__file__).resolve().parents[2]
ROOMS: Final = ("rendertrust", "config", "sql", "actors", "supervisors", "web", "extension")
_NOUNS: Final = (
    *("user", "node", "jobs", "log", "price", "sku", "payout", "dispute", "chain"),
    *("organisation", "trust", "webhooks", "credits", "unit", "job", "deliveries"),
)
_ACT: Final = re.compile(rf"({'|'.join(_NOUNS)})\.(?!html$|json$|css$|log$)(level|[a-z_{{}}]+)")
_FORMAT: Final = re.compile(r"rendertrust-[a-z-]+-v[0-9]+")
_SQL_EVENT: Final = re.compile(r"'((?:job|unit)\.[a-z_]*)'")
_CODE: Final = re.compile(r"[a-z_]+")
_VARIABLE: Final = re.compile(r"RENDERTRUST_[A-Z_]+")


def names() -> dict[str, bytes]:
    """Return one file for each kind of name."""
    found: Mapping[str, Iterable[str]] = {
        "acts-and-events.txt": {*_matches(_ACT), *_events_in_sql()} - {*_keys()},
        "formats.txt": _matches(_FORMAT),
        "variables.txt": _matches(_VARIABLE),
        "guards.txt": (kind.__name__ for kind in _members(Effect)),
        "fail-points.txt": _fail_points(),
        "actors.txt": _actors(),
        "ledger-kinds.txt": KINDS,
        "job-types.txt": _job_types(),
        "faults.txt": _faults(),
        "verbs.txt": (verb.value for verb in StandingAction),
        "settings.txt": _settings(),
    }
    return {
        name: "".join(f"{one}\n" for one in sorted({*of})).encode() for name, of in found.items()
    }


@cache
def _nodes() -> tuple[ast.AST, ...]:
    """Return all syntax nodes of all product modules."""
    files = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    return tuple(node for path in files for node in ast.walk(ast.parse(path.read_text())))


def _matches(pattern: re.Pattern[str]) -> Iterator[str]:
    """Yield every string of the source that matches the whole pattern."""
    texts = (_text_of(node) for node in _nodes())
    return (text for text in texts if text is not None and pattern.fullmatch(text))


def _events_in_sql() -> Iterator[str]:
    for path in sorted((ROOT / "sql").rglob("*.sql")):
        yield from _SQL_EVENT.findall(path.read_text())


def _members(alias: Any) -> Iterator[type[Any]]:
    for kind in get_args(alias):
        yield from _members(kind) if get_args(kind) else (kind,)


def _calls(name: str) -> Iterator[ast.Call]:
    for node in _nodes():
        if isinstance(node, ast.Call):
            called = node.func
            if name == (called.attr if isinstance(called, ast.Attribute) else _name_of(called)):
                yield node


def _name_of(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _text_of(node: ast.AST) -> str | None:
    """Return the string of a node, or None; ``{}`` stands for what an f-string fills in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        return "".join(map(str, parts))
    return None


def _fail_points() -> Iterator[str]:
    for way in ("at", "reach"):
        for call in _calls(way):
            of = call.func.value if isinstance(call.func, ast.Attribute) else None
            if isinstance(of, ast.Name) and of.id == "fail_point" and call.args:
                yield f"{way} {_text_of(call.args[0])}"


def _actors() -> Iterator[str]:
    """Yield the values of the label ``actor`` of metrics."""
    for node in _nodes():
        if isinstance(node, ast.ClassDef) and node.name.endswith("Actor") and node.name != "Actor":
            yield node.name.removesuffix("Actor")


def _job_types() -> Iterator[str]:
    """Yield the job types that nodes offer; a node that offers ``check`` is a verifier."""
    for module in pkgutil.iter_modules(plugins.__path__):
        loaded = importlib.import_module(f"{plugins.__name__}.{module.name}")
        for kind in vars(loaded).values():
            if isinstance(job_type := getattr(kind, "job_type", None), str):
                yield job_type


def _faults() -> Iterator[str]:
    """Yield the codes of faults that a refusal names."""
    for call in _calls("Fault"):
        code = _text_of(call.args[1]) if len(call.args) == 3 else None
        if code is not None and _CODE.fullmatch(code):
            yield code


def _settings() -> Iterator[str]:
    """Yield each setting with its default, and with the defaults of environments that differ."""
    for one in SETTINGS:
        yield f"{one.name} defaults {one.default!r}"
        for environment, default in one.declared.by_environment.items():
            yield f"{one.name} {environment} {default!r}"


def _keys() -> Iterator[str]:
    return (one.name for one in SETTINGS)
