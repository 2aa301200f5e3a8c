"""Jobs of several files: a node gets the list of them, and asks for the URLs of those it lacks."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from actors.node_session.settings import NodeSessionSettings
from actors.ports import ObjectMissing, Objects
from actors.scheduler.messages import Assignment
from rendertrust.manifest import KEPT_BYTES_MAX, Entry, ManifestError, read
from rendertrust.protocol import Input, Urls

# In a job's parameters: {key, sha256, size} of the list as we keep it, written by us.
MANIFEST: Final = "_manifest"
Giving = Callable[[Assignment, Objects, NodeSessionSettings, str | None], Awaitable[Urls]]


async def offered(
    unit: Assignment, objects: Objects, settings: NodeSessionSettings, base: str | None
) -> Input | None:
    """The list of a unit's files; None where it has none. Raises ValueError: it is too long."""
    noted: Any = unit.params.get(MANIFEST)
    if not isinstance(noted, dict):
        return None
    url = await objects.presign_get(noted["key"], within=settings.url_seconds, base=base)
    return Input(path="manifest", url=url, sha256=noted["sha256"], size=noted["size"])


def urls(wanted: Sequence[str]) -> Giving:
    """Gives the URLs of the wanted files, by SHA-256, as far as the unit's list has them."""

    async def give(
        unit: Assignment, objects: Objects, settings: NodeSessionSettings, base: str | None
    ) -> Urls:
        files = await _files(unit, objects)
        found = [files[sha256] for sha256 in dict.fromkeys(wanted) if sha256 in files]
        signed = [await _signed(entry, objects, settings, base) for entry in found]
        return Urls(job_id=str(unit.job), unit=unit.unit, attempt=unit.attempt, inputs=(*signed,))

    return give


async def _files(unit: Assignment, objects: Objects) -> Mapping[str, Entry]:
    """The unit's files by SHA-256; none where the list is gone: the node is not to wait for it."""
    noted: Any = unit.params.get(MANIFEST)
    if not isinstance(noted, dict):
        return {}
    try:
        manifest = read(await objects.get(noted["key"], at_most=KEPT_BYTES_MAX), "key")
    except (ObjectMissing, ManifestError):
        return {}
    # We wrote it; nothing but the creator's own is signed all the same.
    own = (f"uploads/{unit.user}/", f"results/{unit.user}/")
    return {n: entry for n, entry in manifest.by_sha256.items() if entry.place.startswith(own)}


async def _signed(
    entry: Entry, objects: Objects, settings: NodeSessionSettings, base: str | None
) -> Input:
    url = await objects.presign_get(entry.place, within=settings.url_seconds, base=base)
    return Input(path=entry.sha256, url=url, sha256=entry.sha256, size=entry.size)
