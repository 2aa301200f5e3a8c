"""Codes of refusals: every refusal of the API has a code, and every code is documented and used."""

import ast
from collections.abc import Iterator
from pathlib import Path

from rendertrust.api.refusal_code import OF_STATUS, RefusalCode, table
from web.http.problem import Problem, invalid, unavailable

ROOT = Path(__file__).resolve().parents[3]
# Files in which the code follows from the status: aiohttp's refusals, and examples.
BY_STATUS = {
    "web/http/problem.py",
    "web/middleware/problem_responses.py",
    "web/openapi/error_responses.py",
}


def sources() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "web").rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), path.read_text()


def test_every_refusal_of_the_api_names_its_code() -> None:
    """Pages of the console are left out, as they show no codes."""
    for name, text in sources():
        if name in BY_STATUS or name.startswith("web/console/"):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                is_refusal = node.func.id in ("Problem", "unavailable")
                named = {keyword.arg for keyword in node.keywords}
                assert not is_refusal or "code" in named, f"{name}:{node.lineno} names no code"


def test_every_code_is_given_somewhere() -> None:
    text = "".join(text for _, text in sources())
    unused = [code for code in RefusalCode if f"RefusalCode.{code.name}" not in text]
    assert set(unused) <= {*OF_STATUS.values()}


def test_the_document_lists_every_code() -> None:
    assert table() in (ROOT / "docs/API.md").read_text()


def test_a_refusal_has_the_code_of_its_status_unless_it_names_one() -> None:
    assert Problem(404, "no").body("r")["code"] == "not_found"
    assert Problem(599, "no").code is RefusalCode.INTERNAL_ERROR
    assert Problem(499, "no").code is RefusalCode.BAD_REQUEST
    assert unavailable("no").code is RefusalCode.UNAVAILABLE
    assert invalid([]).code is RefusalCode.INVALID_REQUEST
    named = Problem(404, "no", code=RefusalCode.JOB_NOT_FOUND)
    assert named.body("r") == {
        "detail": "no",
        "code": "job_not_found",
        "type": "/help/errors/#job_not_found",
        "title": "Not Found",
        "status": 404,
        "request_id": "r",
    }
