"""``rendertrust submit``: from a file on this disk to a picture, or many, on this disk."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from rendertrust.cli import (
    exit_codes,
    formatting,
    job_outcome,
    job_progress,
    job_quote,
    job_units,
    local_preflight,
    option_types,
    remote_preflight,
    requirements,
    scene,
    transfer,
)
from rendertrust.cli.command import Command
from rendertrust.cli.exits import CommandExit, Exit
from rendertrust.cli.result_download import fetched
from rendertrust.cli.scene_dependencies import SceneBundle, alone, packed
from rendertrust.cli.session import CliSession, session_of

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, Bundle, Job, Needs, Placed, Quote

FORMATS = click.Choice(list(scene.FORMATS), case_sensitive=False)
PATH = click.Path(path_type=Path)
CUT = ("frames", "chunk", "tiles", "order", "priority", "max_credits", "pool")


@attrs.define
class Submission:
    """What is to be done, and how far it got: an interrupted one must know."""

    session: CliSession
    path: Path
    params: dict[str, int | str]
    cut: dict[str, Any]
    yes: bool
    queue: bool
    watch: bool
    out: Path | None
    timeout: float | None
    key: str | None
    packed: SceneBundle
    needs: "Needs | None"
    as_is: bool
    looks: bool  # a node looks into it first
    dispatching: bool = False
    placed: "Placed | None" = None
    quoted: str | None = None  # the price that was said
    arrived: int = 0  # files of its frames

    async def through(self, client: "AsyncClient") -> None:
        """``run`` it; where the gateway is lost on the way, that ends with what to do then."""
        from rendertrust.client import NoAnswer, Unavailable

        try:
            await self.run(client)
        except (NoAnswer, Unavailable) as error:
            if self.placed is None:
                raise
            raise CommandExit(job_outcome.lost(self.placed.job_id, error)) from error

    async def run(self, client: "AsyncClient") -> None:
        """Upload, submit, and see it through as far as was asked."""
        if not self.looks:
            await self._agree(client)
        bundle = await self._upload(client)
        if self.looks:
            await self._look(client, bundle)
            await self._agree(client, bundle)
        self.dispatching = True
        self.placed = await self._dispatch(client, bundle)
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

    async def _agree(self, client: "AsyncClient", bundle: "Bundle | None" = None) -> None:
        """Say what it costs, and ask where somebody can answer; before a scene is measured, that
        it will be: its price follows.
        """
        if "frames" not in self.cut:
            return
        found = await self._quoted(client, bundle)
        if found is None:
            return
        if found.measurable and bundle is None:
            self.looks = True
            return
        if found.measurable and bundle is not None and _is_looked_at(found):
            await self._look(client, bundle, again=True)  # it was another's node that did
            found = await quote(client, self.params, self.cut, bundle)
        if found.priced_by == "work":
            self.quoted = found.price
        if not self.yes:
            job_quote.agreed(self.session.output, found)

    async def _quoted(self, client: "AsyncClient", bundle: "Bundle | None") -> "Quote | None":
        """None: an API key may not ask, and whoever uses it did not want to be asked."""
        from rendertrust.client import Forbidden

        try:
            return await quote(client, self.params, self.cut, bundle)
        except Forbidden:
            if self.yes:
                return None
            raise

    async def _look(self, client: "AsyncClient", bundle: "Bundle", *, again: bool = False) -> None:
        """Have a node look into it; without one it goes on, and says so."""
        from rendertrust.client import RateLimited

        output = self.session.output
        wish = remote_preflight.PreflightRequest(
            self.params, self.cut.get("frames"), self.cut.get("pool")
        )
        try:
            found = await remote_preflight.looked(output, client, bundle, wish, again=again)
        except RateLimited as error:
            output.note(f"No node looks into the scene: {error}; it goes on without.")
            return
        if self.watch:
            output.document({"event": "preflight", **attrs.asdict(found)})
        if found.status != "DONE":
            output.note(f"{remote_preflight.not_looked(found)}; it goes on without.")
            return
        if "tiles" in self.cut:
            option_types.require_tiles(found.findings, "nothing was submitted")
        if not self.as_is:
            remote_preflight.require_mended(found, "nothing was submitted")
        for line in remote_preflight.lines(found):
            output.note(line)

    async def _upload(self, client: "AsyncClient") -> "Bundle":
        output, packed = self.session.output, self.packed
        with (
            packed.written() as files,
            transfer.shown(output, f"Uploaded {formatting.harmless(self.path.name)}") as progress,
        ):
            try:
                bundle = await client.upload_all(packed.scene, files, progress=progress)
            except ValueError as fault:
                ending = Exit(exit_codes.USAGE, "files", str(fault), hint_of(fault))
                raise CommandExit(ending) from fault
        if self.watch:
            output.document({"event": "uploaded", "payload_ref": bundle.payload_ref})
        return bundle

    async def _dispatch(self, client: "AsyncClient", bundle: "Bundle") -> "Placed":
        from rendertrust.client import BadRequest, Invalid

        try:
            return await self._submit(client, bundle)
        except Invalid as error:
            raise remote_preflight.refused(error) or error from error
        except BadRequest as error:
            hint = "Try again later, or wait for a node: rendertrust submit --queue …"
            if self.needs:
                hint = f"It must have: {requirements.said(self.needs)}.\n{hint}"
            raise CommandExit(
                Exit(exit_codes.UNAVAILABLE, "no_node", str(error), hint, {"status": 400})
            ) from error

    async def _submit(self, client: "AsyncClient", bundle: "Bundle") -> "Placed":
        return await client.dispatch(
            "render",
            bundle.payload_ref,
            self.params,
            queue=self.queue,
            manifest=bundle.manifest,
            needs=self.needs,
            **self.cut,
            as_is=self.as_is,
            quoted=self.quoted,
            idempotency_key=self.key,
        )

    def _tell(self, placed: "Placed") -> None:
        document: dict[str, Any] = attrs.asdict(placed)
        self.session.output.document({"event": "submitted", **document} if self.watch else document)
        where = "waits for a node" if placed.node_id is None else f"is {placed.status}"
        self.session.output.say(f"Job {placed.job_id} {where}.")
        if not self.watch:
            self.session.output.note(f"Watch it: rendertrust jobs watch {placed.job_id}")

    async def _end(self, client: "AsyncClient", job: "Job") -> None:
        output = self.session.output
        has_numbers = job.units > 1 or "frames" in self.cut
        if has_numbers and job.done and self.out is not None:  # however it ended
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
            output.note(f"Fetch the result: rendertrust jobs {verb} {job.id} --out .")
            return
        if has_numbers:
            return
        stem = self.path.stem
        if "frame" in self.params:
            stem += f"-{self.params['frame']:04}"
        saved = await fetched(output, client, job.id, self.out, stem)
        output.document({"event": "saved", **saved})

    def interrupted(self) -> Exit:
        """What is left behind when Ctrl-C was pressed now."""
        if self.placed is not None:
            return job_outcome.interrupted(self.placed.job_id)
        if self.dispatching:
            detail, hint = "Interrupted while submitting", "See whether there is a job now: "
            hint += "rendertrust jobs list"
        else:
            detail, hint = "Interrupted; nothing was submitted", "Call it again when you like"
            hint += "; a large file goes on where it stopped."
        return Exit(exit_codes.INTERRUPTED, "interrupted", detail, hint)


def hint_of(fault: ValueError) -> str:
    """What to do where the files cannot be sent."""
    from rendertrust.client.bundles import TooManyFiles

    if isinstance(fault, TooManyFiles):
        hint = "Pack textures into the scene (File > External Data > Pack Resources), or ask for"
        return f"{hint} fewer frames at a time."
    return "Rename that file in the scene's folder, and in the scene."


def _is_looked_at(quote: "Quote") -> bool:
    return quote.preflight is not None and quote.preflight.status == "DONE"


async def quote(
    client: "AsyncClient",
    params: dict[str, int | str],
    cut: dict[str, Any],
    bundle: "Bundle | None" = None,
) -> "Quote":
    """What it would cost; nothing needs to be sent for that, if the scene does not matter."""
    if bundle is None:
        return await client.quote("render", None, params, **cut)
    return await client.quote("render", bundle.payload_ref, params, manifest=bundle.manifest, **cut)


@click.command(cls=Command)
@click.argument("path", metavar="SCENE.blend", type=PATH)
@click.option("--frame", type=scene.FRAME, help="Which frame; else the scene's current one.")
@click.option("--width", type=scene.PIXELS, help="In pixels, with --height; else the scene's.")
@click.option("--height", type=scene.PIXELS, help="In pixels, with --width; else the scene's.")
@click.option("--samples", type=scene.SAMPLES, help="Per pixel; else the scene's.")
@click.option("--format", type=FORMATS, help="Of the picture; else the scene's.")
@click.option("--frames", type=option_types.FRAMES, help="As 1-48, 1-100x2 or 10,15,20-30.")
@click.option("--chunk", type=option_types.CHUNK, help="So many frames at once; else each alone.")
@click.option("--tiles", type=option_types.TILES, help="2x2: each frame in columns x rows.")
@click.option("--order", type=click.Choice(option_types.ORDERS), help="Which frames come first.")
@click.option("--priority", type=click.Choice(option_types.PRIORITIES), help="high goes first.")
@click.option("--max-credits", type=option_types.CREDITS, help="Pause before it costs more.")
@click.option("--pool", type=click.Choice(option_types.POOLS), help="Whose nodes; mine is free.")
@click.option(
    "--needs",
    "needed",
    type=requirements.RequirementsParam(),
    multiple=True,
    metavar="WHAT",
    help=f"Of nodes: {requirements.NAMES}; several with commas.",
)
@click.option("--quote", "only_quote", is_flag=True, help="Say what it costs, and send nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before credits are held.")
@click.option(
    "--preflight/--no-preflight",
    default=True,
    help="Look into the scene first, and send the files that it links.",
)
@click.option(
    "--as-is", is_flag=True, help="Send it with its files, though something should be mended."
)
@click.option(
    "--estimate", is_flag=True, help="Have a node try it first: what is wrong, how long it takes."
)
@click.option("--watch", is_flag=True, help="Stay until the job has ended, and show how far it is.")
@click.option("--out", type=PATH, help="Save it there; of many frames a folder. Means --watch.")
@click.option("--queue", is_flag=True, help="Wait for a node when none is there now.")
@click.option(
    "--timeout", type=click.FloatRange(0), metavar="SECONDS", help="Do not watch longer (exit 8)."
)
@click.option(
    "--idempotency-key", "key", help="Name the submission: under one name there is one job."
)
@click.pass_context
def submit(context: click.Context, /, path: Path, **options: Any) -> None:
    """Upload a .blend file and have it rendered: one frame, or with --frames many.

    The files that the scene links (textures, libraries, sequences, caches) go along, found by the
    Blender of this machine; what must be mended first is said, and nothing is sent. Where there is
    no Blender here, or with --estimate, or where frames are priced by their work, a node looks into
    the scene before anything is held.
    """
    session = session_of(context)
    given = {name: options[name] for name in ("frame", "width", "height", "samples", "format")}
    params = scene.parameters(**given)
    cut = {name: options[name] for name in CUT if options[name] is not None}
    option_types.require_sense(params, cut)
    if options["only_quote"]:
        checked = scene.checked(path)
        size = None
        if (
            option_types.lacks_size(params, cut)
            and options["preflight"]
            and local_preflight.has_blender()
        ):
            size = local_preflight.look(checked.absolute(), ()).size
        sized = option_types.sized(params, cut, size)
        job_quote.told(session.output, session.run(lambda client: quote(client, sized, cut)))
        return
    submission = _submission(session, path, params, cut, options)
    try:
        session.run(submission.through)
    except KeyboardInterrupt:
        raise CommandExit(submission.interrupted()) from None


def _submission(
    session: CliSession,
    path: Path,
    params: dict[str, int | str],
    cut: dict[str, Any],
    options: dict[str, Any],
) -> Submission:
    out: Path | None = options["out"]
    if options["timeout"] is not None and not options["watch"] and out is None:
        raise click.UsageError("--timeout needs --watch or --out")
    checked = scene.checked(path)
    place = None if out is None else (scene.folder_of if "frames" in cut else scene.placed)(out)
    frames = _frames(options["frame"], cut.get("frames"))
    as_is, looks = options["as_is"], options["preflight"]
    tiled = "tiles" in cut
    sent = packed(session.output, checked, frames, as_is, tiled=tiled) if looks else alone(checked)
    return Submission(
        session=session,
        path=checked,
        params=option_types.sized(params, cut, sent.size),
        cut=cut,
        yes=options["yes"],
        queue=options["queue"],
        watch=options["watch"] or out is not None,
        out=place,
        timeout=options["timeout"],
        key=options["key"],
        packed=sent,
        needs=requirements.together(options["needed"], sent.needs),
        as_is=as_is or not looks,
        looks=options["estimate"] or (looks and not local_preflight.has_blender()),
    )


def _frames(frame: int | None, frames: str | None) -> tuple[int, ...]:
    from rendertrust.frame_range import parse

    if frames is not None:
        return parse(frames)
    return () if frame is None else (frame,)
