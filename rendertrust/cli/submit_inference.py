"""Submission of a model with rows: ``rendertrust submit model.onnx --inputs rows.npz``."""

import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from rendertrust.cli import exit_codes, job_options, job_outcome, path_checks, value_text
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.scene_dependencies import SceneBundle
from rendertrust.inference.onnx_model import MODEL_BYTES_MAX, ModelFault, ModelInput, read_model
from rendertrust.inference.row_plan import (
    BATCH_MAX,
    MODEL,
    ROWS_PER_UNIT,
    ROWS_PER_UNIT_MAX,
    RowFault,
    RowPlan,
)
from rendertrust.job_name import job_name
from rendertrust.job_types import INFERENCE
from rendertrust.program_version import extra_command

if TYPE_CHECKING:
    from rendertrust.cli.output import Printer
    from rendertrust.client import AsyncClient, Job
    from rendertrust.job_spec import JobSpec

SUFFIX: Final = ".onnx"
HINT: Final = "What nodes run, and how to write rows: the page Run a model, in the documentation."
# Options that describe pictures, or that rows have in another form.
NOT_OF_ROWS: Final = (
    *("frame", "frames", "chunk", "tiles", "width", "height", "samples", "format", "video"),
    *("as_is", "estimate", "order", "addons"),
)
inputs_option = click.option(
    "--inputs",
    type=click.Path(path_type=Path),
    metavar="ROWS.npz",
    help="For a model (.onnx): the rows that it computes, one array for each of its inputs.",
)
rows_option = click.option(
    "--rows-per-unit",
    type=click.IntRange(1, ROWS_PER_UNIT_MAX),
    help=f"For a model: the rows of a unit, which one node computes (default {ROWS_PER_UNIT}).",
)
batch_option = click.option(
    "--batch",
    type=click.IntRange(1, BATCH_MAX),
    help="For a model: the rows that it computes together (default 16, or what the model fixes).",
)


def options(command: Any) -> Any:
    """Add the options of models to a command."""
    return inputs_option(rows_option(batch_option(command)))


def is_model(path: Path) -> bool:
    """Return True if the file is a model by its name."""
    return path.suffix.lower() == SUFFIX


def require_scene(given: Mapping[str, Any]) -> None:
    """Raise UsageError if an option of models is given with a scene."""
    for name in ("inputs", "rows_per_unit", "batch"):
        if given[name] is not None:
            flag = name.replace("_", "-")
            raise click.UsageError(f"--{flag} needs a model: rendertrust submit MODEL.onnx …")


@attrs.frozen
class RowJob:
    """A job of rows. ``out``: where the results of all rows are saved; None: nowhere."""

    spec: "JobSpec"
    files: SceneBundle
    plan: RowPlan
    out: Path | None

    @property
    def words(self) -> str:
        """The job for people: ``10,000 rows in 10 units``."""
        units = "one unit" if self.plan.units == 1 else f"{self.plan.units} units"
        return f"{self.plan.rows:,} rows in {units}"

    async def finish(self, output: "Printer", client: "AsyncClient", job: "Job") -> None:
        """Save the results of all rows, in their order, to one file."""
        from rendertrust.inference.arrays import ArrayFault
        from rendertrust.inference.shards import join

        job_outcome.require_completed(job)
        if (charged := job_outcome.charge(job)) is not None:
            output.say(charged)
        if self.out is None:
            output.note(f"Download the results: rendertrust jobs download {job.id} --out .")
            return
        with tempfile.TemporaryDirectory(prefix="rendertrust-", dir=self.out.parent) as folder:
            paths = [
                await client.download_unit(job.id, number, Path(folder) / f"{number}.npz")
                for number in range(self.plan.units)
            ]
            whole = Path(folder) / "whole.npz"
            try:
                join(paths, self.plan, whole)
            except ArrayFault as fault:
                raise CommandExit(Exit(exit_codes.FAILURE, "rows", str(fault), "")) from fault
            whole.replace(self.out)
        size = self.out.stat().st_size
        output.document({"event": "saved", "job_id": job.id, "path": str(self.out), "bytes": size})
        output.say(f"Saved {self.out} ({self.plan.rows:,} rows).")


def row_job(path: Path, given: Mapping[str, Any], folder: Path) -> RowJob:
    """Return the job of a model and its rows, which are written to ``folder`` unit by unit.

    End the command if nodes do not run the model, or the rows do not fit.
    """
    if given["inputs"] is None:
        raise click.UsageError("a model needs rows: --inputs ROWS.npz")
    for name in NOT_OF_ROWS:
        if given[name]:
            flag = "addon" if name == "addons" else name.replace("_", "-")
            raise click.UsageError(f"--{flag} is for scenes, not for models")
    if find_spec("numpy") is None:
        raise click.UsageError(f"rows need NumPy; run: {extra_command('inference')}")
    from rendertrust.inference.arrays import ArrayFault
    from rendertrust.inference.shards import PlanOfRows, cut

    plan_of_rows = PlanOfRows(given["rows_per_unit"] or ROWS_PER_UNIT, given["batch"])
    try:
        found = cut(given["inputs"], _inputs_of(path), plan_of_rows, folder)
    except OSError as fault:
        raise click.UsageError(f"{fault.filename} cannot be read: {fault.strerror}") from fault
    except (ModelFault, ArrayFault, RowFault) as fault:
        why = f"{value_text.harmless(str(fault))}; nothing was sent"
        raise CommandExit(Exit(exit_codes.FAILURE, "model", why, HINT)) from fault
    spec = attrs.evolve(
        job_options.spec_of(given),
        job_type=INFERENCE,
        params=found.plan.params(),
        frames=found.plan.frames,
        name=given["name"] or job_name(path.stem) or None,
    )
    out = None if given["out"] is None else path_checks.placed(given["out"])
    return RowJob(spec, SceneBundle(MODEL, {MODEL: path, **found.files}), found.plan, out)


def _inputs_of(model: Path) -> Mapping[str, ModelInput]:
    """Return what a model takes. Raises ModelFault, OSError."""
    if model.stat().st_size > MODEL_BYTES_MAX:
        raise ModelFault(f"the model is larger than {MODEL_BYTES_MAX >> 20} MiB")
    return read_model(model.read_bytes()).inputs
