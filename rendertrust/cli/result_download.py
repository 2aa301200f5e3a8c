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

    A name without a suffix gets the suffix of the file's type.
    """
    is_folder = await asyncio.to_thread(out.is_dir)
    if not (out.suffix or is_folder):
        out, stem = out.parent, out.name
    with transfer_progress.shown(output, "Downloaded") as progress:
        path = await client.download(job_id, out, stem=stem, progress=progress)
    size = path.stat().st_size
    output.say(f"Saved {path} ({value_text.size(size)}).")
    return {"job_id": job_id, "path": str(path), "bytes": size}
