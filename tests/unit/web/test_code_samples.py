"""Code samples in the OpenAPI document: they parse, and send what the operation declares."""

import ast
import json
import re
import shlex
import subprocess

import pytest

from scripts.nodejs import NODE
from web.http.operations import Audience, Operation
from web.openapi.code_samples import code_samples
from web.routes import OPERATIONS

SHOWN = [operation for operation in OPERATIONS if not operation.hidden]


def sample(operation: Operation, label: str) -> str:
    (found,) = [each["source"] for each in code_samples(operation) if each["label"] == label]
    return str(found)


def name_of(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


@pytest.mark.parametrize("operation", SHOWN, ids=name_of)
def test_the_command_is_the_request(operation: Operation) -> None:
    words = shlex.split(sample(operation, "curl").replace("\\\n", " "))
    (address,) = [word for word in words if word.startswith("$RENDERTRUST_URL/")]
    path = re.sub(r"\$(\w+)", lambda found: f"{{{found[1].lower()}}}", address[16:])
    assert path.partition("?")[0] == operation.path
    assert (words[words.index("-X") + 1] if "-X" in words else "GET") == operation.method
    sent = json.loads(words[words.index("-d") + 1]) if "-d" in words else None
    assert sent == operation.request_example
    assert any("Bearer" in word for word in words) is (operation.audience is not Audience.PUBLIC)


@pytest.mark.parametrize("operation", SHOWN, ids=name_of)
def test_the_program_is_python_that_sends_the_example(operation: Operation) -> None:
    calls = [
        node
        for node in ast.walk(ast.parse(sample(operation, "Python")))
        if isinstance(node, ast.Call)
    ]
    (call,) = [each for each in calls if ast.unparse(each.func).startswith("requests.")]
    assert ast.unparse(call.func) == f"requests.{operation.method.lower()}"
    bodies = [ast.literal_eval(each.value) for each in call.keywords if each.arg == "json"]
    assert bodies == ([] if operation.request_example is None else [operation.request_example])


@pytest.mark.heavy
def test_every_module_is_javascript() -> None:
    sources = [f"async () => {{ {sample(operation, 'TypeScript')} }}" for operation in SHOWN]
    text = ";\n".join(sources)
    command = [str(NODE), "--check", "--input-type=module", "-"]
    done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]
