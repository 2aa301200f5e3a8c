"""``rendertrust verify --scene``: renders a receipt's frame again and compares the pictures."""

import hashlib
import os
import random
import secrets
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from rendertrust.cli import exit_codes, value_text
from rendertrust.cli.unix_only import refuse_on_windows

if TYPE_CHECKING:
    from rendertrust.cli.output import Printer
    from rendertrust.manifest import Manifest
    from rendertrust.node.blender import Blender
    from rendertrust.node.local_rerender import RerenderRequest, RerenderResult
    from rendertrust.node.plugin import Failed
    from rendertrust.proof_check import Step
    from rendertrust.receipt import Receipt
    from rendertrust.receipt_check import PictureFile
    from rendertrust.receipt_rerender import Judgement, RerenderReport, RerenderSubject

FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True)
FOLDER: Final = click.Path(path_type=Path, file_okay=False, exists=True)
MANIFEST_BYTES_MAX: Final = 4 << 20
RUNTIME_SECONDS_MAX: Final = 7 * 86_400.0
SUFFIX: Final = ".verify.png"
FAULTS_SHOWN: Final = 20
_PIECE: Final = 1 << 20
_OPTIONS: Final = (
    click.option("--scene", type=FILE, help="Render the receipt's frame again from this scene."),
    click.option(
        "--files",
        "linked",
        type=FOLDER,
        help="The folder with the scene's linked files, at the paths under which they were sent.",
    ),
    click.option(
        "--manifest", type=FILE, help="The list of the job's files, from `jobs receipt --manifest`."
    ),
    click.option(
        "--evidence",
        type=FILE,
        help="The frame's passes, from `jobs download --evidence`. With them, regions are enough "
        "for a denoised or composited scene.",
    ),
    click.option(
        "--regions",
        type=click.IntRange(1, 64),
        default=12,
        show_default=True,
        help="Render this many regions, each about a hundredth of the frame.",
    ),
    click.option("--whole", is_flag=True, help="Render the whole frame instead of regions."),
    click.option(
        "--picture",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The side-by-side PNG (default: beside the frame).",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**32 - 1),
        help="Choose the same regions as an earlier run that printed this number.",
    ),
    click.option(
        "--unsafe-no-sandbox",
        is_flag=True,
        help="If there is no sandbox, render without a sandbox; a stranger's file may do harm.",
    ),
)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of re-rendering to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@attrs.frozen(kw_only=True)
class RerenderOptions:
    """The options of a re-render. ``seed`` is drawn if the user gave no seed."""

    scene: Path
    linked: Path | None
    manifest: Path | None
    evidence: Path | None
    regions: int
    whole: bool
    picture: Path | None
    seed: int
    unsafe_no_sandbox: bool


def wish_of(given: Mapping[str, Any]) -> RerenderOptions | None:
    """Return the options; return None without a scene and options.

    Raise UsageError for options without a scene.
    """
    if given["scene"] is not None:
        asked: dict[str, Any] = dict(given)
        asked["seed"] = secrets.randbits(32) if given["seed"] is None else given["seed"]
        return RerenderOptions(**asked)
    for name in ("linked", "manifest", "evidence", "whole", "picture", "seed", "unsafe_no_sandbox"):
        if given[name] is not None and given[name] is not False:
            option = "files" if name == "linked" else name.replace("_", "-")
            raise click.UsageError(f"--{option} needs --scene")
    return None


@attrs.frozen(kw_only=True)
class DeliveredFrame:
    """A valid receipt, and the picture of the receipt at ``path``."""

    receipt: "Receipt"
    picture: "PictureFile"
    path: Path


@attrs.define
class RerenderOutcome:
    """The steps, comparison and verdict of a re-render, for people and programs."""

    steps: "list[Step]" = attrs.field(factory=list)
    verdict: str = "different"
    reason: str = ""
    report: "RerenderReport | None" = None
    shown: Path | None = None
    size: tuple[int, int] | None = None  # size of the frame, from the receipt

    @property
    def is_open(self) -> bool:
        """True if no step has failed yet."""
        return all(step.holds for step in self.steps)

    def ended(self, judgement: "Judgement") -> "RerenderOutcome":
        """Return the outcome with its verdict."""
        self.verdict, self.reason = judgement.verdict, judgement.reason
        return self


def run(output: "Printer", wish: RerenderOptions, delivered: DeliveredFrame) -> int:
    """Render the frame again, print the outcome and return the exit code."""
    outcome = repeated(output, wish, delivered)
    tell(output, wish, delivered.path, outcome)
    return exit_code(outcome)


def repeated(
    output: "Printer", wish: RerenderOptions, delivered: DeliveredFrame
) -> RerenderOutcome:
    """Check that scene and files match the receipt.

    Then render the frame, and compare the pictures.
    """
    from rendertrust.receipt_rerender import DIFFERENT, UNDECIDED, Judgement, subject_of

    outcome = RerenderOutcome(size=size_of(delivered.receipt))
    subject = subject_of(delivered.receipt, delivered.picture)
    if isinstance(subject, str):
        return outcome.ended(Judgement(UNDECIDED, subject))
    if subject.scene is not None:
        outcome.steps.append(scene_step(wish.scene, subject.scene))
    if wish.evidence is not None:
        outcome.steps.append(evidence_step(wish.evidence, subject.evidence))
    if not outcome.is_open:
        return outcome.ended(
            Judgement(DIFFERENT, "the scene or the evidence does not match the receipt")
        )
    with gathered(output, wish, subject) as found:
        outcome.steps += found.steps
        if not outcome.is_open:
            return outcome.ended(Judgement(DIFFERENT, "the files do not match the receipt"))
        return _rendered(output, wish, delivered, (subject, found, outcome))


def size_of(receipt: "Receipt") -> tuple[int, int] | None:
    """Return width and height of the picture.

    Return None if the receipt is not for a single picture.
    """
    from rendertrust.json_values import members

    pixels = members(receipt.work.document["pixels"])
    sides = pixels.get("width"), pixels.get("height")
    found = [side for side in sides if type(side) is int and side > 0]
    return (found[0], found[1]) if len(found) == len(sides) else None


def scene_step(scene: Path, wanted: str) -> "Step":
    """Check that the scene's SHA-256 is ``wanted``, from the receipt or from its list of files."""
    from rendertrust.proof_check import Step

    found = sha256_of(scene)
    if found == wanted:
        return Step("scene", True, f"{scene.name} is the scene that the receipt names")
    said = (
        f"{scene.name} is not the scene that the receipt names: its SHA-256 is {found}, the "
        f"receipt's is {wanted}; Blender writes a different file at every save"
    )
    return Step("scene", False, said)


def evidence_step(evidence: Path, wanted: str | None) -> "Step":
    """Check that the receipt names the SHA-256 of the evidence."""
    from rendertrust.proof_check import Step

    if wanted is None:
        return Step("evidence", False, "the receipt names no evidence")
    if sha256_of(evidence) != wanted:
        return Step(
            "evidence", False, f"{evidence.name} is not the evidence that the receipt names"
        )
    return Step("evidence", True, f"{evidence.name} is the evidence that the receipt names")


# ── the files ────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen(kw_only=True)
class SceneInputs:
    """The inputs by path, and the path ``scene`` of the scene.

    ``is_known`` is True if the inputs match the receipt.
    """

    files: Mapping[str, Path]
    scene: str
    steps: "tuple[Step, ...]" = ()
    is_known: bool = True


@contextmanager
def gathered(
    output: "Printer", wish: RerenderOptions, subject: "RerenderSubject"
) -> Generator[SceneInputs]:
    """Yield the scene with the receipt's files.

    The files come from --files. Without --files, the files come from the scene's folder if the
    folder has all files of --manifest. Otherwise this machine's Blender finds the files as for
    ``rendertrust submit``.
    """
    from rendertrust.cli.scene_dependencies import ALONE, packed

    if subject.manifest is None:
        yield SceneInputs(files={ALONE: wish.scene}, scene=ALONE)
        return
    manifest = None if wish.manifest is None else _listed(wish.manifest, subject)
    if isinstance(manifest, SceneInputs):
        yield manifest
        return
    place = subject.place or ALONE
    folder = project_of(wish.scene, place) if wish.linked is None else wish.linked
    if manifest is not None:
        step = scene_step(wish.scene, manifest.by_path[place].sha256)
        if not step.holds:  # do not open a scene that does not match the receipt
            yield SceneInputs(files={}, scene=place, steps=(step,))
            return
    own = {**in_folder(folder, manifest, wish.linked), place: wish.scene}
    is_complete = manifest is not None and not manifest.by_path.keys() - own.keys()
    if wish.linked is not None or is_complete:
        yield held_against(own, place, manifest)
        return
    frames = () if subject.frame is None else (subject.frame,)
    found = packed(output, wish.scene, frames if manifest is None else None, as_is=True)
    with found.written() as sent:
        yield held_against({**sent, **own}, place, manifest)


def _listed(path: Path, subject: "RerenderSubject") -> "Manifest | SceneInputs":
    """Return the list of files, or inputs with a failed step on why the list is wrong."""
    from rendertrust.proof_check import Step
    from rendertrust.receipt_rerender import listed

    with path.open("rb") as file:
        read = listed(file.read(MANIFEST_BYTES_MAX + 1), subject)
    if not isinstance(read, str):
        return read
    return SceneInputs(files={}, scene="", steps=(Step("files", False, f"{path.name}: {read}"),))


def project_of(scene: Path, place: str) -> Path | None:
    """Return the folder in which the scene has the path ``place``.

    Return None if the scene was moved.
    """
    parts, absolute = Path(place).parts, scene.absolute()
    if absolute.parts[-len(parts) :] != parts:
        return None
    return absolute.parents[len(parts) - 1]


def in_folder(
    folder: Path | None, manifest: "Manifest | None", named: Path | None
) -> dict[str, Path]:
    """Return the folder's files by path: the files in the manifest, or all of a ``named`` folder.

    Raise UsageError for too many files.
    """
    from rendertrust.manifest import FILES_MAX

    if folder is None or (manifest is None and named is None):
        return {}
    if manifest is not None:
        listed = {entry.path: folder / entry.path for entry in manifest.files}
        return {path: file for path, file in listed.items() if file.is_file()}
    found: dict[str, Path] = {}
    for place, _, names in os.walk(folder):
        files = (Path(place) / name for name in names)
        found |= {file.relative_to(folder).as_posix(): file for file in files if file.is_file()}
        if len(found) > FILES_MAX:
            words = (
                f"{folder} has over {FILES_MAX} files; name a folder that has only the job's files"
            )
            raise click.UsageError(words)
    return found


def held_against(files: Mapping[str, Path], place: str, manifest: "Manifest | None") -> SceneInputs:
    """Compare the files with the manifest that was sent with the job."""
    from rendertrust.proof_check import Step
    from rendertrust.receipt_rerender import differing

    if manifest is None:
        what = f"{place} and {len(files) - 1} files beside it"
        said = f"{what}; the receipt has only the hash of the list of files (--manifest)"
        return SceneInputs(
            files=files, scene=place, steps=(Step("files", True, said),), is_known=False
        )
    kept = {path: file for path, file in files.items() if path in manifest.by_path}
    faults = differing(manifest, {path: sha256_of(file) for path, file in kept.items()})
    steps = [Step("files", False, fault) for fault in faults[:FAULTS_SHOWN]]
    if len(faults) > FAULTS_SHOWN:
        steps.append(Step("files", False, f"… and {len(faults) - FAULTS_SHOWN} more"))
    if not faults:
        said = f"the scene and {len(kept) - 1} files beside it match the receipt"
        steps.append(Step("files", True, said))
    return SceneInputs(files=kept, scene=place, steps=tuple(steps))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


# ── rendering ────────────────────────────────────────────────────────────────────────────────────


def _rendered(
    output: "Printer",
    wish: RerenderOptions,
    delivered: DeliveredFrame,
    about: "tuple[RerenderSubject, SceneInputs, RerenderOutcome]",
) -> RerenderOutcome:
    """Render the frame in a temporary folder, and judge the result."""
    refuse_on_windows("Frames are rendered again")
    import asyncio
    import tempfile

    from rendertrust.node.blender import NoBlender, find
    from rendertrust.node.local_rerender import RerenderRequest
    from rendertrust.node.plugin import Failed
    from rendertrust.node.rmtree import clear
    from rendertrust.receipt_rerender import UNDECIDED, Judgement, draws, judge

    subject, found, outcome = about
    target = shown_at(wish, delivered.path)
    folder = Path(tempfile.mkdtemp(prefix="rendertrust-verify-"))
    try:
        blender = asyncio.run(find(folder / "scratch", unsafe=wish.unsafe_no_sandbox))
        if isinstance(blender, NoBlender):
            return outcome.ended(Judgement(UNDECIDED, blender.reason))
        is_same = blender.build == subject.blender[2]  # the gateway does not check the version
        outcome.steps.append(blender_step(blender, subject))
        asked = RerenderRequest(
            files=found.files,
            scene=found.scene,
            picture=delivered.path,
            evidence=wish.evidence,
            parameters=subject.parameters,
            draws=draws(random.Random(wish.seed).random, wish.regions),  # noqa: S311 - no secret
            whole=wish.whole,
            before=subject.before,
        )
        _announce(output, wish, subject)
        made = asyncio.run(_in_sandbox(output, blender, asked, (folder, subject)))
        if isinstance(made, Failed):
            return outcome.ended(Judgement(UNDECIDED, f"rendering failed: {made.error}"))
        outcome.report = made.report
        if made.shown is not None:
            outcome.shown = target
            keep(made.shown, target)
        return outcome.ended(
            judge(made.report, is_same_blender=is_same, knows_files=found.is_known)
        )
    finally:
        clear(folder)


async def _in_sandbox(
    output: "Printer",
    blender: "Blender",
    asked: "RerenderRequest",
    where: "tuple[Path, RerenderSubject]",
) -> "RerenderResult | Failed":
    from rendertrust.node.local_rerender import rerender
    from rendertrust.node.plugins.render import RenderPlugin

    folder, subject = where
    work = folder / "work"
    work.mkdir(mode=0o755)
    render = RenderPlugin(
        scratch=folder / "scratch", runtime_seconds_max=RUNTIME_SECONDS_MAX, found=blender
    )

    def on_whole(why: str) -> None:
        if not asked.whole:
            output.note(
                f"The whole frame is rendered, because {value_text.harmless(why)}.{took(subject)}"
            )

    with shown_progress(output) as hear:
        return await rerender(render, asked, work, hear=hear, on_whole=on_whole)


def _announce(output: "Printer", wish: RerenderOptions, subject: "RerenderSubject") -> None:
    if wish.whole:
        output.note(f"The whole frame is rendered again.{took(subject)}")
    else:
        output.note(
            f"Up to {wish.regions} regions are rendered again; "
            f"--seed {wish.seed} draws the same regions."
        )


def took(subject: "RerenderSubject") -> str:
    """Return a note on how long the frame took on its node; '' if the receipt does not say."""
    if subject.seconds is None:
        return ""
    time = value_text.duration(subject.seconds)
    return f" The node reported {time}; if the pictures differ, rendering takes twice as long."


def blender_step(blender: "Blender", subject: "RerenderSubject") -> "Step":
    """Compare this machine's Blender with the Blender that the node reported."""
    from rendertrust.proof_check import Step

    here = f"{blender.version} ({blender.build})"
    theirs = value_text.harmless(f"{subject.blender[1]} ({subject.blender[2]})")
    if blender.build == subject.blender[2]:
        return Step("blender", True, f"{here}, as the node reported")
    return Step("blender", True, f"{here}; the node reported {theirs}: another device class")


def shown_at(wish: RerenderOptions, picture: Path) -> Path:
    """Return the path of the comparison sheet. Raise UsageError if the sheet cannot be written."""
    from rendertrust.cli import path_checks

    target = wish.picture or picture.with_suffix(SUFFIX)
    if target.resolve() == picture.resolve():
        raise click.UsageError("--picture would overwrite the frame; name another file")
    return path_checks.placed(target)


def keep(source: Path, target: Path) -> None:
    """Copy the sheet to ``target``, replacing a file or link there, but never through a link.

    The folder may be from a stranger. Raise UsageError if ``target`` cannot be written.
    """
    import shutil

    part = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        with source.open("rb") as read, part.open("xb") as written:
            shutil.copyfileobj(read, written)
        part.replace(target)
    except OSError as fault:
        part.unlink(missing_ok=True)
        raise click.UsageError(f"{target} cannot be written: {fault.strerror}") from fault


@contextmanager
def shown_progress(output: "Printer") -> "Generator[Callable[[float, str], None]]":
    """Show a progress bar on a terminal; show nothing elsewhere."""
    if output.json or not sys.stderr.isatty():
        yield lambda share, detail: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    words = TextColumn("{task.description}", markup=False)
    columns = (BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn(), words)
    with Progress(*columns, console=Console(file=sys.stderr)) as bar:
        task = bar.add_task("", total=1.0)

        def hear(share: float, detail: str) -> None:
            bar.update(task, completed=share, description=value_text.harmless(detail)[:60])

        yield hear


# ── output ───────────────────────────────────────────────────────────────────────────────────────


def tell(output: "Printer", wish: RerenderOptions, picture: Path, outcome: RerenderOutcome) -> None:
    """Print every step, every region and the verdict."""
    from rendertrust.receipt_rerender import HOLDING, UNDECIDED

    report = outcome.report
    holds = outcome.verdict in HOLDING
    output.document(document(wish, picture, outcome))
    state = "valid" if holds else "UNDECIDED" if outcome.verdict == UNDECIDED else "INVALID"
    output.say(f"{value_text.harmless(picture.name)}, rendered again: {state}")
    lines = [(step.name, step.holds, step.said) for step in outcome.steps]
    if report is not None:
        lines += region_lines(report)
    for name, fits, said in lines:
        output.say(f"  {'ok' if fits else 'NO'}  {name:<10}  {value_text.harmless(said)}")
    mark = "ok" if holds else "??" if outcome.verdict == UNDECIDED else "NO"
    output.say(f"  {mark}  {outcome.verdict:<10}  {value_text.harmless(outcome.reason)}")
    if outcome.shown is not None and report is not None:
        times = f", differences amplified {report.amplified} times" if report.farness else ""
        output.say(f"Side by side: {outcome.shown}{times}")


def region_lines(report: "RerenderReport") -> list[tuple[str, bool, str]]:
    """Return each region's name, True if the region matches, and the measured difference."""
    from rendertrust.receipt_rerender import CONSISTENT_MOST, FINISHED_MOST

    lines = list[tuple[str, bool, str]]()
    if report.whole is not None:
        near = report.whole.farness <= CONSISTENT_MOST
        said = f"rendered whole, because {report.why_whole}: {report.whole.words}"
        lines.append(("frame", near, said))
    if report.finish is not None:
        near = report.finish.farness <= FINISHED_MOST
        lines.append(("finish", near, f"finished again from the evidence: {report.finish.words}"))
    for number, region in enumerate(report.regions, 1):
        x, y, across, down = region.at or (0, 0, 0, 0)
        said = f"{across} by {down} pixels at {x}, {y}: {region.words}"
        lines.append((f"region {number}", region.farness <= CONSISTENT_MOST, said))
    return lines


def document(wish: RerenderOptions, picture: Path, outcome: RerenderOutcome) -> dict[str, Any]:
    """Return the outcome as JSON members."""
    from rendertrust.receipt_rerender import HOLDING, spots

    told: dict[str, Any] = {
        "name": picture.name,
        "rerendered": True,
        "holds": outcome.verdict in HOLDING,
        "verdict": outcome.verdict,
        "reason": outcome.reason,
        "steps": outcome.steps,
        "seed": wish.seed,
        "picture": None if outcome.shown is None else str(outcome.shown),
    }
    if outcome.report is not None:
        regions, whole = outcome.report.regions, outcome.report.whole
        told |= {"regions": regions, "whole": whole, "why_whole": outcome.report.why_whole}
        told |= {"finish": outcome.report.finish, "amplified": outcome.report.amplified}
        told["places"] = [] if outcome.size is None else spots(outcome.report, outcome.size)
    return told


def exit_code(outcome: RerenderOutcome) -> int:
    """Return the exit code: 0, 1 or 3."""
    from rendertrust.receipt_rerender import HOLDING, UNDECIDED

    if outcome.verdict in HOLDING:
        return exit_codes.OK
    return exit_codes.NOT_WITNESSED if outcome.verdict == UNDECIDED else exit_codes.FAILURE
