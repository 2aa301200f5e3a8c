"""Headers of evidence do not depend on the number of samples.

A trial gives a verifier evidence with another number of samples than the order states. The verifier
must not be able to tell trials from checks.
"""

import asyncio
import io
from pathlib import Path

import pytest

from rendertrust.node.plugins.render import RenderPlugin
from rendertrust.node.worker.formats.exr import heads_of
from tests.integration.node.checks import Files, Stage

pytestmark = [pytest.mark.render, pytest.mark.heavy]


def test_two_numbers_of_samples_have_one_head(
    render: RenderPlugin, artists: Path, tmp_path: Path
) -> None:
    stage = Stage(tmp_path, render, artists, Files(b"", None))
    heads = list[object]()
    for samples in (4, 16):
        made = asyncio.run(stage.delivered(f"of-{samples}", stage.scene, samples=samples))
        assert made.evidence is not None
        heads.append(heads_of(io.BytesIO(made.evidence)))
        assert b"cycles." not in made.evidence[:20_000]
    assert heads[0] == heads[1]
