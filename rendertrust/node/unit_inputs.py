"""Inputs of a unit in its work folder: the inputs of the dispatch, and the files of the manifest.

All files below ``in`` are regular and read-only, because a manifest has no links and its paths stay
below ``in``. Another node's result is placed in a separate folder with a random name. Therefore a
scene cannot find the result and render differently for a verifier.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import attrs

from rendertrust.manifest import Manifest, ManifestEntry, ManifestError, read
from rendertrust.node.cache import Cache, place, safe_path
from rendertrust.node.disk_space import of_disk
from rendertrust.node.input_urls import InputUrls
from rendertrust.node.plugin import Failed, is_delivered
from rendertrust.node.rmtree import clear
from rendertrust.node.sandbox import DELIVERED as FOLDER
from rendertrust.protocol import Input, JobDispatch
from rendertrust.relay_frames import FILES_ASKED_MAX

AT_ONCE: Final = 4
# Number of tries, because a URL may expire, or the cache evict a file, while others are fetched.
ROUNDS: Final = 3
T = TypeVar("T")


@attrs.frozen(eq=False)
class UnitInputs:
    """Inputs of one unit in its work folder ``work``.

    ``is_needed``: returns whether the unit needs a file of the manifest. ``placed``: the files laid
    out so far.
    """

    cache: Cache
    work: Path
    addresses: InputUrls
    is_needed: Callable[[str], bool] = lambda path: True
    placed: dict[str, Path] = attrs.field(factory=dict[str, Path])
    delivered: dict[str, Path] = attrs.field(factory=dict[str, Path])

    async def lay_out(self, dispatch: JobDispatch) -> dict[str, Path] | Failed:
        """Fetch the inputs that are not cached, and place all inputs in the work folder."""
        await asyncio.to_thread(_fresh, self.work)
        for wanted in dispatch.inputs:
            if is_delivered(dispatch.job_type, wanted.path):
                if (failed := await self._take(wanted)) is not None:
                    return failed
                continue
            path = safe_path(wanted.path)
            if path is None or str(path) in self.placed:
                return WRONG_PATH
            if (failed := await self._put(wanted, [str(path)])) is not None:
                return failed
        if dispatch.manifest is not None:
            failed = await self._lay_out_manifest(dispatch.manifest)
        else:
            failed = None
        return self.placed if failed is None else failed

    async def _lay_out_manifest(self, wanted: Input) -> Failed | None:
        content = await self._with_file(wanted, Path.read_bytes)
        if isinstance(content, Failed):
            return content
        try:
            manifest = read(content, "key")
        except ManifestError as fault:
            return Failed(failure="gateway", error=f"the manifest is wrong: {fault}"[:500])
        if any(entry.path in self.placed for entry in manifest.files):
            return WRONG_PATH
        return await self._fetch_all(manifest)

    async def _fetch_all(self, manifest: Manifest) -> Failed | None:
        paths: dict[str, list[str]] = {}
        needed = [entry for entry in manifest.files if self.is_needed(entry.path)]
        for entry in needed:
            paths.setdefault(entry.sha256, []).append(entry.path)
        waiting: list[ManifestEntry] = []
        for entry in {entry.sha256: entry for entry in needed}.values():
            cached = await asyncio.to_thread(self.cache.has, entry.sha256, entry.size)
            if not cached or await self._put(_cached(entry), paths[entry.sha256]) is not None:
                waiting.append(entry)
        for start in range(0, len(waiting), FILES_ASKED_MAX):
            batch = waiting[start : start + FILES_ASKED_MAX]
            if (failed := await self._fetch(batch, paths)) is not None:
                return failed
        return None

    async def _fetch(
        self, batch: Sequence[ManifestEntry], paths: dict[str, list[str]]
    ) -> Failed | None:
        """Fetch a batch of files; retry with new URLs if the network failed."""
        failed: Failed | None = None
        for _ in range(ROUNDS):
            given = await self.addresses.of([entry.sha256 for entry in batch])
            if isinstance(given, Failed):
                return given
            ends = await self._at_once(
                [(_of(entry, given[entry.sha256]), paths[entry.sha256]) for entry in batch]
            )
            batch = [entry for entry, end in zip(batch, ends, strict=True) if end is not None]
            failed = next((end for end in ends if end is not None), None)
            if failed is None or failed.failure != "network":
                return failed
        return failed

    async def _at_once(self, wanted: Sequence[tuple[Input, list[str]]]) -> list[Failed | None]:
        free = asyncio.Semaphore(AT_ONCE)

        async def one(given: Input, paths: list[str]) -> Failed | None:
            async with free:
                return await self._put(given, paths)

        async with asyncio.TaskGroup() as tasks:
            begun = [tasks.create_task(one(*pair)) for pair in wanted]
        return [task.result() for task in begun]

    async def _put(self, wanted: Input, paths: Sequence[str]) -> Failed | None:
        """Place an input from the cache or its URL at each path in ``paths``."""
        targets = {path: self.work / "in" / path for path in paths}
        if (failed := await self._place(wanted, targets)) is None:
            self.placed.update(targets)
        return failed

    async def _take(self, wanted: Input) -> Failed | None:
        """Fetch a file that another node has delivered, and place it in ``delivered``."""
        if wanted.path in self.delivered:
            return WRONG_PATH
        folder = self.work / FOLDER / secrets.token_hex(16)
        target = folder / wanted.path.rpartition("/")[2]
        failed = await self._place(wanted, {wanted.path: target})
        if failed is not None and failed.failure == "scene":
            # The content differs, perhaps as it was corrupted on the way.
            failed = await self._place(wanted, {wanted.path: target})
        if failed is not None:
            return attrs.evolve(failed, unread=wanted.path)
        self.delivered[wanted.path] = target
        return None

    async def _place(self, wanted: Input, targets: Mapping[str, Path]) -> Failed | None:
        """Fetch an input and link it to each target."""

        def link(source: Path) -> None:
            for target in targets.values():
                place(source, target)

        try:
            return await self._with_file(wanted, link)
        except OSError as fault:
            return of_disk(fault)

    async def _with_file(self, wanted: Input, use: Callable[[Path], T]) -> T | Failed:
        """Fetch an input and use it at once; fetch it again if another slot evicts it before."""
        for _ in range(ROUNDS):
            source = await self.cache.fetch(wanted)
            if isinstance(source, Failed):
                return source
            with contextlib.suppress(FileNotFoundError):
                return await asyncio.to_thread(use, source)
        error = f"{wanted.path} was evicted from this node's cache, which is too small"
        return Failed(failure="node", error=error)


WRONG_PATH: Final = Failed(
    failure="gateway", error="the dispatch has an invalid or repeated input path"
)


def _of(entry: ManifestEntry, given: Input) -> Input:
    """Combine the gateway's URL with the manifest's hash and size."""
    return Input(path=entry.path, url=given.url, sha256=entry.sha256, size=entry.size)


def _cached(entry: ManifestEntry) -> Input:
    """Return an input without a URL for a cached file.

    If the cache has evicted the file, placing fails, and the file is fetched with the rest.
    """
    return Input(path=entry.path, url="cache:", sha256=entry.sha256, size=entry.size)


def _fresh(work: Path) -> None:
    clear(work)
    (work / "in").mkdir(mode=0o755, parents=True)
