"""Tests that no program decides by a text that is meant for people."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("rendertrust", "config", "sql", "actors", "supervisors", "web", "extension")
FOLDERS = (*ROOMS, "tests", "docs", "bench", "scripts", "deploy")
NAMED_FILE = re.compile(rf"(?<![\w./-])(?:{'|'.join(FOLDERS)})/[a-z0-9_./-]+\.(?:py|sql|md)\b")
# Names of variables and members that hold texts for people.
TEXTS = frozenset(
    (
        *("detail", "details", "error", "error_message", "hint", "message", "note", "reason"),
        *("said", "told", "why", "words"),
    )
)
LOOKS = frozenset(
    (
        *("startswith", "endswith", "find", "index", "partition", "rpartition", "removeprefix"),
        *("match", "search", "fullmatch", "findall", "finditer"),
    )
)
# Modules that must read texts of foreign programs, because these give no codes.
FOREIGN = {
    "rendertrust/node/blender.py": "the error of bubblewrap",
    "rendertrust/node/gateway_key.py": "the error of OpenSSL",
    "rendertrust/node/worker/scene/loader.py": "the errors of Blender",
    "rendertrust/node/worker/ipc.py": "the errors and the progress of Blender",
    "rendertrust/node/plugins/render.py": "the last words of a Blender that died",
    "rendertrust/node/resource_monitor.py": "what Linux says of a process",
    "rendertrust/note.py": "signed notes",
    "sql/database.py": "the error of asyncpg for a pool that is closed",
    "supervisors/engines/chain_web3.py": "the errors of chains' nodes",
}


def name_of(node: ast.expr) -> str:
    """Return the name of a variable or member, or "" for other expressions.

    ``str(x)``, ``x.lower()``, ``x.strip()`` and ``x or y`` have the name of ``x``.
    """
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.BoolOp):
        return name_of(node.values[0])
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id == "str" and node.args:
            return name_of(node.args[0])
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("lower", "strip"):
            return name_of(node.func.value)
    return ""


def looks_into(node: ast.AST) -> bool:
    """Return whether an expression searches a text for people, or compares it with a sentence."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        searched = [node.func.value, *node.args[:2]]
        return node.func.attr in LOOKS and any(name_of(one) in TEXTS for one in searched)
    if isinstance(node, ast.Compare):
        is_in = any(isinstance(op, ast.In | ast.NotIn) for op in node.ops)
        sides = (node.left, *node.comparators)
        is_text = any(isinstance(side, ast.Constant | ast.JoinedStr) for side in sides)
        text_of = any(
            isinstance(side, ast.Call | ast.Attribute) and name_of(side) in (*TEXTS, "fault")
            for side in node.comparators
        )
        sentence = any(
            isinstance(side, ast.Constant) and isinstance(side.value, str) and " " in side.value
            for side in sides
        )
        return (is_in and text_of) or (
            is_text and sentence and any(name_of(side) in TEXTS for side in sides)
        )
    return False


def looks(room: str) -> Iterator[tuple[str, int]]:
    for path in sorted((ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if looks_into(node):
                yield path.relative_to(ROOT).as_posix(), getattr(node, "lineno", 0)


def test_no_program_looks_into_a_text_for_people() -> None:
    found = [place for room in ROOMS for place in looks(room)]
    ours = [f"{name}:{line}" for name, line in found if name not in FOREIGN]
    assert not ours, ours


def test_it_would_be_found() -> None:
    for text in (
        'error.detail.startswith("Entry ")',
        're.match("failed on", error_message)',
        "PATTERN.search(said)",
        '"gone" in str(error)',
        'unit.error_message == "another tile failed"',
        '(told.error or "").startswith("check")',
    ):
        assert any(looks_into(node) for node in ast.walk(ast.parse(text))), text
    for text in ('"asks" in said', 'reason == "cap"', 'path.startswith("/")', "error is None"):
        assert not any(looks_into(node) for node in ast.walk(ast.parse(text))), text


def named_files() -> Iterator[tuple[str, str]]:
    """Yield each file that a page, docstring or comment names, with the file that names it."""
    texts = [path for folder in (*ROOMS, "docs") for path in (ROOT / folder).rglob("*")]
    for path in sorted([*ROOT.glob("*.md"), *texts]):
        if path.suffix in (".md", ".py", ".sql"):
            for found in NAMED_FILE.findall(path.read_text()):
                yield path.relative_to(ROOT).as_posix(), found


def test_files_that_are_named_exist() -> None:
    found = list(named_files())
    assert len(found) > 100
    assert not [(by, file) for by, file in found if not (ROOT / file).exists()]
