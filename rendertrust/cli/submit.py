"""``rendertrust submit``: from a file on this disk to a picture on this disk."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from rendertrust.cli import exit_codes, follow, scene, transfer, verdict, wording
from rendertrust.cli.command import Command
from rendertrust.cli.ending import Ending, Stop
from rendertrust.cli.fetched import fetched
from rendertrust.cli.session import Session, session_of

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient, Job, Placed

FORMATS = click.Choice(list(scene.FORMATS), case_sensitive=False)
PATH = click.Path(path_type=Path)


@attrs.define
class Submission:
    """What is to be done, and how far it got: an interrupted one must know."""

    session: Session
    path: Path
    params: dict[str, int | str]
    queue: bool
    watch: bool
    out: Path | None
    timeout: float | None
    key: str | None
    dispatching: bool = False
    placed: "Placed | None" = None

    async def run(self, client: "AsyncClient") -> None:
        """Upload, submit, and see it through as far as was asked."""
        reference = await self._upload(client)
        self.dispatching = True
        self.placed = await self._dispatch(client, reference)
        self._tell(self.placed)
        if not self.watch:
            return
        output = self.session.output
        job = await follow.followed(output, client, self.placed.job_id, self.timeout)
        await self._end(client, verdict.require_completed(job))

    async def _upload(self, client: "AsyncClient") -> str:
        output = self.session.output
        with transfer.shown(output, f"Uploaded {wording.harmless(self.path.name)}") as progress:
            upload = await client.upload(self.path, progress=progress)
        if self.watch:
            output.document({"event": "uploaded", "payload_ref": upload.payload_ref})
        return upload.payload_ref

    async def _dispatch(self, client: "AsyncClient", reference: str) -> "Placed":
        from rendertrust.client import BadRequest

        try:
            return await client.dispatch(
                "render", reference, self.params, queue=self.queue, idempotency_key=self.key
            )
        except BadRequest as error:
            hint = "Try again later, or wait for a node: rendertrust submit --queue …"
            raise Stop(
                Ending(exit_codes.UNAVAILABLE, "no_node", str(error), hint, {"status": 400})
            ) from error

    def _tell(self, placed: "Placed") -> None:
        document: dict[str, Any] = attrs.asdict(placed)
        self.session.output.document({"event": "submitted", **document} if self.watch else document)
        where = "waits for a node" if placed.node_id is None else f"is {placed.status}"
        self.session.output.say(f"Job {placed.job_id} {where}.")
        if not self.watch:
            self.session.output.note(f"Watch it: rendertrust jobs watch {placed.job_id}")

    async def _end(self, client: "AsyncClient", job: "Job") -> None:
        output = self.session.output
        if (charged := verdict.charge(job)) is not None:
            output.say(charged)
        if self.out is None:
            output.note(f"Fetch the result: rendertrust jobs result {job.id} --out .")
            return
        stem = self.path.stem
        if "frame" in self.params:
            stem += f"-{self.params['frame']:04}"
        saved = await fetched(output, client, job.id, self.out, stem)
        output.document({"event": "saved", **saved})

    def interrupted(self) -> Ending:
        """What is left behind when Ctrl-C was pressed now."""
        if self.placed is not None:
            return verdict.interrupted(self.placed.job_id)
        if self.dispatching:
            detail, hint = "Interrupted while submitting", "See whether there is a job now: "
            hint += "rendertrust jobs list"
        else:
            detail, hint = "Interrupted; nothing was submitted", "Call it again when you like"
            hint += "; a large file goes on where it stopped."
        return Ending(exit_codes.INTERRUPTED, "interrupted", detail, hint)


@click.command(cls=Command)
@click.argument("path", metavar="SCENE.blend", type=PATH)
@click.option("--frame", type=scene.FRAME, help="Which frame; else the scene's current one.")
@click.option("--width", type=scene.PIXELS, help="In pixels, with --height; else the scene's.")
@click.option("--height", type=scene.PIXELS, help="In pixels, with --width; else the scene's.")
@click.option("--samples", type=scene.SAMPLES, help="Per pixel; else the scene's.")
@click.option("--format", type=FORMATS, help="Of the picture; else the scene's.")
@click.option("--watch", is_flag=True, help="Stay until the job has ended, and show how far it is.")
@click.option("--out", type=PATH, help="Save the picture there, a file or a folder. Means --watch.")
@click.option("--queue", is_flag=True, help="Wait for a node when none is there now.")
@click.option(
    "--timeout", type=click.FloatRange(0), metavar="SECONDS", help="Do not watch longer (exit 8)."
)
@click.option(
    "--idempotency-key", "key", help="Name the submission: under one name there is one job."
)
@click.pass_context
def submit(  # noqa: PLR0917 - click passes them all by name
    context: click.Context,
    path: Path,
    frame: int | None,
    width: int | None,
    height: int | None,
    samples: int | None,
    format: str | None,  # noqa: A002 - the option's name
    out: Path | None,
    timeout: float | None,
    key: str | None,
    *,
    watch: bool,
    queue: bool,
) -> None:
    """Upload a .blend file and have a frame rendered."""
    if timeout is not None and not watch and out is None:
        raise click.UsageError("--timeout needs --watch or --out")
    submission = Submission(
        session=session_of(context),
        path=scene.checked(path),
        params=scene.parameters(frame, width, height, samples, format),
        queue=queue,
        watch=watch or out is not None,
        out=None if out is None else scene.placed(out),
        timeout=timeout,
        key=key,
    )
    try:
        submission.session.run(submission.run)
    except KeyboardInterrupt:
        raise Stop(submission.interrupted()) from None
