"""The store of renderers: versions of Blender that a node installs when work needs them.

Each version has an environment of its own in the node's state folder. It is installed from the list
that the gateway signs (``rendertrust.renderer_list``), tested in the sandbox, and stays until other
versions need its space: then the longest unused one goes, and never one in use. An environment is
marked once it is whole and tested. The next agent removes all others.
"""

import asyncio
import contextlib
import hashlib
import os
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Mapping, Set
from pathlib import Path
from typing import Final

import attrs
import orjson

from rendertrust.blender_version import BlenderVersion, text_of
from rendertrust.node import renderer_environment
from rendertrust.node.blender import Blender, NoBlender
from rendertrust.node.blender_discovery import Renderer
from rendertrust.node.renderer_environment import PipTools, Python, RendererTools
from rendertrust.node.rmtree import clear
from rendertrust.note import NoteRefused
from rendertrust.renderer_list import RendererList, RendererRelease, decode, encode

HALF: Final = ".new-"  # prefix of environments that are being installed
RELEASE: Final = "release.json"  # the list's entry of an environment
USED: Final = "used"  # mark of a whole environment: its bytes; changed at each use
Test = Callable[[Renderer], Awaitable[Blender | NoBlender]]
Ask = Callable[[], Awaitable[RendererList | NoteRefused]]


@attrs.frozen
class NotInstalled:
    """The reason why a version cannot be used now."""

    reason: str


@attrs.frozen
class InstalledRenderer:
    """An environment of the store. ``used_at``: the time of its last use, ``size``: its bytes."""

    folder: Path
    size: int
    used_at: float


def _silent(_: str) -> None:
    """Ignore what the store tells."""


async def _nothing_waits() -> None:
    """End nothing before an environment is removed."""


@attrs.define(eq=False)
class RendererStore:
    """Environments below ``folder`` with at most ``bytes_max`` bytes together.

    The list's sizes are without the bytecode that pip writes. It is counted once it is there, so
    only versions in use may exceed that.

    ``test`` tries a renderer in its sandbox. ``own``: versions that the node has without the store.
    ``ask`` fetches the list; None: another agent may use the folder, so nothing is installed or
    removed. ``end_waiting`` ends processes that wait for work, whose environment may then go.
    ``listed``: the list that the gateway signed. ``faults``: versions that are left out, and why.
    ``failures``: how often in a row a version could not be installed; it is left out until
    ``try_again``, or until the list changes. ``ready`` is set when a version has been tested.
    """

    folder: Path
    bytes_max: int
    test: Test
    tools: RendererTools = attrs.field(factory=PipTools)
    narrate: Callable[[str], None] = _silent
    ask: Ask | None = None
    end_waiting: Callable[[], Awaitable[None]] = _nothing_waits
    own: Collection[BlenderVersion] = ()
    listed: RendererList = ()
    faults: dict[BlenderVersion, str] = attrs.field(factory=dict[BlenderVersion, str])
    failures: Counter[BlenderVersion] = attrs.field(factory=Counter[BlenderVersion])
    changed: asyncio.Event = attrs.field(factory=asyncio.Event)
    ready: asyncio.Event = attrs.field(factory=asyncio.Event)
    _pythons: dict[str, Python | None] = attrs.field(factory=dict)
    _tested: dict[str, Blender] = attrs.field(factory=dict[str, Blender])
    _in_use: Counter[str] = attrs.field(factory=Counter[str])
    _returned: asyncio.Event = attrs.field(factory=asyncio.Event)
    _one_at_a_time: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    _whole: set[str] = attrs.field(factory=set[str])  # names of the installed environments
    _preparing: "dict[str, asyncio.Task[None]]" = attrs.field(factory=dict)

    async def take(self, listed: RendererList) -> None:
        """Use a list from now on, and look for the Pythons that it needs."""
        if listed == self.listed:
            return
        for version in sorted({each.python for each in listed} - self._pythons.keys()):
            self._pythons[version] = await self.tools.python(version)
        self.listed = listed
        self.failures.clear()
        self.faults = {each.line: why for each in listed if (why := self._why_never(each))}
        for line in sorted(self.faults):
            self.narrate(f"Blender {text_of(line)} is not offered: {self.faults[line]}")
        self.changed.set()

    def offered(self) -> RendererList:
        """Return the versions that the store has or can install, the oldest first.

        Versions that the node has without the store are left out.
        """
        known = (each for each in self.listed if each.line not in {*self.faults, *self.own})
        return tuple(sorted(known, key=lambda each: each.line))

    def failed(self) -> Set[BlenderVersion]:
        """Return the versions that are left out because they could not be installed."""
        return self.failures.keys() & self.faults.keys()

    def try_again(self, version: BlenderVersion) -> None:
        """Offer a version that could not be installed."""
        if version in self.failed():
            del self.faults[version]
            self.changed.set()

    def find(self, version: BlenderVersion) -> RendererRelease | None:
        """Return the release of a version that is offered; None if there is none."""
        return next((each for each in self.offered() if each.line == version), None)

    def tested(self) -> tuple[Blender, ...]:
        """Return the renderers that were used since the agent started, and are not removed."""
        return tuple(self._tested.values())

    def has(self, release: RendererRelease) -> bool:
        """Return True if a version is installed."""
        return name_of(release) in self._whole

    def prepare(self, release: RendererRelease) -> None:
        """Install a version beside all else, unless it is installed or being installed."""
        name = name_of(release)
        if name in self._whole or name in self._preparing:
            return
        task = self._preparing[name] = asyncio.create_task(self._prepare(release))
        task.add_done_callback(lambda _: self._preparing.pop(name, None))

    async def _prepare(self, release: RendererRelease) -> None:
        async with self.lent(release):
            pass

    async def end(self) -> None:
        """End the installations that run beside all else."""
        tasks = list(self._preparing.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def lent(self, release: RendererRelease) -> AsyncGenerator[Blender | NotInstalled]:
        """Lend a renderer, which is installed first if necessary, and kept while it is lent.

        If the versions in use leave no space, wait until one of them is returned.
        """
        name = name_of(release)
        self._in_use[name] += 1
        try:
            while (found := self._tested.get(name) or await self._prepared(release)) is None:
                await self._returned.wait()
            yield found
        finally:
            self._in_use[name] -= 1
            self._returned.set()
            await asyncio.to_thread(_touch, self.folder / name)

    async def _prepared(self, release: RendererRelease) -> Blender | NotInstalled | None:
        """Test a version, which is installed first if necessary; return None without space."""
        async with self._one_at_a_time:
            self._returned.clear()
            return await self._ready(release)

    async def first(self) -> Blender | NotInstalled:
        """Return a version for a node without a Blender of its own, which is never removed.

        That is the newest of the list, installed if necessary. If it cannot be had, or without a
        list, it is the newest version that is installed and works.
        """
        found = NotInstalled("the store has installed no version of Blender")
        if self.ask is not None:
            try:
                await self.clean()
            except OSError as fault:
                return NotInstalled(f"the folder of renderers cannot be used: {fault}")
            listed = await self.ask()
            if isinstance(listed, NoteRefused):
                found = NotInstalled(f"no list of renderers: {listed.reason}")
            else:
                await self.take(listed)
        kept = await asyncio.to_thread(releases_in, self.folder)
        for release in dict.fromkeys((*reversed(self.offered()), *kept)):
            async with self.lent(release) as lent:
                if isinstance(lent, Blender):
                    self._in_use[name_of(release)] += 1
                    return lent
            found = lent
        return found

    async def clean(self) -> None:
        """Remove what an earlier agent left half installed or half removed."""
        await asyncio.to_thread(_clean, self.folder)
        self._whole = set(await asyncio.to_thread(installed, self.folder))

    def _why_never(self, release: RendererRelease) -> str | None:
        """Return why this machine cannot have a version; None if it can."""
        if self._pythons.get(release.python) is None:
            return f"it needs Python {release.python}, which this machine lacks"
        if release.size > self.bytes_max:
            mib = release.size >> 20
            return f"it needs {mib} MiB, more than --renderers allows"
        return None

    async def _ready(self, release: RendererRelease) -> Blender | NotInstalled | None:
        name = name_of(release)
        if (known := self._tested.get(name)) is not None:
            return known
        whole = self.folder / name
        try:
            is_there = await asyncio.to_thread((whole / USED).exists)
            kept = await self._tried(whole, release) if is_there else None
            if isinstance(kept, Blender):
                found: Blender | NotInstalled | None = kept
            else:
                if self._pythons.get(release.python) is None:
                    why = kept or "it is not installed"
                    return NotInstalled(f"Blender {release.version} cannot be used: {why}")
                if is_there:  # what is damaged must not take the space of its replacement
                    await asyncio.to_thread(renderer_environment.remove, whole)
                found = await self._installed(whole, release)
        except OSError as fault:
            return self._failed(release, f"it cannot be stored: {fault}")
        if isinstance(found, Blender):
            self._tested[name] = found
            self.failures.pop(release.line, None)
            self.ready.set()
        return found

    async def _installed(
        self, whole: Path, release: RendererRelease
    ) -> Blender | NotInstalled | None:
        python = self._pythons.get(release.python)
        assert python is not None, "a version without its Python is not offered"
        if not await self._make_room(release.size):
            return None
        self.narrate(f"installing Blender {release.version}, {release.size >> 20} MiB")
        self._whole.discard(whole.name)
        half = await asyncio.to_thread(renderer_environment.new_environment, self.folder, HALF)
        try:
            if (fault := await self.tools.install(release, python, half)) is not None:
                return self._failed(release, fault)
            await asyncio.to_thread(_place, half, whole, python)
            found = await self._tried(whole, release)
            if not isinstance(found, Blender):
                return self._failed(release, found)
            await asyncio.to_thread(_finish, whole, release)
            self._whole.add(whole.name)
            await self._make_room(0)
        finally:
            await asyncio.to_thread(_clear_half, half, whole)
        self.narrate(f"Blender {release.version} is installed")
        self.changed.set()
        return found

    async def _tried(self, folder: Path, release: RendererRelease) -> Blender | str:
        """Test an environment in the sandbox; return why it is not the release."""
        renderer = await asyncio.to_thread(renderer_environment.renderer_in, folder)
        if renderer is None:
            return "it is not installed"
        found = await self.test(renderer)
        if isinstance(found, NoBlender):
            return found.reason
        if not found.is_sandboxed:
            return "renderers of the gateway's list run only in a sandbox"
        if (found.version, found.build) != (release.version, release.build):
            return f"it is Blender {found.version}, build {found.build}, and not the listed one"
        return found

    def _failed(self, release: RendererRelease, why: str) -> NotInstalled:
        """Leave a version out from now on."""
        self.faults[release.line] = why
        self.failures[release.line] += 1
        self.narrate(f"Blender {release.version} is not offered: {why}")
        self.changed.set()
        return NotInstalled(f"Blender {release.version} cannot be installed: {why}")

    async def _make_room(self, size: int) -> bool:
        """Remove the longest unused environments, so that ``size`` bytes are free.

        Return False, and remove none, if those in use leave no such space.
        """
        there = await asyncio.to_thread(installed, self.folder)
        wanted = {name_of(each) for each in self.listed}
        used = {name for name, count in self._in_use.items() if count > 0}
        chosen = to_remove(there.values(), self.bytes_max - size, wanted, used)
        if chosen is None:
            return False
        for each in chosen:
            self._tested.pop(each.folder.name, None)  # now, as nobody may begin to use it
            self._whole.discard(each.folder.name)
        if chosen:
            await self.end_waiting()
        for each in chosen:
            self.narrate(f"removing the renderer {each.folder.name}, which was not used for long")
            await asyncio.to_thread(renderer_environment.remove, each.folder)
        return True


def name_of(release: RendererRelease) -> str:
    """Return the name of a release's environment, which differs for other wheels."""
    digest = hashlib.sha256(orjson.dumps(attrs.asdict(release))).hexdigest()
    return f"{text_of(release.line)}-{digest[:16]}"


def installed(folder: Path) -> Mapping[str, InstalledRenderer]:
    """Return the whole environments in a folder by name."""
    found: dict[str, InstalledRenderer] = {}
    for each in sorted(folder.glob("[0-9]*")):
        with contextlib.suppress(OSError, ValueError):
            mark = each / USED
            size, used_at = int(mark.read_text()), mark.stat().st_mtime
            found[each.name] = InstalledRenderer(each, size, used_at)
    return found


def releases_in(folder: Path) -> RendererList:
    """Return the releases of the whole environments in a folder, the newest first."""
    found = (each for name in installed(folder) for each in _release_of(folder / name))
    return tuple(sorted(found, key=lambda each: each.line, reverse=True))


def _release_of(whole: Path) -> Iterator[RendererRelease]:
    """Yield the release from which an environment was installed, unless its entry is damaged."""
    with contextlib.suppress(OSError, ValueError):
        for each in decode((whole / RELEASE).read_bytes()):
            if name_of(each) == whole.name:
                yield each


def to_remove(
    there: Collection[InstalledRenderer],
    bytes_max: int,
    wanted: Collection[str],
    used: Collection[str],
) -> list[InstalledRenderer] | None:
    """Return which environments to remove so that the others have at most ``bytes_max`` bytes.

    Those that are not in the list any more go first, then the longest unused. None if those in use
    are too large.
    """
    held, chosen = sum(each.size for each in there), list[InstalledRenderer]()
    free = [each for each in there if each.folder.name not in used]
    for each in sorted(free, key=lambda one: (one.folder.name in wanted, one.used_at)):
        if held <= bytes_max:
            break
        held -= each.size
        chosen.append(each)
    return chosen if held <= bytes_max else None


def _place(half: Path, whole: Path, python: Python) -> None:
    """Move an environment to its place, where it is tested."""
    renderer_environment.write_base(half, python)
    clear(whole)
    half.rename(whole)


def _finish(whole: Path, release: RendererRelease) -> None:
    """Mark a tested environment as whole. The disk has all of it by then."""
    (whole / RELEASE).write_text(encode((release,)))
    size = renderer_environment.size_of(whole)
    os.sync()
    (whole / USED).write_text(str(size))


def _clear_half(half: Path, whole: Path) -> None:
    clear(half)
    if not (whole / USED).exists():
        clear(whole)


def _touch(folder: Path) -> None:
    with contextlib.suppress(OSError):
        os.utime(folder / USED)


def _clean(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    whole = installed(folder)
    for each in sorted(folder.iterdir()):
        if each.name not in whole:
            clear(each)
