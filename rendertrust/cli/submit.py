"""``rendertrust submit``: uploads a scene, submits a job and downloads its pictures."""

import tempfile
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from rendertrust.cli import (
    exit_codes,
    job_options,
    job_outcome,
    job_progress,
    job_quote,
    job_units,
    local_preflight,
    option_types,
    path_checks,
    remote_preflight,
    requirements,
    submit_inference,
    transfer_progress,
    value_text,
)
from rendertrust.cli.command import Command
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.result_download import fetched
from rendertrust.cli.scene_addons import addon_option, scene_addons
from rendertrust.cli.scene_dependencies import SceneBundle, alone, packed
from rendertrust.cli.session import CliSession, pass_session
from rendertrust.job_name import file_stem, padded
from rendertrust.job_words import job_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rendertrust.client import AsyncClient, Bundle, Job, Placed, Quote
    from rendertrust.job_spec import JobSpec

PATH = click.Path(path_type=Path)


@attrs.define
class Submission:
    """A submission and its progress, which is printed after an interruption."""

    session: CliSession
    path: Path
    spec: "JobSpec"
    yes: bool
    watch: bool
    out: Path | None
    timeout: float | None
    key: str | None
    packed: SceneBundle
    looks: bool  # a node checks the scene first
    only_quote: bool = False
    dispatching: bool = False
    placed: "Placed | None" = None
    arriving: "job_units.FrameFetch | None" = None
    rows: "submit_inference.RowJob | None" = None  # instead of a scene

    async def through(self, client: "AsyncClient") -> None:
        """Call ``run``; if the gateway becomes unreachable, end the command with a hint."""
        from rendertrust.client import NoAnswer, Unavailable

        try:
            await self.run(client)
        except (NoAnswer, Unavailable) as error:
            if self.placed is None:
                raise
            raise CommandExit(job_outcome.lost(self.placed.job_id, error)) from error

    async def run(self, client: "AsyncClient") -> None:
        """Upload the scene, submit the job, and watch or download as the options ask."""
        if self.only_quote:
            await self._send(client)
            quote = await self._measured(client, await client.quote(self.spec))
            job_quote.told(self.session.output, quote, sent=True)
            return
        if not self.looks:
            await self._agree(client)
        elif not self.yes:
            quote = await client.quote(self.spec)
            job_quote.require_agreeable(self.session.output, quote, self._what)
        await self._send(client)
        if self.looks or self.spec.quoted is not None:  # the price of this very scene
            await self._agree(client)
        self.dispatching = True
        self.placed = await self._dispatch(client)
        self._tell(self.placed)
        if not self.watch:
            return
        await self._end(client, await self._followed(client, self.placed.job_id))

    async def _send(self, client: "AsyncClient") -> None:
        """Upload the scene; if a node is to check it, wait for that."""
        bundle = await self._upload(client)
        self.spec = bundle.fill(self.spec)
        if self.looks:
            await self._look(client)

    @property
    def _what(self) -> str:
        return "" if self.rows is None else self.rows.words

    async def _followed(self, client: "AsyncClient", job_id: str) -> "Job":
        output = self.session.output
        if self.out is None:
            return await job_progress.followed(output, client, job_id, self.timeout)
        self.arriving = job_units.FrameFetch(client, self.out, self.path.stem)
        heard = self.arriving.heard
        job = await job_progress.followed(output, client, job_id, self.timeout, heard)
        await self.arriving.over()
        return job

    async def _agree(self, client: "AsyncClient") -> None:
        """Show the price and ask for consent, unless the user agreed to this price before.

        If the price depends on measured work, a node checks the scene first.
        """
        found = await self._quoted(client)
        if found is None:
            return
        output = self.session.output
        if found.measurable:
            if not self.yes:
                job_quote.require_agreeable(output, found, self._what)
            if self.spec.payload_ref is None:
                self.looks = True
                return
        found = await self._measured(client, found)
        if self.spec.quoted is not None and Decimal(found.price) <= Decimal(self.spec.quoted):
            return
        job_quote.agreed(output, found, self._what, yes=self.yes)
        if found.priced_by != "table":
            self.spec = attrs.evolve(self.spec, quoted=found.price)

    async def _measured(self, client: "AsyncClient", found: "Quote") -> "Quote":
        """Return the quote by measured work, if the scene can be measured.

        A job that names neither frames nor parameters gets the frame that it renders, as only
        frames that are named are priced by their measurement.
        """
        looked = found.preflight
        if not (self.spec.frames or self.spec.params) and looked is not None and looked.scene:
            named = attrs.evolve(self.spec, params={"frame": looked.scene.frame})
            of_frame = await client.quote(named)
            if of_frame.measured or of_frame.measurable:
                self.spec, found = named, of_frame
        if found.measurable and _is_looked_at(found):
            await self._look(client, again=True)  # only a verifier's preflight sets the price
            found = await client.quote(self.spec)
        return found

    async def _quoted(self, client: "AsyncClient") -> "Quote | None":
        """Return the quote. Return None if the API key may not get a quote and --yes was given."""
        from rendertrust.client import Forbidden

        try:
            return await client.quote(self.spec)
        except Forbidden:
            if self.yes:
                return None
            raise

    async def _look(self, client: "AsyncClient", *, again: bool = False) -> None:
        """Let a node check the scene; without a node, continue and print a note."""
        from rendertrust.client import RateLimited

        output = self.session.output
        try:
            found = await remote_preflight.looked(output, client, self.spec, again=again)
        except RateLimited as error:
            output.note(
                f"The scene was not checked by a node: {error}. Continuing without a check."
            )
            return
        if self.watch:
            output.document({"event": "preflight", **attrs.asdict(found)})
        if found.status != "DONE":
            output.note(f"{remote_preflight.not_looked(found)}. Continuing without a check.")
            return
        if self.spec.tiles is not None:
            option_types.require_tiles(found.findings, "nothing was submitted")
        if not self.spec.as_is:
            remote_preflight.require_mended(found, "nothing was submitted")
        for line in remote_preflight.lines(found, is_brief=True):
            output.note(line)

    async def _upload(self, client: "AsyncClient") -> "Bundle":
        output, packed = self.session.output, self.packed
        with (
            packed.written() as files,
            transfer_progress.shown(
                output, f"Uploaded {value_text.harmless(self.path.name)}"
            ) as progress,
        ):
            try:
                bundle = await client.upload_all(packed.scene, files, progress=progress)
            except ValueError as fault:
                ending = Exit(exit_codes.USAGE, "files", str(fault), hint_of(fault))
                raise CommandExit(ending) from fault
        if self.watch:
            output.document({"event": "uploaded", "payload_ref": bundle.payload_ref})
        return bundle

    async def _dispatch(self, client: "AsyncClient") -> "Placed":
        from rendertrust.client import BadRequest, Invalid

        try:
            return await client.dispatch(self.spec, idempotency_key=self.key)
        except Invalid as error:
            raise remote_preflight.refused(error) or error from error
        except BadRequest as error:
            hint = "Try again later, or wait for a node: rendertrust submit --queue …"
            if self.spec.needs is not None:
                hint = f"The node must have: {requirements.said(self.spec.needs)}.\n{hint}"
            raise CommandExit(
                Exit(exit_codes.UNAVAILABLE, "no_node", str(error), hint, {"status": 400})
            ) from error

    def _tell(self, placed: "Placed") -> None:
        document: dict[str, Any] = attrs.asdict(placed)
        self.session.output.document({"event": "submitted", **document} if self.watch else document)
        where = (
            "waits for a node"
            if placed.node_id is None
            else f"is {job_words(placed.status, self.spec.job_type).lower()}"
        )
        id_ = self.session.output.short(placed.job_id)
        self.session.output.say(f"Job {id_} {where}.")
        if not self.watch:
            self.session.output.note(f"Watch the job: rendertrust jobs watch {id_}")

    async def _end(self, client: "AsyncClient", job: "Job") -> None:
        if self.rows is not None:
            await self.rows.finish(self.session.output, client, job)
            return
        output, stem = self.session.output, file_stem(job.name or self.path.stem)
        has_numbers = job.units > 1 or self.spec.frames is not None
        if has_numbers and job.done and self.arriving is not None:  # however the job has ended
            told = await self.arriving.rest(output, job.id, stem)
            output.document({"event": "saved", **told})
        job_outcome.require_completed(job)
        if (charged := job_outcome.charge(job)) is not None:
            output.say(charged)
        if self.out is None:
            verb = "result" if job.units == 1 else "download"
            id_ = output.short(job.id)
            output.note(f"Download the result: rendertrust jobs {verb} {id_} --out .")
            return
        if has_numbers:
            return
        if "frame" in self.spec.params:
            stem += f"-{padded(self.spec.params['frame'])}"
        saved = await fetched(output, client, job.id, self.out, stem)
        output.document({"event": "saved", **saved})

    def interrupted(self) -> Exit:
        """Return the exit code, message and hint for Ctrl-C."""
        if self.placed is not None:
            return job_outcome.interrupted(self.session.output, self.placed.job_id)
        if self.dispatching:
            detail, hint = "Interrupted while submitting", "Check whether there is a job: "
            hint += "rendertrust jobs list"
        else:
            detail, hint = (
                "Interrupted; nothing was submitted",
                "Run the command again when you like",
            )
            hint += "; the upload of a large file is continued."
        return Exit(exit_codes.INTERRUPTED, "interrupted", detail, hint)


def hint_of(fault: ValueError) -> str:
    """Return a hint for files that cannot be sent."""
    from rendertrust.client.job_uploads import TooManyFiles

    if isinstance(fault, TooManyFiles):
        hint = "Pack textures into the scene (File > External Data > Pack Resources), or ask for"
        return f"{hint} fewer frames at a time."
    return "Rename that file in the scene's folder and in the scene."


def _is_looked_at(quote: "Quote") -> bool:
    return quote.preflight is not None and quote.preflight.status == "DONE"


@click.command(cls=Command)
@click.argument("path", metavar="SCENE.blend|MODEL.onnx", type=PATH)
@job_options.job_options
@submit_inference.options
@addon_option
@click.option(
    "--quote",
    "only_quote",
    is_flag=True,
    help="Show the price and submit nothing; with --estimate, once a node has measured the scene.",
)
@click.option(
    "--yes",
    is_flag=True,
    help="Agree to the price without being asked; needed without a terminal and with --json.",
)
@click.option(
    "--preflight/--no-preflight",
    default=True,
    help="Check the scene first and send its linked files (default), or send the scene file alone,"
    " as it is.",
)
@click.option(
    "--estimate", is_flag=True, help="Let a node check the scene first and estimate the time."
)
@click.option(
    "--watch",
    is_flag=True,
    help="Show the progress until the job has ended, and download the pictures beside the scene.",
)
@click.option(
    "--out",
    type=PATH,
    help="Download to this file or folder instead; several frames need a folder. Implies --watch.",
)
@click.option(
    "--download/--no-download", default=True, help="Whether --watch downloads (default: it does)."
)
@click.option(
    "--timeout",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Stop watching after this many seconds (exit code 8).",
)
@click.option(
    "--idempotency-key",
    "key",
    help="A name of your choice: a second request with the same name creates no second job.",
)
@pass_session
def submit(session: CliSession, /, path: Path, **options: Any) -> None:
    """Upload a .blend file, which nodes render: one frame, or with --frames many frames. Or a
    model in ONNX's format, which computes the rows of a file: --inputs ROWS.npz --out RESULT.npz.

    This machine's Blender finds the linked files (textures, libraries, sequences, caches), which
    are sent, too. If the check finds errors in the scene, the errors are listed and nothing is
    sent, unless --as-is is given. With --estimate, a node checks the scene before credits are held.
    A node does this also if there is no Blender here, or if the farm measures scenes for their
    price, also that of one frame. If no node can do it, the job is submitted without this check.

    You are asked before credits are held. Downloaded pictures have the job's name and the frame:
    scene-0012.png. Files of other jobs are kept: if they have the same names, the job's id is added
    to the names.
    """
    if submit_inference.is_model(path):
        _submit_rows(session, path, options)
        return
    submit_inference.require_scene(options)
    spec = job_options.spec_of(options)
    if options["only_quote"] and not options["estimate"]:
        checked = path_checks.checked(path)
        size = None
        if job_options.lacks_size(spec) and options["preflight"] and local_preflight.has_blender():
            size = local_preflight.look(checked.absolute(), ()).size
        sized = job_options.sized(spec, size)
        job_quote.told(session.output, session.run(lambda client: client.quote(sized)))
        return
    with scene_addons(session, options["addons"]) as addons:
        _run(session, _submission(session, path, spec, options, addons))


def _run(session: CliSession, submission: Submission) -> None:
    try:
        session.run(submission.through)
    except KeyboardInterrupt:
        raise CommandExit(submission.interrupted()) from None


def _submit_rows(session: CliSession, path: Path, options: dict[str, Any]) -> None:
    """Submit a model with rows, or only show the price."""
    watch = options["watch"] or options["out"] is not None
    if options["timeout"] is not None and not watch:
        raise click.UsageError("--timeout needs --watch or --out")
    with tempfile.TemporaryDirectory(prefix="rendertrust-") as folder:
        rows = submit_inference.row_job(path, options, Path(folder))
        if options["only_quote"]:
            quote = session.run(lambda client: client.quote(rows.spec))
            job_quote.told(session.output, quote, rows.words)
            return
        submission = Submission(
            session=session,
            path=path,
            spec=rows.spec,
            yes=options["yes"],
            watch=watch,
            out=None,
            timeout=options["timeout"],
            key=options["key"],
            packed=rows.files,
            looks=False,
            rows=rows,
        )
        _run(session, submission)


def _submission(
    session: CliSession,
    path: Path,
    spec: "JobSpec",
    options: dict[str, Any],
    addons: "Mapping[str, Path]",
) -> Submission:
    out: Path | None = options["out"]
    watch = options["watch"] or out is not None
    if options["timeout"] is not None and not watch:
        raise click.UsageError("--timeout needs --watch or --out")
    if out is not None and not options["download"]:
        raise click.UsageError("--out names where to download; leave it out, or --no-download")
    checked = path_checks.checked(path)
    if watch and options["download"] and out is None:
        out = checked.parent
    is_one = spec.frames is None
    place = None if out is None else (path_checks.placed if is_one else path_checks.folder_of)(out)
    looks, tiled = options["preflight"], spec.tiles is not None
    sent = alone(checked, addons)
    if looks:
        frames, wanted = _frames(spec), spec.params.get("format")
        sent = packed(
            *(session.output, checked, frames, spec.as_is),
            tiled=tiled,
            picture_format=wanted,
            addons=addons,
        )
    spec = job_options.sized(sent.add_needs(spec), sent.size)
    return Submission(
        session=session,
        path=checked,
        spec=attrs.evolve(spec, as_is=spec.as_is or not looks),
        yes=options["yes"],
        watch=watch,
        out=place,
        timeout=options["timeout"],
        key=options["key"],
        packed=sent,
        looks=options["estimate"] or (looks and not local_preflight.has_blender()),
        only_quote=options["only_quote"],
    )


def _frames(spec: "JobSpec") -> tuple[int, ...]:
    from rendertrust.frame_range import parse

    if spec.frames is not None:
        return parse(spec.frames)
    return (spec.params["frame"],) if "frame" in spec.params else ()
