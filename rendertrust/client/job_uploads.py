"""Upload of the files of a job, and of the manifest that lists these files."""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path

import attrs

from rendertrust.api.uploads import Upload
from rendertrust.client.local_files import Progress, unheard
from rendertrust.client.uploads import Uploads
from rendertrust.job_name import job_name
from rendertrust.job_spec import JobSpec
from rendertrust.manifest import (
    FILENAME,
    FILES_MAX,
    Manifest,
    ManifestEntry,
    alike,
    path_fault,
    twins_fault,
)

AT_ONCE = 4


class TooManyFiles(ValueError):
    """Raised if there are more files than a job may have."""


@attrs.frozen
class Bundle:
    """The uploaded files of a job: a scene, and a manifest if there are other files.

    ``name``: the scene's name, if the gateway has the same file from you under another name.
    """

    payload_ref: str
    manifest: str | None
    files: int
    size: int
    name: str | None = None

    def fill(self, spec: JobSpec) -> JobSpec:
        """Return the job with these files."""
        name = spec.name or self.name
        return attrs.evolve(spec, payload_ref=self.payload_ref, manifest=self.manifest, name=name)


@attrs.define
class TotalProgress:
    """Total progress of several files."""

    progress: Progress
    total: int
    _done: dict[str, int] = attrs.field(factory=dict[str, int])

    def of(self, path: str) -> Progress:
        """Return the progress callback for one file."""

        def told(done: int, _: int) -> None:
            self._done[path] = done
            self.progress(sum(self._done.values()), self.total)

        return told


async def send(
    uploads: Uploads, scene: str, files: Mapping[str, Path], progress: Progress = unheard
) -> Bundle:
    """Upload ``files``, which maps paths on the node to local files.

    Raises ValueError if a manifest cannot contain a path, or the scene is not one of the files.
    """
    sizes = await asyncio.to_thread(_sizes, scene, files)
    counted = TotalProgress(progress, sum(sizes.values()))
    free = asyncio.Semaphore(AT_ONCE)

    async def one(path: str) -> Upload:
        async with free:
            return await uploads.send(files[path], counted.of(path))

    try:
        async with asyncio.TaskGroup() as tasks:
            begun = {path: tasks.create_task(one(path)) for path in sizes}
    except BaseExceptionGroup as several:
        # Raise the first file's exception; the other uploads were cancelled.
        raise several.exceptions[0] from None
    sent = {path: task.result() for path, task in begun.items()}
    scenes = sent[scene]
    if len(sent) == 1:
        return Bundle(scenes.payload_ref, None, 1, scenes.size, _name(scenes, files[scene]))
    manifest = await _send_list(uploads, Manifest(scene, tuple(map(_entry, sent, sent.values()))))
    return Bundle(scenes.payload_ref, manifest, len(sent), counted.total)


def _name(scene: Upload, file: Path) -> str | None:
    return None if scene.filename == file.name else job_name(file.stem) or None


def _sizes(scene: str, files: Mapping[str, Path]) -> dict[str, int]:
    """Return the sizes of the files to upload; empty files are left out."""
    if scene not in files:
        raise ValueError(f"the scene {scene} is not one of the files")
    for path in files:
        if (fault := path_fault(path)) is not None:
            raise ValueError(f"{path}: {fault}")
    if (twins := alike(files)) is not None:
        raise ValueError(f"{twins[0]} {twins_fault(*twins)}")
    if len(files) > FILES_MAX:
        raise TooManyFiles(f"{len(files)} files; a job has at most {FILES_MAX}")
    sizes = {path: source.stat().st_size for path, source in files.items()}
    return {path: size for path, size in sizes.items() if size or path == scene}


def _entry(path: str, upload: Upload) -> ManifestEntry:
    return ManifestEntry(path, upload.sha256, upload.size, upload.id)


async def _send_list(uploads: Uploads, manifest: Manifest) -> str:
    with tempfile.TemporaryDirectory(prefix="rendertrust-") as folder:
        path = Path(folder) / FILENAME
        await asyncio.to_thread(path.write_bytes, manifest.written("upload"))
        return (await uploads.send(path)).payload_ref
