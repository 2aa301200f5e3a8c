"""The creator's journey: one job from end to end and its receipt, with public tools only."""

import shlex
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import attrs

from rendertrust.cli import exit_codes
from rendertrust.cli.output import encoded
from rendertrust.client import AsyncClient, Job, JobSpec, NotAuthenticated, Quote, Unavailable
from rendertrust.money import credit_count, format_amount
from web.demonstration.child import ChildFailed, output_of
from web.demonstration.narrator import Narration

JOB_SECONDS = 1800.0
SAID: Final = {
    "exact": "exact: a verifier rendered parts of it again, and they are equal",
    "consistent": "consistent: a verifier rendered parts of it again, and the noise alone differs",
}
OPENINGS: Final = (
    3  # more tries to open an account, as starting everything at once is slow on a busy machine
)
RECEIPT = "receipt.json"


@attrs.frozen
class DemoOrder:
    """Which frame to render, and where the picture goes."""

    scene: Path
    frame: int
    out: Path


class JobFailed(Exception):
    """The job ended without a picture; the text is its error."""


async def travel(
    client: AsyncClient, creator: UUID, order: DemoOrder, narrator: Narration
) -> tuple[str, dict[str, Any]]:
    """Register, upload, dispatch, watch and download; return the scene's reference and a summary
    for programs.

    Raises JobFailed, RenderTrustError.
    """
    email = f"demo-{creator.hex[:12]}@example.org"
    await enter(client, email, creator.hex)
    before = await client.balance()
    narrator.say("creator", f"{email}, {credit_count(before.balance)} to begin with")
    upload = await client.upload(order.scene)
    narrator.say("upload", f"{order.scene.name}, {upload.size / 1e6:.2f} MB")
    spec = JobSpec("render", upload.payload_ref, {"frame": order.frame}, queue=True)
    await measured(client, spec, narrator)
    placed = await client.dispatch(spec)
    job = await watch(client, placed.job_id, narrator)
    picture = await client.download(job.id, order.out, stem=f"frame-{order.frame:04d}")
    narrator.say("picture", str(picture))
    verdict: str = (await client.receipt(job.id)).receipt["verdict"]
    narrator.say("verified", SAID.get(verdict, verdict))
    after = await client.balance()
    held, charged = credit_count(job.price or "0"), format_amount(job.charged or "0")
    narrator.say("paid", f"{held} held, {charged} charged")
    narrator.say(
        "balance", f"{format_amount(before.balance)} before, {format_amount(after.balance)} after"
    )
    return upload.payload_ref, {
        "job_id": str(job.id),
        "picture": str(picture),
        "verdict": verdict,
        "price": job.price,
        "charged": job.charged,
        "balance_before": before.balance,
        "balance_after": after.balance,
    }


async def enter(client: AsyncClient, email: str, password: str) -> None:
    """Open an account and log in; a request that timed out may have succeeded.

    Raises RenderTrustError.
    """
    for _ in range(OPENINGS):
        try:
            await client.register(email, "Demo", password)
        except Unavailable:
            with suppress(NotAuthenticated):  # there is no account yet: try again
                await client.login(email, password)
                return
        else:
            return
    await client.register(email, "Demo", password)


async def measured(client: AsyncClient, spec: JobSpec, narrator: Narration) -> Quote:
    """Have the embedded verifier measure the scene, if it has not; return the job's price.

    Raises RenderTrustError.
    """
    quote = await client.quote(spec)
    if not quote.measurable:
        return quote
    narrator.say("check", "the embedded verifier measures the scene, for free")
    await client.preflight(spec, within=JOB_SECONDS)
    return await client.quote(spec)


async def watch(client: AsyncClient, job_id: str, narrator: Narration) -> Job:
    """Report on the job until it is completed. Raises JobFailed."""
    told = ""
    job = await client.job(job_id)
    narrator.say("job", f"{job.id}, {credit_count(job.price or '0')} held")
    async for job in client.watch(job_id, within=JOB_SECONDS):
        if job.progress is not None:
            narrator.progress("rendering", job.progress)
        if job.status not in {told, "RUNNING"}:  # the progress bar already shows RUNNING
            told = job.status
            narrator.say("", told.lower())
    if job.status != "COMPLETED":
        raise JobFailed(job.error_message or f"The job ended as {job.status}")
    return job


async def check_receipt(
    client: AsyncClient, job: UUID, picture: Path, scene: Path, narrator: Narration
) -> dict[str, Any]:
    """Fetch the receipt and run ``rendertrust verify`` on it; return a summary for programs.

    Raises ChildFailed if the picture does not match the scene, RenderTrustError.
    """
    receipt = picture.parent / RECEIPT
    found = await client.receipt(job)
    receipt.write_text(encoded(found.document) + "\n")
    narrator.say("receipt", str(receipt))
    words = ("verify", str(receipt), str(picture), "--scene", str(scene))
    narrator.say("verify", f"rendertrust {shlex.join(words)}")
    code, printed = await output_of(*words)
    narrator.say("", printed)
    if code not in (exit_codes.OK, exit_codes.NOT_WITNESSED):
        raise ChildFailed("rendertrust verify says that the picture is not what the scene gives")
    return {"receipt": str(receipt), "repeated": code == exit_codes.OK}
