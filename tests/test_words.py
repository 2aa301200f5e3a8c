"""Tests that no program decides by a text that is meant for people."""

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TypeAlias

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
# Those of them that never hold a code: a comparison with any string decides by a text.
ALWAYS_TEXTS = frozenset(("detail", "error_message", "hint", "message", "said", "words"))
GLOSSARY_MOST = 120  # rows
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
# What a name stands for: a value, or a name of another module.
Constants: TypeAlias = Mapping[str, ast.expr | tuple[str, str]]


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


@cache
def module(name: str) -> ast.Module:
    """Return the syntax tree of a module of ours; an empty one for others."""
    path = ROOT / name.replace(".", "/")
    files = (path.with_suffix(".py"), path / "__init__.py")
    return ast.parse("".join(file.read_text() for file in files if file.exists()))


def constants_of(tree: ast.Module) -> Constants:
    """Return what a module's names stand for: a value, or a name of another module."""
    found: dict[str, ast.expr | tuple[str, str]] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {of.asname or of.name: (node.module, of.name) for of in node.names}
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            found[name_of(node.target)] = node.value
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                found |= dict(named(target, node.value))
    return found


@cache
def constants_of_module(name: str) -> Constants:
    return constants_of(module(name))


def named(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Yield each name that an assignment gives to a value."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, of in zip(target.elts, value.elts, strict=True):
            yield from named(one, of)
    else:
        yield name_of(target), value


def strings_of(node: ast.expr, constants: Constants) -> Iterator[str]:
    """Yield the strings that an expression is, or contains as a collection."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield ast.unparse(node)
    elif isinstance(node, ast.Tuple | ast.List | ast.Set):
        for one in node.elts:
            yield from strings_of(one, constants)
    elif isinstance(node, ast.Name):
        value = constants.get(node.id)
        if isinstance(value, tuple):
            yield from strings_of(ast.Name(value[1]), constants_of_module(value[0]))
        elif value is not None:
            yield from strings_of(value, constants)
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        of = constants.get(node.value.id)
        if isinstance(of, tuple):
            yield from strings_of(ast.Name(node.attr), constants_of_module(".".join(of)))


def looks_into(node: ast.AST, constants: Constants | None = None) -> bool:
    """Return whether an expression searches a text for people, or compares it with a sentence.

    ``constants``: what names in the expression stand for.
    """
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        searched = [node.func.value, *node.args[:2]]
        return node.func.attr in LOOKS and any(name_of(one) in TEXTS for one in searched)
    if isinstance(node, ast.Compare):
        is_in = any(isinstance(op, ast.In | ast.NotIn) for op in node.ops)
        sides = (node.left, *node.comparators)
        names = {name_of(side) for side in sides}
        text_of = any(
            isinstance(side, ast.Call | ast.Attribute) and name_of(side) in (*TEXTS, "fault")
            for side in node.comparators
        )
        strings = [one for side in sides for one in strings_of(side, constants or {})]
        is_sentence = any(" " in one for one in strings) and bool(names & TEXTS)
        # ``"key" in said`` asks for a key of a mapping
        asked = {name_of(node.left)} if is_in else names
        is_any = any(strings) and bool(asked & ALWAYS_TEXTS)
        return (is_in and text_of) or is_sentence or is_any
    return False


def looks(room: str) -> Iterator[tuple[str, int]]:
    for path in sorted((ROOT / room).rglob("*.py")):
        tree = ast.parse(path.read_text())
        constants = constants_of(tree)
        for node in ast.walk(tree):
            if looks_into(node, constants):
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
        'row.said == "other-seeds"',
        'SEEDS: Final = "other-seeds"\nrow.said == SEEDS',
        'SEEDS = "other-seeds"\nverdict.said in (SEEDS, DRIVER)',
        'SEEDS, DRIVER = "other-seeds", "other-driver"\nBOTH = (SEEDS, DRIVER)\nsaid in BOTH',
        "from rendertrust.verdict_reason import OFF as off\nrow.said != off",
        "from rendertrust import verdict_reason\nrow.said != verdict_reason.OFF",
        'LATER: Final = "try again later"\nwhy in (LATER, ASK)',
    ):
        assert found_in(text), text
    for text in (
        *('"asks" in said', 'reason == "cap"', 'path.startswith("/")', "error is None"),
        *('said == ""', 'CAP = "cap"\nreason == CAP', "NO = 1\nsaid == NO", "said == unknown"),
    ):
        assert not found_in(text), text


def found_in(text: str) -> bool:
    tree = ast.parse(text)
    return any(looks_into(node, constants_of(tree)) for node in ast.walk(tree))


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


def test_the_glossary_has_one_row_for_each_of_few_words() -> None:
    lines = (ROOT / "docs/glossary.md").read_text().splitlines()
    rows = [line.split(" | ") for line in lines if line.startswith("| ")]
    words = [row[0].removeprefix("| ") for row in rows if row[0] not in ("| Word", "| ---")]
    assert 100 < len(words) <= GLOSSARY_MOST
    assert {len(row) for row in rows} == {3}
    each = [word for one in words for word in one.split(", ")]
    assert len(each) == len(set(each))


def test_each_page_says_first_for_whom_it_is() -> None:
    for path in sorted((ROOT / "docs").glob("*.md")):
        first = path.read_text().partition("\n\n")[2].partition(".")[0]
        assert first.startswith("This page is for "), path.name


def undescribed_patterns(path: Path) -> Iterator[int]:
    """Yield the line of each limit of a text that has a pattern, and no words for people."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("Meta", "Limits"):
            named = {keyword.arg for keyword in node.keywords}
            if "pattern" in named and "description" not in named:
                yield node.lineno


def test_each_pattern_of_a_request_has_words_for_its_error() -> None:
    files = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    assert len(files) > 100
    found = [(path.name, line) for path in files for line in undescribed_patterns(path)]
    assert not found, "add a description, which completes: must be …"
