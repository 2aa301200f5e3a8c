"""A gateway with the engines and the settings of deploy/compose.yaml, without containers."""

import os
import sys

import pytest

from tests.support.compose_farm import (
    command_of,
    farm,
    farm_machine,
    gateway_environment,
    settings_folder,
)

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a network namespace"),
]


async def test_the_gateway_runs_with_the_engines_and_settings_of_the_file() -> None:
    plain = {name: value for name, value in os.environ.items() if "RENDERTRUST" not in name}
    with farm_machine() as machine:
        places = {
            "/etc/rendertrust": settings_folder(machine, owner=0),
            "/var/lib/rendertrust": machine.folder / "data",
        }
        program = [sys.executable, "-m", "rendertrust", *command_of("gateway", places)]
        async with farm(machine, program, plain | gateway_environment()):
            pass  # the scene was uploaded
