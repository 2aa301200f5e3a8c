"""Forms of new jobs, in the console and in Blender: they offer exactly what a ``JobSpec`` has."""

import ast
from pathlib import Path
from typing import Any, get_args

import attrs
import pytest

from rendertrust.job_spec import JobSpec, Order, Pool, Priority, RenderParams
from web.console.pages import new_job

EXTENSION = Path(__file__).resolve().parents[3] / "extension/state.py"
# Members of a JobSpec that a form leaves out. The console asks for the price and the preflight
# itself.
NOT_IN_CONSOLE = {"needs", "as_is", "quoted", "saved_by"}
DRAFT = {"scene_name", "scene_range", "what", "bought"}  # what a draft has beside the terms
# The extension fills in these by itself, or leaves them to the account; a term that artists choose
# is in ``TERMS``.
NOT_IN_EXTENSION = {
    *("job_type", "payload_ref", "params", "queue", "manifest", "frames", "tiles", "needs"),
    *("as_is", "quoted", "name", "notify", "webhook", "saved_by"),
}
CHOICES: dict[str, Any] = {"PRIORITIES": Priority, "POOLS": Pool, "ORDERS": Order}


def names_of(kind: type[Any]) -> set[str]:
    return {field.name for field in attrs.fields(kind)}


def in_extension(name: str) -> Any:
    """Return a constant of the extension, which only Blender can import."""
    for node in ast.parse(EXTENSION.read_text()).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        target = node.target if isinstance(node, ast.AnnAssign) else target
        if isinstance(target, ast.Name) and target.id == name:
            assert isinstance(node, ast.Assign | ast.AnnAssign)
            assert node.value is not None
            return ast.literal_eval(node.value)
    raise AssertionError(name)


def test_the_console_asks_for_each_term_of_a_job() -> None:
    terms = names_of(JobSpec) - NOT_IN_CONSOLE - {"job_type"}
    params = names_of(RenderParams) - {"frame", "noisy"}  # ``frames``; JSON in ``params``
    assert names_of(new_job.NewJobQuery) == {"type", *terms, *params, *DRAFT}


def test_the_console_offers_each_choice() -> None:
    assert set(new_job.ORDERS) == set(get_args(Order))
    assert set(new_job.POOLS) == set(get_args(Pool))


@pytest.mark.parametrize(("name", "kind"), CHOICES.items())
def test_the_extension_offers_each_choice(name: str, kind: Any) -> None:
    assert list(in_extension(name)) == list(get_args(kind))


def test_the_extension_asks_for_each_term_of_a_job() -> None:
    assert {*in_extension("TERMS")} == names_of(JobSpec) - NOT_IN_EXTENSION
