"""Our two images, built from their files on a new Debian, and started."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import rendertrust
from tests.support.compose_farm import (
    command_of,
    farm,
    farm_machine,
    gateway_environment,
    settings_folder,
)
from tests.support.image_builds import (
    CAN_MAKE_A_BASE,
    HAS_BUILDAH,
    WHY,
    BuiltImages,
    ExecutedSteps,
    Images,
)
from tests.unit.deploy.test_container import words_of

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.heavy,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not CAN_MAKE_A_BASE, reason=WHY.format("debootstrap")),
]
GATEWAYS_USER = 10001


BUILDAH = pytest.mark.skipif(not HAS_BUILDAH, reason=WHY.format("buildah"))


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(BuiltImages, id="buildah", marks=BUILDAH),
        pytest.param(ExecutedSteps, id="steps"),
    ],
)
def images(request: pytest.FixtureRequest) -> Iterator[Images]:
    """Yield a builder of images with its base image."""
    with TemporaryDirectory(dir="/var/tmp") as folder:
        made: Images = request.param(Path(folder))
        made.make_base()
        yield made


async def test_the_gateways_image_serves_with_the_engines_of_the_compose_file(
    images: Images,
) -> None:
    container = images.build("gateway")
    with farm_machine() as machine:
        settings = settings_folder(machine, GATEWAYS_USER)
        mounts = {
            str(settings): "/etc/rendertrust",
            f"/etc/netns/{machine.host.name}/hosts": "/etc/hosts",
        }
        entry = json.loads(words_of("ENTRYPOINT")[0])
        command = [*entry, *command_of("gateway", {})]
        program = images.running(container, command, mounts, gateway_environment())
        async with farm(machine, program, images.environment):
            check = json.loads(words_of("HEALTHCHECK")[0].partition("CMD ")[2])
            code, said = await machine.call(*images.running(container, check), **images.environment)
            assert code == 0, said


async def test_the_nodes_image_has_its_program_and_blender(images: Images) -> None:
    container = images.build("node")

    def said(*words: str) -> tuple[int, str]:
        command = images.running(container, words)
        ran = subprocess.run(
            command,
            env=images.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return ran.returncode, ran.stdout + ran.stderr

    version = await asyncio.to_thread(said, "rendertrust", "--version")
    assert version == (0, f"rendertrust {rendertrust.__version__}\n")
    show = "import bpy, os; print(bpy.app.version_string, os.getuid())"
    code, found = await asyncio.to_thread(said, "python", "-c", show)
    assert (code, found.split()[-1]) == (0, "10002"), found
    entry = json.loads(words_of("ENTRYPOINT", "node")[0])
    code, found = await asyncio.to_thread(said, *entry, *json.loads(words_of("CMD", "node")[0]))
    assert code == 7, f"it has not joined a gateway: {found}"
