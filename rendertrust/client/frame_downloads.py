"""Downloads of the complete frames of a job to a folder. Existing files are skipped."""

import asyncio
import re
import zipfile
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs
import orjson

from rendertrust import frame_range, zips
from rendertrust.api.jobs import ResultUrl
from rendertrust.api.units import Unit
from rendertrust.client.downloads import fetch
from rendertrust.client.errors import TransferFailed
from rendertrust.client.job_uploads import TotalProgress
from rendertrust.client.local_files import Progress, part_in, sha256_of
from rendertrust.client.transport import Transport
from rendertrust.file_types import FRAME_FILE, MEDIA
from rendertrust.job_name import padded

AT_ONCE: Final = 4
ZIP: Final = ".zip"
VERIFYING: Final = "VERIFYING"
TILES: Final = "tiles"  # folder for tiles of incomplete frames
_MEMBERS_MAX: Final = 2 * 64  # a chunk has up to 64 frames, each perhaps with a noisy picture


@attrs.frozen
class FrameFiles:
    """Frames in a folder: all ``paths`` in order, and the ``new`` paths.

    ``missing``: number of units without a result yet; a later call downloads those that have one.
    ``tiles``: files of tiles of incomplete frames, if tiles were asked for. ``stem``: the beginning
    of the files' names. ``unverified``: those of ``paths`` that are still being verified; a frame
    that is found invalid is rendered again, and a later call replaces its file.
    """

    paths: tuple[Path, ...]
    new: tuple[Path, ...]
    missing: int
    tiles: tuple[Path, ...] = ()
    stem: str = ""
    unverified: tuple[Path, ...] = ()


@attrs.frozen
class UnitFiles:
    """The files of a unit in the folder. ``new``: those that were downloaded now."""

    paths: Sequence[Path]
    new: Sequence[Path] = ()


@attrs.frozen
class FrameDownloads:
    """Downloads of frames of one job to ``folder``. ``where`` returns a fresh URL of a unit.

    ``asked``: the wanted frame numbers; None means all frames. ``job``: its id, which names the
    note of the unverified files. With ``verified_only``, those are left out.
    """

    transport: Transport
    where: Callable[[int], Awaitable[ResultUrl]]
    folder: Path
    stem: str
    progress: Progress
    asked: frozenset[int] | None = None
    with_tiles: bool = False
    job: str = ""
    verified_only: bool = False

    async def fetched(self, units: Sequence[Unit]) -> FrameFiles:
        """Download all complete wanted frames; with ``with_tiles``, also tiles of other frames."""
        wanted = [unit for unit in units if unit.tile is None and self._is_asked(unit)]
        ready = [unit for unit in wanted if is_ready(unit, verified_only=self.verified_only)]
        tiles = self._loose(units) if self.with_tiles else []
        for folder in (self.folder, *([self.folder / TILES] if tiles else ())):
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        came: dict[int, UnitFiles] = {}
        try:
            await self._all([*ready, *tiles], came)
        finally:  # also of what came before a failure
            await asyncio.to_thread(self._note_unverified, ready, came)
        paths = [path for unit in ready for path in came[unit.number].paths]
        return FrameFiles(
            paths=(*paths,),
            new=tuple(path for unit in ready for path in came[unit.number].new),
            missing=len(wanted) - len(ready),
            tiles=tuple(path for unit in tiles for path in came[unit.number].paths),
            stem=self.stem,
            unverified=tuple(_unverified(ready, came)),
        )

    def has_others(self, units: Sequence[Unit]) -> bool:
        """Return True if files with the names of these units exist that are not the units'.

        Files that an earlier call downloaded before they were verified are the units', even if they
        have been found invalid since.
        """
        earlier = _digests(self._unverified_note)
        present = _by_stem(self.folder)
        tiles = _by_stem(self.folder / TILES) if self.with_tiles else {}
        for unit in units:
            if unit.tile is None:
                there = [present.get(named(self.stem, frame)) for frame in self._frames(unit)]
            else:
                there = [tiles.get(unit_stem(self.stem, unit))]
            found = [path for paths in there for path in paths or ()]
            found = [path for path in found if not _is_same(path, earlier.get(path.name, ""))]
            if found and not self._are_of(unit, found):
                return True
        return False

    def _are_of(self, unit: Unit, paths: Sequence[Path]) -> bool:
        """Return True if all these files have the unit's content."""
        if unit.sha256 is None:
            return False
        noted = _digests(self._note(unit))
        return all(
            _is_same(path, noted[path.name])
            if path.name in noted
            else path.stat().st_size == unit.size and sha256_of(path) == unit.sha256
            for path in paths
        )

    def _loose(self, units: Sequence[Unit]) -> list[Unit]:
        """Return complete tiles of incomplete frames."""
        whole = {unit.frames for unit in units if unit.tile is None and unit.download_url}
        tiles = [unit for unit in units if unit.tile is not None and unit.download_url]
        return [unit for unit in tiles if unit.frames not in whole and self._is_asked(unit)]

    async def _all(self, ready: Sequence[Unit], came: dict[int, UnitFiles]) -> None:
        """Download units, and put the files of each into ``came``, by the unit's number."""
        counted = TotalProgress(self.progress, sum(unit.size or 0 for unit in ready))
        free = asyncio.Semaphore(AT_ONCE)

        async def one(unit: Unit) -> None:
            async with free:
                came[unit.number] = await self._one(unit, counted.of(str(unit.number)))

        try:
            async with asyncio.TaskGroup() as tasks:
                for unit in ready:
                    tasks.create_task(one(unit))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None  # a later call downloads the other units

    async def _one(self, unit: Unit, progress: Progress) -> UnitFiles:
        """Download a unit and return its files."""
        here = await asyncio.to_thread(self._here, unit)
        if here is not None:
            progress(unit.size or 0, unit.size or 0)
            return UnitFiles(here)
        path = await fetch(
            self.transport,
            lambda: self.where(unit.number),
            self._place(unit),
            stem=unit_stem(self.stem, unit),
            progress=progress,
        )
        if path.suffix != ZIP or unit.tile is not None:
            return UnitFiles([path], [path])
        paths = await asyncio.to_thread(self._taken_apart, path, unit)
        return UnitFiles(paths, paths)

    def _place(self, unit: Unit) -> Path:
        return self.folder if unit.tile is None else self.folder / TILES

    def _here(self, unit: Unit) -> list[Path] | None:
        """Return the files of a unit if an earlier call has downloaded them, otherwise None."""
        if unit.sha256 is None:
            return None
        noted = self._note(unit)
        if noted.is_file():
            return self._noted(noted, unit)
        for path in sorted(self._place(unit).glob(f"{_escaped(unit_stem(self.stem, unit))}.*")):
            if path.stat().st_size == unit.size and sha256_of(path) == unit.sha256:
                is_bundle = path.suffix == ZIP and unit.tile is None
                return self._taken_apart(path, unit) if is_bundle else [path]
        return None

    def _note(self, unit: Unit) -> Path:
        """Return the path of the note that lists the files of an unpacked chunk."""
        return self.folder / f".rendertrust-{(unit.sha256 or '')[:32]}.frames"

    @property
    def _unverified_note(self) -> Path:
        """The path of the note that lists the job's files that were downloaded unverified."""
        return self.folder / f".rendertrust-{self.job}.unverified"

    def _note_unverified(self, units: Sequence[Unit], came: Mapping[int, UnitFiles]) -> None:
        """Write the note: the unverified files that came, and earlier ones that did not."""
        note = self._unverified_note
        names = {path.name for one in came.values() for path in one.paths}
        earlier = {name: sha for name, sha in _digests(note).items() if name not in names}
        digests = earlier | {path.name: sha256_of(path) for path in _unverified(units, came)}
        if digests:
            note.write_bytes(orjson.dumps(digests))
        else:
            note.unlink(missing_ok=True)

    def _noted(self, note: Path, unit: Unit) -> list[Path] | None:
        """Return the noted files of the wanted frames; None if a file is missing or changed."""
        told = _digests(note)
        found: list[Path] = []
        for frame in self._frames(unit):
            name = f"{named(self.stem, frame)}."
            files = [self.folder / file for file in told if file.startswith(name)]
            if not files or not all(_is_same(path, told[path.name]) for path in files):
                return None
            found.extend(files)
        return found or None

    def _taken_apart(self, bundle: Path, unit: Unit) -> list[Path]:
        """Unpack the wanted frames of a zip, each frame complete or not at all.

        The zip is from a node, and so untrusted. Therefore only the frame numbers in its names are
        used, and compressed members are refused. Raises TransferFailed if the file is not a zip of
        frames.
        """
        digests: dict[str, str] = {}
        frames = frozenset(self._frames(unit))
        try:
            with zips.opened(bundle, bundle.stat().st_size, _MEMBERS_MAX) as packed:
                for member in _stored(packed.members):
                    number, suffix = _split(member.filename)
                    if unit.frames is not None and number not in frames:
                        continue
                    place = self.folder / f"{named(self.stem, number)}{suffix}"
                    digests[place.name] = self._extracted(packed.pieces(member), place)
        except zips.BadZip as fault:
            raise TransferFailed(f"The zip of a chunk cannot be read: {fault}") from fault
        if unit.sha256 is not None:
            note = self._note(unit)
            note.write_bytes(orjson.dumps(_digests(note) | digests))
        bundle.unlink()
        return [self.folder / name for name in digests]

    def _is_asked(self, unit: Unit) -> bool:
        return self.asked is None or bool(self._frames(unit))

    def _frames(self, unit: Unit) -> list[int]:
        """Return the wanted frames of a unit."""
        of_unit = () if unit.frames is None else frame_range.parse(unit.frames)
        return [frame for frame in of_unit if self.asked is None or frame in self.asked]

    def _extracted(self, pieces: Iterable[bytes], place: Path) -> str:
        with part_in(self.folder) as part:
            for piece in pieces:
                part.add(piece)
            sha256 = part.sha256()
            part.take_place(place)
        return sha256


def _unverified(units: Sequence[Unit], came: Mapping[int, UnitFiles]) -> Iterator[Path]:
    """Yield the files that came of units that are still being verified."""
    for unit in units:
        if unit.state == VERIFYING and unit.number in came:
            yield from came[unit.number].paths


def is_ready(unit: Unit, *, verified_only: bool) -> bool:
    """Return True if the unit has a result; with ``verified_only``, one that was verified."""
    is_left_out = verified_only and unit.state == VERIFYING
    return unit.download_url is not None and not is_left_out


def unit_stem(stem: str, unit: Unit) -> str:
    """Return the name of a unit's file without suffix: ``shot-0012``.

    Tile 3 of frame 12 is ``shot-0012-3``, a chunk ``shot-0001_0010``.
    """
    if unit.frames is None:
        return stem
    if unit.tile is not None:
        return f"{named(stem, int(unit.frames))}-{unit.tile}"
    frames = frame_range.parse(unit.frames)
    if len(frames) == 1:
        return named(stem, frames[0])
    return f"{stem}-" + "_".join(padded(frame) for frame in (frames[0], frames[-1]))


def with_id(stem: str, job_id: str) -> str:
    """Return the name with the beginning of the job's id: ``shot-1a2b3c4d``.

    The id stands before the last group of ``#``: ``shot_1a2b3c4d-####``.
    """
    short = job_id.split("-", maxsplit=1)[0]
    places = list(re.finditer("#+", stem))
    if not places:
        return f"{stem}-{short}"
    start = places[-1].start()
    return f"{stem[:start]}{short}-{stem[start:]}"


def named(stem: str, frame: int) -> str:
    """Return the name of a frame: ``shot-0001``.

    As in Blender, ``#`` in ``stem`` stands for a digit. ``shot_###_v2`` gives ``shot_001_v2``,
    ``####`` gives ``0001``. Only the last group of ``#`` is replaced.
    """
    places = list(re.finditer("#+", stem))
    if not places:
        return f"{stem}-{padded(frame)}"
    start, end = places[-1].span()
    digits = ("-" if frame < 0 else "") + f"{abs(frame):0{end - start}}"
    return stem[:start] + digits + stem[end:]


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    """Return the pictures and videos of a folder by name without suffix."""
    found: dict[str, list[Path]] = {}
    if folder.is_dir():
        for path in folder.iterdir():
            if path.suffix.lower() in MEDIA:
                found.setdefault(path.stem, []).append(path)
    return found


def _digests(note: Path) -> dict[str, str]:
    """Return the SHA-256 of each unpacked file in a note; empty if the note cannot be read."""
    try:
        return {
            Path(name).name: str(sha256) for name, sha256 in orjson.loads(note.read_bytes()).items()
        }
    except (OSError, ValueError, AttributeError):
        return {}


def _is_same(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_of(path) == sha256


def _stored(members: Sequence[zipfile.ZipInfo]) -> Sequence[zipfile.ZipInfo]:
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise zips.BadZip("a member of the zip is compressed, but nodes do not compress frames")
    return members


def _split(name: str) -> tuple[int, str]:
    found = FRAME_FILE.fullmatch(name)
    if found is None:
        raise zips.BadZip("a name in the zip is not the name of a frame")
    return int(found[1]), found[2]


def _escaped(name: str) -> str:
    return re.sub(r"([*?\[\]])", r"[\1]", name)
