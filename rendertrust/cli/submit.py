"""``rendertrust submit``: uploads a scene, submits a job and downloads its pictures."""

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
    transfer_progress,
    value_text,
)
from rendertrust.cli.command import Command
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.result_download import fetched
from rendertrust.cli.scene_dependencies import SceneBundle, alone, packed
from rendertrust.cli.session import CliSession, pass_session

if TYPE_CHECKING:
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
    dispatching: bool = False
    placed: "Placed | None" = None
    arrived: int = 0  # downloaded frames

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
        if not self.looks:
            await self._agree(client)
        bundle = await self._upload(client)
        self.spec = bundle.fill(self.spec)
        if self.looks:
            await self._look(client)
            await self._agree(client)
        self.dispatching = True
        self.placed = await self._dispatch(client)
        self._tell(self.placed)
        if not self.watch:
            return
        await self._end(client, await self._followed(client, self.placed.job_id))

    async def _followed(self, client: "AsyncClient", job_id: str) -> "Job":
        output = self.session.output
        if self.out is None:
            return await job_progress.followed(output, client, job_id, self.timeout)
        arriving = job_units.FrameFetch(client, self.out, self.path.stem)
        job = await job_progress.followed(output, client, job_id, self.timeout, arriving.heard)
        await arriving.over()
        self.arrived = arriving.new
        return job

    async def _agree(self, client: "AsyncClient") -> None:
        """Show the price and ask for consent.

        If the price depends on measured work, a node checks the scene first.
        """
        if self.spec.frames is None:
            return
        found = await self._quoted(client)
        if found is None:
            return
        if found.measurable and self.spec.payload_ref is None:
            self.looks = True
            return
        if found.measurable and _is_looked_at(found):
            await self._look(client, again=True)  # only a verifier's preflight sets the price
            found = await client.quote(self.spec)
        if found.priced_by == "work":
            self.spec = attrs.evolve(self.spec, quoted=found.price)
        if not self.yes:
            job_quote.agreed(self.session.output, found)

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
        for line in remote_preflight.lines(found):
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
        where = "waits for a node" if placed.node_id is None else f"is {placed.status}"
        self.session.output.say(f"Job {placed.job_id} {where}.")
        if not self.watch:
            self.session.output.note(f"Watch the job: rendertrust jobs watch {placed.job_id}")

    async def _end(self, client: "AsyncClient", job: "Job") -> None:
        output = self.session.output
        has_numbers = job.units > 1 or self.spec.frames is not None
        if has_numbers and job.done and self.out is not None:  # however the job has ended
            name, arrived = self.path.stem, self.arrived
            told = await job_units.saved(
                output, client, job.id, self.out, name=name, arrived=arrived
            )
            output.document({"event": "saved", **told})
        job_outcome.require_completed(job)
        if (charged := job_outcome.charge(job)) is not None:
            output.say(charged)
        if self.out is None:
            verb = "result" if job.units == 1 else "download"
            output.note(f"Download the result: rendertrust jobs {verb} {job.id} --out .")
            return
        if has_numbers:
            return
        stem = self.path.stem
        if "frame" in self.spec.params:
            stem += f"-{self.spec.params['frame']:04}"
        saved = await fetched(output, client, job.id, self.out, stem)
        output.document({"event": "saved", **saved})

    def interrupted(self) -> Exit:
        """Return the exit code, message and hint for Ctrl-C."""
        if self.placed is not None:
            return job_outcome.interrupted(self.placed.job_id)
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
@click.argument("path", metavar="SCENE.blend", type=PATH)
@job_options.job_options
@click.option("--quote", "only_quote", is_flag=True, help="Show the price and send nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option(
    "--preflight/--no-preflight",
    default=True,
    help="Check the scene first and send its linked files (default), or send the scene file alone,"
    " as it is.",
)
@click.option(
    "--estimate", is_flag=True, help="Let a node check the scene first and estimate the time."
)
@click.option("--watch", is_flag=True, help="Show the progress until the job has ended.")
@click.option(
    "--out",
    type=PATH,
    help="Save the result to this file or folder; several frames need a folder. Implies --watch.",
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
    """Upload a .blend file, which nodes render: one frame, or with --frames many frames.

    This machine's Blender finds the linked files (textures, libraries, sequences, caches), which
    are sent, too. If the check finds errors in the scene, the errors are listed and nothing is
    sent, unless --as-is is given. With --estimate, a node checks the scene before credits are held.
    A node does this also if there is no Blender here, or if the price can depend on measured work.
    If no node can do it, the job is submitted without this check.
    """
    spec = job_options.spec_of(options)
    if options["only_quote"]:
        checked = path_checks.checked(path)
        size = None
        if job_options.lacks_size(spec) and options["preflight"] and local_preflight.has_blender():
            size = local_preflight.look(checked.absolute(), ()).size
        sized = job_options.sized(spec, size)
        job_quote.told(session.output, session.run(lambda client: client.quote(sized)))
        return
    submission = _submission(session, path, spec, options)
    try:
        session.run(submission.through)
    except KeyboardInterrupt:
        raise CommandExit(submission.interrupted()) from None


def _submission(
    session: CliSession, path: Path, spec: "JobSpec", options: dict[str, Any]
) -> Submission:
    out: Path | None = options["out"]
    if options["timeout"] is not None and not options["watch"] and out is None:
        raise click.UsageError("--timeout needs --watch or --out")
    checked = path_checks.checked(path)
    is_one = spec.frames is None
    place = None if out is None else (path_checks.placed if is_one else path_checks.folder_of)(out)
    looks, tiled = options["preflight"], spec.tiles is not None
    sent = (
        packed(session.output, checked, _frames(spec), spec.as_is, tiled=tiled)
        if looks
        else alone(checked)
    )
    spec = job_options.sized(sent.add_needs(spec), sent.size)
    return Submission(
        session=session,
        path=checked,
        spec=attrs.evolve(spec, as_is=spec.as_is or not looks),
        yes=options["yes"],
        watch=options["watch"] or out is not None,
        out=place,
        timeout=options["timeout"],
        key=options["key"],
        packed=sent,
        looks=options["estimate"] or (looks and not local_preflight.has_blender()),
    )


def _frames(spec: "JobSpec") -> tuple[int, ...]:
    from rendertrust.frame_range import parse

    if spec.frames is not None:
        return parse(spec.frames)
    return (spec.params["frame"],) if "frame" in spec.params else ()
