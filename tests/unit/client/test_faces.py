"""Both clients have the same methods and import quickly; the blocking client is generated."""

import inspect
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import get_args, get_origin, get_type_hints

import pytest

import rendertrust
from rendertrust.client import AsyncClient, Client
from scripts.generate_sync_client import COMMAND, TARGET, generated

NAMES = sorted(name for name in dir(AsyncClient) if not name.startswith("_"))


def test_the_blocking_client_is_generated() -> None:
    source = TARGET.read_text()
    assert source == generated(source), f"run `{COMMAND}`, and commit what it writes"


def test_they_have_the_same_names() -> None:
    assert sorted(name for name in dir(Client) if not name.startswith("_")) == NAMES


@pytest.mark.parametrize("name", [name for name in NAMES if name != "url"])
def test_a_method_takes_the_same_and_gives_the_same(name: str) -> None:
    ours, theirs = getattr(AsyncClient, name), getattr(Client, name)
    _, *arguments = inspect.signature(ours).parameters.values()
    assert arguments == [*inspect.signature(theirs).parameters.values()][1:]
    assert inspect.getdoc(ours)
    assert inspect.getdoc(theirs) == inspect.getdoc(ours)
    given, got = get_type_hints(ours)["return"], get_type_hints(theirs)["return"]
    if get_origin(given) is AsyncIterator:
        assert get_origin(got) is Iterator
        assert get_args(got) == get_args(given)
        assert inspect.signature(theirs).return_annotation == got
    else:
        assert inspect.iscoroutinefunction(ours)
        assert got == given


def test_they_are_made_alike() -> None:
    ours, theirs = inspect.signature(AsyncClient), inspect.signature(Client)
    assert ours.parameters == theirs.parameters


def test_the_package_has_them_and_is_imported_without() -> None:
    assert (rendertrust.Client, rendertrust.AsyncClient) == (Client, AsyncClient)
    with pytest.raises(AttributeError, match="has no attribute 'Cleint'"):
        rendertrust.__getattr__("Cleint")
    code = "import sys, rendertrust; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
