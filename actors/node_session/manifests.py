"""Jobs of several files: a node gets the list of them, and asks for the URLs of those it lacks."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final
from weakref import WeakValueDictionary

from actors.node_session.settings import NodeSessionSettings
from actors.ports import ObjectMissing, Objects
from actors.scheduler.messages import Assignment
from rendertrust.manifest import KEPT_BYTES_MAX, ManifestEntry, ManifestError, read
from rendertrust.protocol import Input

ENTRIES_MAX: Final = 100_000  # some 60 MB; twenty of the longest lists


async def offered(
    unit: Assignment, objects: Objects, settings: NodeSessionSettings, base: str | None
) -> Input | None:
    """The list of a unit's files; None where it has none. Raises ValueError: it is too long."""
    files = unit.plan.inputs.files
    if files is None:
        return None
    url = await objects.presign_get(files.key, within=settings.url_seconds, base=base)
    return Input(path="manifest", url=url, sha256=files.sha256, size=files.size)


class Manifests:
    """Lists of files that were read, for all sessions, with ``ENTRIES_MAX`` files in all.

    A session that asks for a list that is being read waits for it.
    """

    def __init__(self) -> None:
        self._read: OrderedDict[str, Mapping[str, ManifestEntry]] = OrderedDict()
        self._entries = 0
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def urls(
        self,
        unit: Assignment,
        wanted: Sequence[str],
        objects: Objects,
        settings: NodeSessionSettings,
        base: str | None,
    ) -> tuple[Input, ...]:
        """Return the wanted files with their URLs, by SHA-256, as far as the unit's list has them.

        We wrote the list; nothing but the creator's own files is signed all the same.
        """
        files = await self._files(unit, objects)
        own = (f"uploads/{unit.user}/", f"results/{unit.user}/")
        found = [files[sha256] for sha256 in dict.fromkeys(wanted) if sha256 in files]
        signed = [
            await _signed(entry, objects, settings, base)
            for entry in found
            if entry.place.startswith(own)
        ]
        return tuple(signed)

    async def _files(self, unit: Assignment, objects: Objects) -> Mapping[str, ManifestEntry]:
        """Return the unit's files by SHA-256; none where the list is gone: the node is not to wait.

        Lists are known by their own SHA-256: under a key another one may come to lie.
        """
        noted = unit.plan.inputs.files
        if noted is None:
            return {}
        name = f"{noted.key} {noted.sha256}"
        if (lock := self._locks.get(name)) is None:
            lock = self._locks[name] = asyncio.Lock()
        async with lock:
            if name in self._read:
                self._read.move_to_end(name)
                return self._read[name]
            try:
                content = await objects.get(noted.key, at_most=KEPT_BYTES_MAX)
                files = read(content, "key").by_sha256
            except (ObjectMissing, ManifestError):
                return {}
            self._keep(name, files)
            return files

    def _keep(self, name: str, files: Mapping[str, ManifestEntry]) -> None:
        self._read[name] = files
        self._entries += len(files)
        while self._entries > ENTRIES_MAX:
            _, dropped = self._read.popitem(last=False)
            self._entries -= len(dropped)


async def _signed(
    entry: ManifestEntry, objects: Objects, settings: NodeSessionSettings, base: str | None
) -> Input:
    url = await objects.presign_get(entry.place, within=settings.url_seconds, base=base)
    return Input(path=entry.sha256, url=url, sha256=entry.sha256, size=entry.size)
