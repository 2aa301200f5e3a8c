"""A short animation on two nodes, and a video of it; with ``chaos`` one of the nodes is killed."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from rendertrust.client import AsyncClient, JobSpec
from rendertrust.job_status import AT_WORK
from rendertrust.money import credit_count
from web.demonstration.child import Child
from web.demonstration.journey import JOB_SECONDS, JobFailed, measured
from web.demonstration.narrator import Narration

FOLDER: Final = "animation"  # folder of the frames, inside the folder of the picture
FRAMES: Final = "1-8"
CHUNK: Final = 2
SMALL: Final = {"width": 320, "height": 180, "samples": 12}
# The nodes' niceness: below a node's default, as people watch; above 0, as the gateway shares the
# machine.
NICE: Final = "1"


@attrs.frozen
class DemoNode:
    """A node of the demo: its name and its process."""

    id: str
    name: str
    child: Child
    settings: dict[str, str]

    async def start(self) -> None:
        """Start the node's process, or start it again."""
        words = ("--health-port", "-1", "--nice", NICE)
        await self.child.start("node", "run", *words, settings=self.settings)


@attrs.frozen
class DemoAnimation:
    """The animation to render, its folder, and the node to kill, if any.

    Frames go to the folder ``animation`` in ``out``; the video goes beside that folder.
    """

    payload_ref: str
    frames: str
    out: Path
    victim: DemoNode | None = None
    small: bool = True


async def animate(client: AsyncClient, film: DemoAnimation, narrator: Narration) -> dict[str, Any]:
    """Dispatch, watch, download frames as they arrive, make the video, and return a summary for
    programs.

    Raises JobFailed, RenderTrustError.
    """
    params = SMALL if film.small else {}
    spec = JobSpec("render", film.payload_ref, params, frames=film.frames, chunk=CHUNK, queue=True)
    quote = await measured(client, spec, narrator)
    held = credit_count(quote.held)
    narrator.say("animation", f"{quote.frames} frames in {quote.units} units: {held}")
    placed = await client.dispatch(spec)
    try:
        async with asyncio.TaskGroup() as group:
            seen = group.create_task(watched(client, placed.job_id, film.out / FOLDER, narrator))
            if film.victim is not None:
                group.create_task(chaos(client, placed.job_id, film.victim, narrator))
    except BaseExceptionGroup as several:
        raise several.exceptions[0] from None
    paths = seen.result()
    job = await client.job(placed.job_id)
    charged = credit_count(job.charged or "0")
    narrator.say("paid", f"{charged} for {len(paths)} frames in {film.out / FOLDER}")
    movie, price = await filmed(client, job.id, film.out, narrator)
    left = (await client.balance()).balance
    narrator.say("balance", f"{credit_count(left)} left")
    return {
        "animation_job_id": job.id,
        "frames": [str(path) for path in paths],
        "attempts": job.units + job.retry_count,
        "film": str(movie),
        "animation_charged": job.charged,
        "film_charged": price,
        "balance_left": left,
    }


async def watched(client: AsyncClient, job: str, out: Path, narrator: Narration) -> Sequence[Path]:
    """Download the job's frames to ``out`` while others are rendered; return their paths."""
    paths: Sequence[Path] = ()
    async for found in client.watch(job, within=JOB_SECONDS):
        narrator.progress("frames", found.done / found.units)
        if found.status in ("FAILED", "CANCELLED"):
            raise JobFailed(found.error_message or f"The animation ended as {found.status}")
        paths = (await client.download_frames(job, out, stem="frame")).paths
    return paths


async def filmed(
    client: AsyncClient, job: str, out: Path, narrator: Narration
) -> tuple[Path, str | None]:
    """Let a node make the video; return the video's path and what it cost."""
    placed = await client.video(job)
    done = await client.wait(placed.job_id, within=JOB_SECONDS)
    if done.status != "COMPLETED":
        raise JobFailed(done.error_message or f"The video ended as {done.status}")
    path = await client.download(placed.job_id, out, stem="film")
    narrator.say("film", f"{path}, {credit_count(done.charged or '0')}")
    return path, done.charged


async def chaos(client: AsyncClient, job: str, victim: DemoNode, narrator: Narration) -> None:
    """Kill the node ``victim`` once it works on the job, and start it again."""
    async for _ in client.watch(job, within=JOB_SECONDS):
        if await _has_work(client, job, victim):
            await victim.child.kill()
            narrator.say("chaos", f"{victim.name} is killed while it renders")
            await victim.start()
            narrator.say("chaos", f"{victim.name} comes back")
            return


async def _has_work(client: AsyncClient, job: str, victim: DemoNode) -> bool:
    return any(
        [
            unit.state in AT_WORK and unit.node_id == victim.id
            async for unit in client.each_unit(job)
        ]
    )
