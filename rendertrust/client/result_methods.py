"""Methods of ``AsyncClient`` on results: downloads, receipts, disputes and the log."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from rendertrust import api, frame_range
from rendertrust.client import job_methods, paths
from rendertrust.client.api_connection import ClientState, window
from rendertrust.client.arguments import Id, given, uuid
from rendertrust.client.downloads import Where, fetch, read_preview, unit_result
from rendertrust.client.frame_downloads import FrameDownloads, FrameFiles, unit_stem, with_id
from rendertrust.client.local_files import Progress, unheard
from rendertrust.client.response_decoder import read_receipt
from rendertrust.job_name import file_stem
from rendertrust.proof_check import Verdict

# Results


async def preview(client: ClientState, job_id: Id, frame: int | None = None) -> bytes:
    """Return a small JPEG of a frame; without ``frame``, of the newest frame.

    Raises NotFound if the frame has no preview yet, BadAnswer if the reply is not a small JPEG.
    """
    query = {} if frame is None else {"frame": str(frame)}
    path = paths.job(job_id, "preview")
    return await read_preview(client.connection.stream(path, query))


async def result(client: ClientState, job_id: Id) -> api.ResultUrl:
    """Return a presigned URL of a job's result. Raises NotFound if there is no result yet."""
    return await client.connection.get(api.ResultUrl, paths.job(job_id, "result"))


async def download(
    client: ClientState,
    job_id: Id,
    path: Path | str,
    *,
    stem: str | None = None,
    overwrite: bool = True,
    progress: Progress = unheard,
) -> Path:
    """Download the result to ``path``, complete and verified or not at all.

    Returns the file's path. If ``path`` is a folder, the file is named ``stem`` (default: the
    job's name, and the frame if the job has one) plus a suffix for its type. With
    ``overwrite=False``, another file of that name is kept, and the job's id is added to the name.
    An interrupted download resumes, also in a later call, from a hidden ``.part`` file in the same
    folder. Raises OSError if the file cannot be written, TransferFailed if the object store does
    not deliver the content.
    """
    where = partial(result, client, job_id)
    stem = stem or await _stem(client, job_id, path)
    spare = None if overwrite else with_id(stem, uuid(job_id))
    return await _fetch(client, where, path, stem, progress, spare=spare)


async def download_unit(
    client: ClientState,
    job_id: Id,
    number: int,
    path: Path | str,
    *,
    stem: str | None = None,
    progress: Progress = unheard,
) -> Path:
    """Download the result of one unit as ``download`` does; a chunk of frames is a zip.

    Raises NotReady if the unit is not complete.
    """
    where = partial(_unit_result, client, job_id, number)
    stem = stem or await _stem(client, job_id, path, number)
    return await _fetch(client, where, path, stem, progress)


async def download_frames(
    client: ClientState,
    job_id: Id,
    folder: Path | str,
    *,
    frames: str | None = None,
    stem: str | None = None,
    tiles: bool = False,
    overwrite: bool = True,
    verified_only: bool = False,
    progress: Progress = unheard,
) -> FrameFiles:
    """Download all finished frames, or only ``frames`` (``1-10,20``), to ``folder``.

    Frames that are still being verified are downloaded, too, and listed as ``unverified``, unless
    ``verified_only`` leaves them out.

    Frames that are already in the folder are skipped, and chunks are unpacked. Files are named
    ``cathedral-0001.png`` by the job's name, or by ``stem``. ``#`` in ``stem`` stands for digits
    as in Blender: ``shot_####`` gives ``shot_0001.png``. ``tiles`` adds tiles of incomplete
    frames (``tiles/cathedral-0001-0.exr``). With ``overwrite=False``, other files of these names
    are kept, and the job's id is added to all names: ``cathedral-1a2b3c4d-0001.png``.
    ``progress`` counts the bytes of all files together. Raises FrameRangeError (a ValueError)
    if ``frames`` cannot be read, and the exceptions of ``download``.
    """
    wanted = None if frames is None else frozenset(frame_range.parse(frames))
    where = partial(_unit_result, client, job_id)
    if stem is None:
        name = (await job_methods.job(client, job_id)).name
        stem = "frame" if name is None else file_stem(name)
    work = FrameDownloads(
        client.connection.login.transport,
        where,
        Path(folder),
        stem,
        progress,
        wanted,
        tiles,
        job=uuid(job_id),
        verified_only=verified_only,
    )
    units = [unit async for unit in job_methods.each_unit(client, job_id)]
    if not overwrite and await asyncio.to_thread(work.has_others, units):
        work = attrs.evolve(work, stem=with_id(stem, uuid(job_id)))
    return await work.fetched(units)


async def archive(client: ClientState, job_id: Id) -> api.ResultUrl:
    """Return a URL of a zip of all frames complete so far; ``tiles/`` has tiles of incomplete ones.

    Raises Conflict if the job has one unit, NotFound if no unit is complete.
    """
    return await client.connection.get(api.ResultUrl, paths.job(job_id, "archive"))


async def download_archive(
    client: ClientState,
    job_id: Id,
    path: Path | str,
    *,
    stem: str | None = None,
    progress: Progress = unheard,
) -> Path:
    """Download the zip of ``archive``, in the way of ``download``."""
    where = partial(archive, client, job_id)
    stem = stem or await _stem(client, job_id, path)
    return await _fetch(client, where, path, stem, progress)


async def evidence(client: ClientState, job_id: Id, number: int = 0) -> api.ResultUrl:
    """Return a URL of a unit's evidence: all render passes, which verifiers compare.

    Raises NotFound if the unit has no evidence: the gateway requests evidence only for checks.
    """
    return await client.connection.get(api.ResultUrl, paths.unit(job_id, number, "evidence"))


async def download_evidence(
    client: ClientState,
    job_id: Id,
    path: Path | str,
    *,
    unit: int = 0,
    progress: Progress = unheard,
) -> Path:
    """Download a unit's evidence, a layered OpenEXR file, as ``download`` does."""
    where = partial(evidence, client, job_id, unit)
    return await _fetch(client, where, path, f"{job_id}-{unit}-evidence", progress)


async def manifest(client: ClientState, job_id: Id) -> api.ResultUrl:
    """Return a URL of a job's manifest, whose SHA-256 is in its receipts.

    Raises NotFound if the job has only a scene, or the manifest has expired.
    """
    return await client.connection.get(api.ResultUrl, paths.job(job_id, "manifest"))


async def download_manifest(client: ClientState, job_id: Id, path: Path | str) -> Path:
    """Download a job's manifest, a JSON file, as ``download`` does."""
    return await _fetch(client, partial(manifest, client, job_id), path, f"{job_id}-files")


async def _fetch(
    client: ClientState,
    where: Where,
    path: Path | str,
    stem: str,
    progress: Progress = unheard,
    *,
    spare: str | None = None,
) -> Path:
    transport = client.connection.login.transport
    return await fetch(transport, where, Path(path), stem=stem, progress=progress, spare=spare)


async def _stem(client: ClientState, job_id: Id, path: Path | str, unit: int | None = None) -> str:
    """Return the name without suffix of a file in the folder ``path``: of a unit, or of all.

    A path that is no folder is the file's name already.
    """
    if not await asyncio.to_thread(Path(path).is_dir):
        return str(job_id)
    job = await job_methods.job(client, job_id)
    if job.name is None:
        return str(job_id) if unit is None else f"{job_id}-{unit}"
    stem = file_stem(job.name)
    if unit is None and job.units > 1:
        return stem
    return unit_stem(stem, await job_methods.unit(client, job_id, unit or 0))


async def _unit_result(client: ClientState, job_id: Id, number: int) -> api.ResultUrl:
    return unit_result(job_id, await job_methods.unit(client, job_id, number))


# Receipts, disputes and the log


async def receipt(client: ClientState, job_id: Id, *, unit: int | None = None) -> api.ReceiptFile:
    """Return the verified receipt of a ``unit``, or of a job of one unit.

    A receipt that the gateway has withdrawn passes here; see its member ``withdrawn``. Raises
    NotFound if the unit is not complete or its node signed nothing, NotProved if the receipt is
    invalid.
    """
    path = paths.job(job_id, "receipt") if unit is None else paths.unit(job_id, unit, "receipt")
    document = await client.connection.get_json(path)
    return read_receipt(document, uuid(job_id))


async def share(
    client: ClientState, job_id: Id, *, unit: int = 0, days: int = 7
) -> api.CreatedShareLink:
    """Make a public link to a unit's verified picture and its receipt, for 1 to 90 ``days``.

    Only this reply shows the link; if the reply is lost, revoke it. Raises Forbidden if the
    gateway shares no pictures, Conflict if the picture is not verified or there are too many
    links.
    """
    path = paths.unit(job_id, unit, "share-links")
    return await client.connection.post(
        api.CreatedShareLink, path, {"days": days}, repeatable=False
    )


async def share_links(
    client: ClientState, job_id: Id | None = None, *, limit: int = 50, offset: int = 0
) -> api.ShareLinks:
    """List your share links that have not expired, newest first, optionally only of one job."""
    job = None if job_id is None else uuid(job_id)
    return await client.connection.get(
        api.ShareLinks, paths.SHARE_LINKS, window(limit, offset, job_id=job)
    )


def each_share_link(client: ClientState) -> AsyncIterator[api.ShareLink]:
    """Iterate over all your share links that have not expired, newest first."""
    return client.connection.each(api.ShareLinks, paths.SHARE_LINKS, lambda page: page.links)


async def revoke_share_link(client: ClientState, link_id: Id) -> None:
    """Revoke a share link. Raises NotFound if the link is not yours, or was revoked before."""
    path = paths.element(paths.SHARE_LINKS, link_id)
    await client.connection.send("DELETE", path, repeatable=False)


async def dispute(
    client: ClientState,
    job_id: Id,
    reason: str,
    *,
    unit: int = 0,
    comparison: Mapping[str, Any] | None = None,
    problem: str | None = None,
    region: Mapping[str, float] | None = None,
) -> api.Dispute:
    """Dispute the charge of a unit.

    Raises Conflict if the charge cannot be disputed, or no longer. With a ``comparison`` from
    ``rendertrust verify --scene``, a verifier decides. ``problem`` is the kind of problem, and
    ``region`` its place in the picture: ``x``, ``y``, ``width`` and ``height``, from 0 to 1.
    """
    body = given(
        reason=reason,
        comparison=None if comparison is None else dict(comparison),
        problem=problem,
        region=None if region is None else dict(region),
    )
    return await client.connection.post(api.Dispute, paths.unit(job_id, unit, "dispute"), body)


async def download_dispute_picture(
    client: ClientState,
    job_id: Id,
    path: Path | str,
    *,
    unit: int = 0,
    progress: Progress = unheard,
) -> Path:
    """Download the picture that a verifier made for a unit's dispute, as ``download`` does.

    The picture is for the unit's creator and for the operator of its node. Raises NotFound if
    there is no picture.
    """

    async def where() -> api.ResultUrl:
        return await client.connection.get(
            api.ResultUrl, paths.unit(job_id, unit, "dispute/check/picture")
        )

    return await _fetch(client, where, path, f"{job_id}-{unit}-dispute", progress)


async def download_check_picture(
    client: ClientState,
    job_id: Id,
    path: Path | str,
    *,
    unit: int = 0,
    attempt: int | None = None,
    progress: Progress = unheard,
) -> Path:
    """Download the comparison picture of an invalid result of your node, as ``download`` does.

    ``attempt`` is by default the newest one with a picture. Raises NotFound if there is none.
    """
    query = given(attempt=attempt)

    async def where() -> api.ResultUrl:
        return await client.connection.get(
            api.ResultUrl, paths.unit(job_id, unit, "check/picture"), query
        )

    return await _fetch(client, where, path, f"{job_id}-{unit}-check", progress)


async def disputes(
    client: ClientState, state: str | None = None, *, limit: int = 50, offset: int = 0
) -> api.Disputes:
    """List your disputes, newest first, optionally only in one ``state``."""
    return await client.connection.get(
        api.Disputes, paths.DISPUTES, window(limit, offset, state=state)
    )


def each_dispute(client: ClientState, state: str | None = None) -> AsyncIterator[api.Dispute]:
    """Iterate over all your disputes, newest first, optionally only in one ``state``."""
    return client.connection.each(
        api.Disputes, paths.DISPUTES, lambda page: page.disputes, state=state
    )


async def work_disputes(
    client: ClientState, state: str | None = None, *, limit: int = 50, offset: int = 0
) -> api.WorkDisputes:
    """List the disputes about your nodes' work, newest first, optionally only in one ``state``."""
    return await client.connection.get(
        api.WorkDisputes, paths.WORK_DISPUTES, window(limit, offset, state=state)
    )


def each_work_dispute(
    client: ClientState, state: str | None = None
) -> AsyncIterator[api.WorkDispute]:
    """Iterate over all disputes about your nodes' work, newest first."""
    return client.connection.each(
        api.WorkDisputes, paths.WORK_DISPUTES, lambda page: page.disputes, state=state
    )


async def answer_dispute(
    client: ClientState, dispute_id: Id, text: str, *, region: Mapping[str, float] | None = None
) -> api.WorkDispute:
    """Answer a dispute about your node's work, once, before it is decided.

    ``region`` is the place in the picture. Raises NotFound if the dispute is not about your work,
    Conflict if it was decided or answered otherwise.
    """
    path = paths.element(paths.DISPUTES, dispute_id, "answer")
    body = given(text=text, region=None if region is None else dict(region))
    return await client.connection.post(api.WorkDispute, path, body)


async def log_checkpoint(client: ClientState, *, accept: bool = False) -> api.LogCheckpoint:
    """Return the log's newest checkpoint, verified against the checkpoint seen before.

    Raises Forked, which has evidence against the gateway, if the log contradicts the known log.
    With ``accept``, a fork or an unreadable pin raises nothing: the newest checkpoint replaces
    the pin.
    """
    return await client.log_monitor.newest(accept=accept)


async def entry_proof(
    client: ClientState, entry_id: int | Id, *, opening: bool = False
) -> api.EntryProof:
    """Return a verified proof that your entry is in the log. ``opening`` adds private parts.

    Raises NotProved if the proof is invalid, Forked if the log is not the log seen before.
    """
    return (await client.log_monitor.proof(entry_id, opening=opening))[0]


async def verify_entry(client: ClientState, entry_id: int | Id) -> Verdict:
    """Verify an entry's proof step by step; ``witnessed`` means the log was seen before."""
    return (await client.log_monitor.proof(entry_id, opening=False))[1]
