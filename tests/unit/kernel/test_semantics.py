"""Tests that the runtime semantics in the docs and the docstrings of tests are the same."""

import ast
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[3]
ROOMS = ("tests/unit/kernel", "tests/unit/supervisors")


def promises() -> list[str]:
    text = (ROOT / "docs/RUNTIME-SEMANTICS.md").read_text()
    return re.findall(r"^\* (.+)$", text, re.MULTILINE)


def docstrings() -> list[str]:
    found: list[str] = []
    for room in ROOMS:
        for path in sorted((ROOT / room).glob("test_*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    carried = ast.get_docstring(node) if node.name.startswith("test_") else None
                    if carried is not None:
                        found.append(" ".join(carried.split()))
    return found


def test_every_promise_is_carried_by_a_test() -> None:
    carried = set(docstrings())
    assert [promise for promise in promises() if promise not in carried] == []


def test_every_test_with_a_promise_is_in_the_contract() -> None:
    written = set(promises())
    assert [carried for carried in docstrings() if carried not in written] == []


def test_no_promise_is_made_twice() -> None:
    assert [promise for promise, times in Counter(promises()).items() if times > 1] == []
