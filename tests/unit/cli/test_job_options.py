"""Options of the command line that describe a job, one for each field of ``JobSpec``."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner

from rendertrust.cli import submit_inference
from rendertrust.cli.job_options import job_options, spec_of
from rendertrust.cli.submit_inference import RowJob
from rendertrust.inference.arrays import write_arrays
from rendertrust.job_name import is_job_name
from rendertrust.job_spec import JobSpec, NodeNeeds
from tests.support.onnx_models import perceptron


def described(*words: str) -> JobSpec:
    """Return the specification that a command with these options submits."""
    found: list[JobSpec] = []

    @click.command()
    @job_options
    def command(**options: Any) -> None:
        found.append(spec_of(options))

    done = CliRunner().invoke(command, words, standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return found[0]


@pytest.mark.parametrize(
    ("stem", "name"), [("digits v2", "digits v2"), ("a" * 120, "a" * 100)], ids=["short", "long"]
)
def test_a_job_of_rows_is_named_by_its_model(tmp_path: Path, stem: str, name: str) -> None:
    found: list[RowJob] = []

    @click.command()
    @job_options
    @submit_inference.options
    def command(**given: Any) -> None:
        options = given | {"estimate": False, "out": None, "addons": ()}
        found.append(submit_inference.row_job(tmp_path / f"{stem}.onnx", options, tmp_path))

    (tmp_path / f"{stem}.onnx").write_bytes(perceptron(width=2))
    write_arrays(tmp_path / "rows.npz", {"x": np.ones((3, 2), "f4")})
    words = ["--inputs", str(tmp_path / "rows.npz")]
    assert CliRunner().invoke(command, words, standalone_mode=False).exception is None
    assert found[0].spec.name == name
    assert is_job_name(name)


def test_without_options_everything_has_its_default() -> None:
    assert described() == JobSpec("render")


def test_each_option_is_a_field_of_the_job() -> None:
    words = "--frames 1-8 --chunk 2 --order middle_first --priority high --max-credits 12.5"
    more = "--pool mine --as-is --queue --width 64 --height 32 --samples 4 --format jpg --or-newer"
    needs = ("--needs", "vram=8G,blender=5.2", "--needs", "alike")
    assert described(*words.split(), *more.split(), *needs) == JobSpec(
        "render",
        params={"width": 64, "height": 32, "samples": 4, "format": "JPEG"},
        frames="1-8",
        chunk=2,
        order="middle_first",
        priority="high",
        max_credits="12.5",
        pool="mine",
        needs=NodeNeeds(device="gpu", vram=8 << 30, blender="5.2", alike=True),
        queue=True,
        as_is=True,
        or_newer=True,
    )
    start = datetime(2027, 1, 31, 18, tzinfo=UTC)
    for words in ("2027-01-31T18:00Z", "2027-01-31 18:00", "2027-01-31T19:00+01:00"):
        assert described("--start-after", words) == JobSpec("render", start_after=start)
    assert described("--frame", "0") == JobSpec("render", params={"frame": 0})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--width 64", "together"),
        ("--chunk 1", "--chunk needs --frames"),
        ("--order sequential", "--order needs --frames"),
        ("--frames 1-2 --frame 1", "either --frame"),
        ("--frames 1-2 --tiles 2x2 --chunk 2", "leave out --chunk"),
        ("--frames 1-2 --chunk 65", "1<=x<=64"),
        ("--frames 1-2 --tiles 0x2", "COLUMNSxROWS"),
        ("--samples 0", "1<=x<=65536"),
        ("--start-after tomorrow", "write a time like 2027-01-31T18:00Z"),
    ],
)
def test_options_that_do_not_go_together_are_a_usage_error(words: str, said: str) -> None:
    with pytest.raises(click.UsageError, match=said):
        described(*words.split())
