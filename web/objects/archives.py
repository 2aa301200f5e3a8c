"""Archives: the complete results of a job, so far, as one zip, created while it is sent.

The zip is not stored anywhere: only one piece of each transfer is in memory. Like a presigned URL,
the zip's address works for an hour, for everybody who has the address.
"""

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Final, TypeAlias
from urllib.parse import urlencode
from uuid import UUID
from weakref import WeakValueDictionary

import attrs
import structlog
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from actors.ports import ObjectMissing, Objects, ObjectsUnavailable, place_of
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.file_types import FRAME_FILE, HEAD_BYTES, attachment, suffix_of
from rendertrust.frame_range import parse
from rendertrust.job_name import file_stem, padded
from rendertrust.job_status import ENDED
from sql.database import Unavailable
from sql.jobs import PagedUnit
from sql.units import is_result_of
from web.gateway import Gateway
from web.http.converter import uuid_of
from web.http.problem import Problem, unavailable
from web.http.responses import refusal
from web.objects.checksums import Checksums, ClientLeftError, IsGone, content
from web.objects.transfer_rate import TransferRate, write_in_pace
from web.objects.zip_layout import (
    TAIL_BYTES,
    NotABundle,
    ZipLayout,
    ZipMember,
    laid_out,
    members_of,
)

PATH: Final = "/archives/{user}/{job}.zip"
IDLE_SECONDS: Final = 30.0  # a client that takes no bytes for so long is disconnected
UNITS_MAX: Final = 10_000
KEPT_SECONDS: Final = 60.0
FRESH_SECONDS: Final = 10.0  # during which the layout of a job at work stays as it is
MEMBERS_KEPT: Final = 50_000  # files in the layouts that are cached: some 20 MB
# statuses in which new results come only from units that still run
RESTING: Final = (*ENDED, "PAUSED")
ZIP: Final = ".zip"
NOT_OPEN: Final = Problem(
    403, "The URL was not issued by this gateway, or has expired", code=RefusalCode.ADDRESS_EXPIRED
)
NO_ARCHIVE: Final = Problem(404, "There is no such archive", code=RefusalCode.ARCHIVE_NOT_FOUND)
AWAY: Final = unavailable("The object store is not available", code=RefusalCode.OBJECTS_UNAVAILABLE)
# version of a job: its owner, its name and its progress
Version: TypeAlias = tuple[UUID, str, str, int, datetime]
_RANGE: Final = re.compile(r"bytes=(\d{1,18})-", re.ASCII)

log = structlog.get_logger(__name__)


def address_of(gateway: Gateway, user: UUID, job: UUID, base: str, within: int) -> str:
    """Return an address at which everybody who has it can fetch the zip for ``within`` seconds."""
    expires = int(gateway.ports.clock.now().timestamp()) + within
    path = PATH.format(user=user, job=job)
    signature = gateway.identity.tokens.sign(f"{path}\n{expires}")
    return f"{base.rstrip('/')}{path}?{urlencode({'expires': expires, 'signature': signature})}"


@attrs.frozen
class Archive:
    """The layout of a job's zip, with its size and ETag; ``made_at`` is a time of the monotonic
    clock.

    ``stem``: the zip's name without suffix, with which the names of its files begin.
    """

    stem: str
    layout: ZipLayout
    size: int
    tag: str
    version: Version
    made_at: float

    def is_of(self, version: Version, now: float) -> bool:
        """Return True if the job is unchanged and the layout was made recently.

        Units of a job at work complete all the time: its layout is made again after a while.
        """
        age = now - self.made_at
        if version[2] not in RESTING and age < FRESH_SECONDS:
            return self.version[:3] == version[:3]
        return self.version == version and age < KEPT_SECONDS


@attrs.define
class Archives:
    """Handler of the archives. ``crcs`` caches checksums, so that resuming is cheap.

    Layouts are cached for ``KEPT_SECONDS``, unless their job changes, and of jobs at work for
    ``FRESH_SECONDS``: an address may be requested thousands of times a minute.
    """

    gateway: Gateway
    crcs: Checksums = attrs.field(init=False)
    _kept: OrderedDict[UUID, Archive] = attrs.field(factory=OrderedDict[UUID, Archive], init=False)
    _files: int = attrs.field(default=0, init=False)  # number of files in all cached layouts
    _making: WeakValueDictionary[UUID, asyncio.Lock] = attrs.field(
        factory=WeakValueDictionary[UUID, asyncio.Lock], init=False
    )

    def __attrs_post_init__(self) -> None:
        self.crcs = Checksums(self.gateway.ports.objects)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Send the zip with 200, or with 206 for a range; otherwise answer 403, 404, 416 or 503."""
        job = self._opened(request)
        if isinstance(job, Problem):
            return refusal(request, job)
        try:
            archive = await self._archive(*job, leaving(request))
        except (ObjectsUnavailable, Unavailable):
            return refusal(request, AWAY)
        except (ObjectMissing, ClientLeftError):
            return refusal(request, NO_ARCHIVE)
        if archive is None:
            return refusal(request, NO_ARCHIVE)
        return await self._answer(request, archive)

    def _opened(self, request: web.Request) -> tuple[UUID, UUID] | Problem:
        """Return the user and the job of a valid address; the signature is checked first."""
        expires, signature = (request.query.get(name, "") for name in ("expires", "signature"))
        if not self.gateway.identity.tokens.is_signed(f"{request.path}\n{expires}", signature):
            return NOT_OPEN
        if not expires.isdecimal() or int(expires) < self.gateway.ports.clock.now().timestamp():
            return NOT_OPEN
        user, job = (uuid_of(request.match_info[name]) for name in ("user", "job"))
        return NO_ARCHIVE if user is None or job is None else (user, job)

    async def _archive(self, user: UUID, job: UUID, is_gone: IsGone) -> Archive | None:
        """Return the cached archive, or create it once for all concurrent requests."""
        row = await self.gateway.tables.jobs.by_id(job, user)
        if row is None or row.units == 1 or not row.done:
            return None
        version = (user, row.name, row.status, row.done, row.updated_at)
        clock = self.gateway.ports.clock
        if (lock := self._making.get(job)) is None:
            lock = self._making[job] = asyncio.Lock()
        async with lock:
            kept = self._kept.get(job)
            if kept is not None and kept.is_of(version, clock.monotonic()):
                self._kept.move_to_end(job)
                return kept
            stem = file_stem(row.name)
            layout = await self._layout(user, job, stem, is_gone)
            if layout is None:
                return None
            made = Archive(stem, layout, layout.size, tag_of(layout), version, clock.monotonic())
            self._keep(job, made)
            return made

    def _keep(self, job: UUID, made: Archive) -> None:
        older = self._kept.pop(job, None)
        self._files -= 0 if older is None else len(older.layout.members)
        self._kept[job] = made
        self._files += len(made.layout.members)
        while self._files > MEMBERS_KEPT:
            _, dropped = self._kept.popitem(last=False)
            self._files -= len(dropped.layout.members)

    async def _layout(self, user: UUID, job: UUID, stem: str, is_gone: IsGone) -> ZipLayout | None:
        rows = await self.gateway.tables.jobs.unit_page(job, -1, UNITS_MAX)
        units = [unit for unit in worth_keeping(rows) if unit.state == "COMPLETED"]
        bucket = self.gateway.settings.objects.bucket
        keys = [result_of(unit, user, bucket) for unit in units]
        if None in keys:
            return None
        kept = [(unit, key) for unit, key in zip(units, keys, strict=True) if key is not None]
        frames = [(unit, key) for unit, key in kept if unit.tile is None]
        tiles = [(unit, key) for unit, key in kept if unit.tile is not None]
        named = (await self._of_frames(frames, stem, is_gone), await self._of_tiles(tiles, stem))
        return laid_out([member for members in named for member in members])

    async def _of_frames(
        self, kept: Sequence[tuple[PagedUnit, str]], stem: str, is_gone: IsGone
    ) -> list[ZipMember]:
        suffix = await suffix_of_singles(self.gateway.ports.objects, kept)
        members: list[ZipMember] = []
        for unit, key in kept:
            if is_gone():
                raise ClientLeftError
            suffix_of_unit = ZIP if is_chunk(unit) else suffix
            members += await self._members(unit, key, stem, suffix_of_unit)
        return members

    async def _of_tiles(self, kept: Sequence[tuple[PagedUnit, str]], stem: str) -> list[ZipMember]:
        suffix = await suffix_of_singles(self.gateway.ports.objects, kept)
        return [
            ZipMember(f"tiles/{unit_stem(stem, unit)}{suffix}", key, 0, unit.result_size or 0)
            for unit, key in kept
        ]

    async def _members(
        self, unit: PagedUnit, key: str, stem: str, suffix: str
    ) -> Sequence[ZipMember]:
        """Return the files of a unit: one, or those of a chunk."""
        size = unit.result_size or 0
        if suffix == ZIP:
            start = max(0, size - TAIL_BYTES)
            tail = await self.gateway.ports.objects.piece(key, start, TAIL_BYTES)
            try:
                members = members_of(tail, size, key)
                if all(FRAME_FILE.fullmatch(member.name) for member in members):
                    return [attrs.evolve(one, name=f"{stem}-{one.name}") for one in members]
            except NotABundle as fault:
                log.info("archive_not_a_bundle", reason=str(fault))
        return [ZipMember(f"{unit_stem(stem, unit)}{suffix}", key, 0, size)]

    async def _answer(self, request: web.Request, archive: Archive) -> web.StreamResponse:
        size, tag = archive.size, archive.tag
        start = start_of(request, tag)
        if start is not None and start >= size:
            headers = {"Content-Range": f"bytes */{size}"}
            return refusal(
                request,
                Problem(
                    416,
                    "The archive is shorter than the requested range",
                    headers=headers,
                    code=RefusalCode.RANGE_INVALID,
                ),
            )
        response = web.StreamResponse(status=200 if start is None else 206)
        response.content_type = "application/zip"
        response.content_length = size - (start or 0)
        response.headers[hdrs.ETAG] = f'"{tag}"'
        response.headers[hdrs.ACCEPT_RANGES] = "bytes"
        response.headers[hdrs.CONTENT_DISPOSITION] = attachment(f"{archive.stem}{ZIP}")
        if start is not None:
            response.headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{size - 1}/{size}"
        await response.prepare(request)
        if request.method != hdrs.METH_HEAD:
            await self._send(request, response, archive.layout, start or 0)
        return response

    async def _send(
        self, request: web.Request, response: web.StreamResponse, layout: ZipLayout, start: int
    ) -> None:
        pace = TransferRate()
        try:
            async for chunk in self._bytes(layout, start, leaving(request)):
                await write_in_pace(response, chunk, pace, IDLE_SECONDS)
            await response.write_eof()
        except (ObjectMissing, ObjectsUnavailable, ConnectionError, TimeoutError) as error:
            # The answer has begun: only a cut connection tells the client that the rest is missing.
            log.info("archive_cut", error=type(error).__name__)
            if request.transport is not None:
                request.transport.abort()

    async def _bytes(self, layout: ZipLayout, start: int, is_gone: IsGone) -> AsyncIterator[bytes]:
        """Yield all bytes from ``start`` on."""
        for index, member in enumerate(layout.members):
            begin = layout.offsets[index]
            head_bytes = len(layout.head(index, 0))
            end = begin + head_bytes + member.size
            if end <= start:
                continue
            if begin + head_bytes > start:
                head = layout.head(index, await self.crcs.of(member, is_gone))
                yield head[max(0, start - begin) :]
            skipped = max(0, start - begin - head_bytes)
            async for chunk in content(self.gateway.ports.objects, member, skipped, is_gone):
                yield chunk
        crcs = {i: await self.crcs.of(each, is_gone) for i, each in enumerate(layout.members)}
        yield layout.ending(crcs)[max(0, start - layout.directory) :]


def leaving(request: web.Request) -> IsGone:
    """Return a function that tells whether the client has closed its connection."""
    return lambda: request.transport is None or request.transport.is_closing()


def result_of(unit: PagedUnit, user: UUID, bucket: str) -> str | None:
    """Return the key of a unit's result; None unless the gateway derived the key for this user."""
    place = None if unit.result_key is None else place_of(unit.result_key)
    if place is None or place.bucket != bucket or unit.result_size is None:
        return None
    return place.key if is_result_of(user, place.key) else None


def worth_keeping(units: Sequence[PagedUnit]) -> list[PagedUnit]:
    """Return the units without the tiles of complete frames."""
    whole = {unit.number for unit in units if unit.state == "COMPLETED"}
    return [unit for unit in units if unit.feeds not in whole]


def unit_stem(stem: str, unit: PagedUnit) -> str:
    """Return the name of a unit's file without suffix: ``cathedral-0012``.

    Tile 3 of frame 12 is ``cathedral-0012-3``, a chunk ``cathedral-0001_0010``, and a unit without
    a frame number ``cathedral``.
    """
    told = unit.frames or unit.frame
    if told is None:
        return stem
    frames = parse(told)
    ends = "_".join(padded(frame) for frame in dict.fromkeys((frames[0], frames[-1])))
    return f"{stem}-{ends}" if unit.tile is None else f"{stem}-{ends}-{unit.tile}"


def is_chunk(unit: PagedUnit) -> bool:
    """Return True if the unit has several frames, which a node packs into one zip."""
    return unit.frames is not None and len(parse(unit.frames)) > 1


async def suffix_of_singles(objects: Objects, kept: Sequence[tuple[PagedUnit, str]]) -> str:
    """Return the file type of the units that are not chunks.

    All such units of a job have the same type, so only the first one is read. Raises ObjectMissing,
    ObjectsUnavailable.
    """
    key = next((key for unit, key in kept if not is_chunk(unit)), None)
    return ZIP if key is None else suffix_of(await objects.piece(key, 0, HEAD_BYTES))


def tag_of(layout: ZipLayout) -> str:
    """Return an ETag made from the files; keys contain the attempt, so a retried unit changes the
    ETag.
    """
    digest = hashlib.sha256()
    for member in layout.members:
        digest.update(f"{member.name}\n{member.key}\n{member.start}\n{member.size}\n".encode())
    return digest.hexdigest()[:32]


def start_of(request: web.Request, tag: str) -> int | None:
    """Return the first byte to send; None if the whole archive must be sent, as after a change."""
    found = _RANGE.fullmatch(request.headers.get(hdrs.RANGE, ""))
    if found is None or request.headers.get(hdrs.IF_RANGE, f'"{tag}"') != f'"{tag}"':
        return None
    return int(found[1])


def add_archive_route(
    app: web.Application, gateway: Gateway, *, through: Callable[[Handler], Handler]
) -> None:
    """Mount the route, including HEAD."""
    app.router.add_get(PATH, through(Archives(gateway).handle))
