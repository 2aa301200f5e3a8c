"""Download of the result of a job."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rendertrust.cli import transfer_progress, value_text
from rendertrust.cli.output import Printer

if TYPE_CHECKING:
    from rendertrust.client import AsyncClient


async def fetched(
    output: Printer, client: "AsyncClient", job_id: str, out: Path, stem: str | None = None
) -> dict[str, Any]:
    """Save the result at ``out``, print the path, and return the document for ``--json``.

    A name without a suffix gets the suffix of the file's type. Only a file that ``out`` names with
    its suffix is replaced.
    """
    is_folder, is_there = await asyncio.to_thread(lambda: (out.is_dir(), out.is_file()))
    place = out
    if not (out.suffix or is_folder):
        place, stem = out.parent, out.name
    with transfer_progress.shown(output, "Downloaded") as progress:
        path = await client.download(job_id, place, stem=stem, overwrite=False, progress=progress)
    size = path.stat().st_size
    replaced = ", in place of an earlier file" if is_there and path == out else ""
    output.say(f"Saved {path} ({value_text.size(size)}){replaced}.")
    if path != out and path.stem.endswith(f"-{value_text.short(job_id)}"):
        output.note(f"{path.parent} has another file of that name, which was kept.")
    return {"job_id": job_id, "path": str(path), "bytes": size}
