"""Examples of docs/CLIENT.md and of the README, run unchanged against a real gateway."""

import asyncio
import inspect
import re
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest

from rendertrust.client import AsyncClient
from rendertrust.testing import FakeNode, completes
from tests.integration.web.test_preflights import REPORT
from tests.support.gateway_process import ROOT, Gateway
from tests.support.lent_engines import gateway_with

INSPECTS = completes(orjson.dumps(REPORT))
PASSWORD = "correct horse battery"
PEOPLE = count(1)
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
PAGES = ("docs/CLIENT.md", "README.md")
EXAMPLES = [
    pytest.param(block, id=f"{page}-{number}")
    for page in PAGES
    for number, block in enumerate(BLOCK.findall((ROOT / page).read_text()), start=1)
]


gateway = gateway_with()


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 8


@pytest.mark.parametrize("example", EXAMPLES)
async def test_an_example_does_what_it_says(
    gateway: Gateway, example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    email = f"reader{next(PEOPLE)}@example.org"
    known = await reader(gateway, email)
    (tmp_path / "scene.blend").write_bytes(b"BLENDER-v502" + email.encode())
    monkeypatch.chdir(tmp_path)
    code = example.replace("http://localhost:8000", gateway.url)
    code = code.replace("jane@example.org", email)
    if "FakeNode" in code:
        await asyncio.to_thread(run, code, known)
        return
    async with (
        FakeNode(gateway.url, behave=completes(b"\x89PNG\r\n\x1a\n a picture")),
        FakeNode(gateway.url, name="scout", capabilities=("preflight",), behave=INSPECTS),
    ):
        await asyncio.to_thread(run, code, known)


async def reader(gateway: Gateway, email: str) -> dict[str, Any]:
    """Register a user, and return the variables that an example may use."""
    async with AsyncClient(gateway.url) as client:
        await client.register(email, "Reader", PASSWORD)
        scopes = ["jobs:read", "jobs:write", "uploads:write", "credits:read"]
        key = await client.create_key("examples", scopes)
    return {"password": PASSWORD, "api_key": key.key}


def run(code: str, known: dict[str, Any]) -> None:
    """Execute the code block, and run the tests in it."""
    names: dict[str, Any] = {"__name__": "example", **known}
    exec(compile(code, "the page", "exec"), names)
    for name, value in list(names.items()):
        if name.startswith("test_") and inspect.iscoroutinefunction(value):
            asyncio.run(value())
