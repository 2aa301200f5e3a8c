"""Objects of a result in the object store, and multipart uploads of large objects.

To upload a file in parts, a node names one of its units and the length of the file. The gateway
chooses the object's key and keeps the upload id secret, so a node can upload only parts of its own
result. The gateway itself completes the upload when it inspects the result.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import attrs

from actors.node_session.connection import NodeConnection
from actors.node_session.ledger_requests import UnitCommits
from actors.node_session.messages import PartsInspected
from actors.node_session.progress_watchdog import ProgressTracker
from actors.node_session.result_validation import (
    EVIDENCE,
    RESULT,
    DeliveredEvidence,
    InspectedResult,
    ResultRefused,
    is_checked,
    object_key,
)
from actors.node_session.session_state import ActorContext, HeldUnit, Phase, SessionState
from actors.node_session.settings import URL_SECONDS, NodeSessionSettings
from actors.node_session.unit_failures import Failure
from actors.ports import (
    Clock,
    ObjectInfo,
    ObjectMissing,
    Objects,
    ObjectsUnavailable,
    Part,
    PartsRefused,
    Store,
)
from actors.scheduler.messages import Assignment
from rendertrust.protocol import (
    Evidence,
    JobResult,
    PartPlace,
    PartsOffered,
    PartsWanted,
    Urls,
)
from rendertrust.relay_frames import PARTS_MAX
from sql.database import Conflict, Unavailable
from sql.multiparts import MultipartName, ResultMultipart

PIECE: Final = 1 << 20  # bytes that are read at a time
HASHED_MOST: Final = 64 << 20  # bytes; the SHA-256 of longer results is left to verifiers
ENCODED: Final = "the {} was uploaded with a Content-Encoding, which clients would decode"
log = logging.getLogger(__name__)


@attrs.frozen
class PartsLost:
    """The uploaded parts are no longer in the store, which is not the node's fault."""


Joined: TypeAlias = ObjectInfo | ResultRefused | PartsLost
Found: TypeAlias = InspectedResult | ResultRefused | PartsLost


def is_bounded(wanted: PartsWanted, settings: NodeSessionSettings) -> bool:
    """Return whether a file of this length may be uploaded in parts."""
    return settings.part_bytes < wanted.size <= settings.part_bytes * PARTS_MAX


@attrs.frozen
class ResultObjects:
    """The result of one attempt at a unit, and its evidence, in the object store and the database.

    Methods raise ObjectsUnavailable and ``sql.database.Unavailable``.
    """

    unit: Assignment
    objects: Objects
    store: Store
    clock: Clock
    settings: NodeSessionSettings
    base: str | None = None

    async def offer(self, wanted: PartsWanted) -> PartsOffered | None:
        """Return which parts of the result have arrived, and upload URLs for the other wanted
        parts.

        None if an upload of a file of another length had begun before; that upload is aborted.
        """
        begun = await self._begin(wanted)
        if begun.size != wanted.size:
            await self._abort(begun)
            return None
        arrived = self._whole(await self._listed(begun) or (), begun.size)
        there = {part.number for part in arrived}
        places = [
            await self._place(begun, part.number, part.sha256)
            for part in wanted.parts
            if part.number not in there and self._size_of(part.number, begun.size)
        ]
        return PartsOffered(
            what=wanted.what,
            size=begun.size,
            arrived=tuple(sorted(there)),
            places=tuple(places),
        )

    async def inspect(self, result: JobResult, *, is_checked: bool, waits: bool = False) -> Found:
        """Return the result's objects in the store, after completing multipart uploads.

        ``is_checked``: the result may name evidence. ``waits``: the result waits for a verdict, so
        it must name its SHA-256 and size.
        """
        found: Joined | None
        if waits and (result.sha256 is None or result.size is None):
            return ResultRefused("a result that waits for a verdict must name its SHA-256 and size")
        if result.part_sums:
            if result.sha256 is None:
                return ResultRefused("a result in parts must name the SHA-256 of the whole")
            found = await self.join(RESULT, result.part_sums, result.size)
        else:
            found = await self.objects.head(object_key(self.unit, RESULT))
            if waits and found is not None:
                found = await self._hashed(found)
        if isinstance(found, ResultRefused | PartsLost):
            return found
        if found is not None and found.encoding is not None:
            return ResultRefused(ENCODED.format("result"))
        if not is_checked or result.evidence is None:
            return InspectedResult(found)
        proof = await self._evidence(result.evidence)
        return (
            proof if isinstance(proof, ResultRefused | PartsLost) else InspectedResult(found, proof)
        )

    async def _hashed(self, found: ObjectInfo) -> ObjectInfo | None:
        """Return the object with its SHA-256, which is computed if the store does not know it.

        Objects above HASHED_MOST are returned without a SHA-256. None if the object is no longer in
        the store.
        """
        if found.sha256 is not None or found.size > HASHED_MOST:
            return found
        digest = hashlib.sha256()
        try:
            for start in range(0, found.size, PIECE):
                size = min(PIECE, found.size - start)
                digest.update(await self.objects.piece(found.key, start, size))
        except ObjectMissing:
            return None
        return attrs.evolve(found, sha256=digest.digest())

    async def _evidence(self, named: Evidence) -> DeliveredEvidence | ResultRefused | PartsLost:
        """Return the evidence that the result names, if the stored object matches it."""
        found: Joined | None
        if named.part_sums:
            found = await self.join(EVIDENCE, named.part_sums, named.size)
        else:
            found = await self.objects.head(object_key(self.unit, EVIDENCE))
        if isinstance(found, ResultRefused | PartsLost):
            return found
        if found is None:
            return ResultRefused("no evidence was uploaded")
        if found.encoding is not None:
            return ResultRefused(ENCODED.format("evidence"))
        if found.size > self.settings.result_bytes_most:
            most = self.settings.result_bytes_most
            words = f"the evidence has {found.size} bytes, more than the limit of {most}"
            return ResultRefused(words, is_lie=True)
        sha256 = bytes.fromhex(named.sha256)
        if found.size != named.size or found.sha256 not in (None, sha256):
            return ResultRefused("the evidence differs from what the result says", is_lie=True)
        return DeliveredEvidence(sha256, named.size)

    async def join(self, what: str, sums: Sequence[str], size: int | None) -> Joined:
        """Complete the multipart upload, unless that is done already, and return its object."""
        key, digests = object_key(self.unit, what), [bytes.fromhex(one) for one in sums]
        found = await self.objects.head(key)
        begun = await self.store.result_multipart(self._name(what))
        if found is None:
            refused = await self._complete(begun, digests)
            if refused is not None:
                return refused
            found = await self.objects.head(key)
        if begun is not None:
            await self.store.end_result_multipart(begun)
        if found is None:
            return PartsLost()
        whole = hashlib.sha256(b"".join(digests)).digest()
        if found.parts_sha256 != whole or found.size != size:
            return ResultRefused("the object is not made of the parts that the result names")
        return found

    async def _complete(
        self, begun: ResultMultipart | None, digests: Sequence[bytes]
    ) -> ResultRefused | PartsLost | None:
        listed = None if begun is None else await self._listed(begun)
        if begun is None or listed is None:
            return PartsLost()
        parts = self._whole(listed, begun.size)
        if [part.number for part in parts] != list(range(1, self._count(begun.size) + 1)):
            return ResultRefused("parts of the result have not arrived")
        if len(digests) != len(parts):
            return ResultRefused("the result names a different number of parts than it has")
        claimed = [
            attrs.evolve(part, sha256=sum_) for part, sum_ in zip(parts, digests, strict=True)
        ]
        try:
            await self.objects.complete_multipart(begun.object_key, begun.store_id, claimed)
        except PartsRefused:
            await self._abort(begun)
            return ResultRefused("the parts differ from those that the result names", is_lie=True)
        except ObjectMissing:
            return None  # an earlier session may have completed the upload just now
        return None

    async def _begin(self, wanted: PartsWanted) -> ResultMultipart:
        """Return the multipart upload of a file; begin one if there is none."""
        name, now = self._name(wanted.what), self.clock.now()
        found = await self.store.result_multipart(name)
        if found is not None and await self._listed(found) is not None:
            return await self.store.keep_result_multipart(found, now)
        key = object_key(self.unit, wanted.what)
        store_id = await self.objects.begin_multipart(key)
        begun = ResultMultipart(*name, store_id, key, wanted.size)
        kept = await self.store.keep_result_multipart(begun, now)
        if kept != begun:
            await self.objects.abort_multipart(key, store_id)
        return kept

    async def _listed(self, begun: ResultMultipart) -> Sequence[Part] | None:
        """Return the parts that have arrived; None if the store no longer knows the upload."""
        try:
            return await self.objects.parts_of(begun.object_key, begun.store_id)
        except ObjectMissing:
            await self.store.end_result_multipart(begun)
            return None

    async def _place(self, begun: ResultMultipart, number: int, sha256: str) -> PartPlace:
        put = await self.objects.presign_part(
            begun.object_key,
            begun.store_id,
            number,
            size=self._size_of(number, begun.size),
            sha256=bytes.fromhex(sha256),
            within=URL_SECONDS,
            base=self.base,
        )
        return PartPlace(number=number, url=put.url, headers=dict(put.headers))

    async def _abort(self, begun: ResultMultipart) -> None:
        await self.objects.abort_multipart(begun.object_key, begun.store_id)
        await self.store.end_result_multipart(begun)

    def _whole(self, parts: Sequence[Part], size: int) -> list[Part]:
        """Return the parts that have the right length."""
        return [part for part in parts if part.size == self._size_of(part.number, size) > 0]

    def _count(self, size: int) -> int:
        return -(-size // self.settings.part_bytes)

    def _size_of(self, number: int, size: int) -> int:
        """Return the length of part ``number`` of a file of ``size`` bytes; 0 if there is no such
        part.
        """
        part_bytes = self.settings.part_bytes
        return max(0, min(part_bytes, size - (number - 1) * part_bytes))

    def _name(self, what: str) -> MultipartName:
        unit = self.unit
        return unit.job, unit.number, unit.attempt, what


class PartOffers:
    """Answers nodes that ask for URLs to upload the parts of a result or its evidence."""

    def __init__(
        self,
        state: SessionState,
        connection: NodeConnection,
        commits: UnitCommits,
        actor: ActorContext,
        *,
        progress: ProgressTracker,
        objects_of: Callable[[Assignment], ResultObjects],
    ) -> None:
        self._state = state
        self._connection = connection
        self._commits = commits
        self._progress = progress
        self._objects_of = objects_of
        self._actor = actor

    def request(self, held: HeldUnit, wanted: PartsWanted) -> None:
        """Sign upload URLs in the background; of requests in the meantime only the last is kept."""
        unit, settings, what = held.assignment, self._state.settings, wanted.what
        is_unwanted = what == EVIDENCE and not is_checked(unit, settings)
        if held.phase is Phase.ENDING or is_unwanted:
            return
        if not is_bounded(wanted, settings):
            error = f"a result of {wanted.size} bytes cannot be uploaded in parts"
            self._commits.fail(held, Failure("node", error))
            return
        self._progress.of(held.id, self._state.now).allow_transfer(
            ((what, part.number), min(settings.part_bytes, wanted.size)) for part in wanted.parts
        )
        if what in held.part_requests:
            held.part_requests[what] = wanted
            return
        held.part_requests[what] = None
        objects, failed = self._objects_of(unit), PartsInspected(*held.id, what)

        async def offer() -> PartsInspected:
            try:
                return attrs.evolve(failed, offered=await objects.offer(wanted), is_known=True)
            except (ObjectsUnavailable, Unavailable, Conflict) as fault:
                log.warning("upload URLs for parts cannot be signed: %s", type(fault).__name__)
                return failed

        self._actor.background(offer, within=settings.look_seconds, otherwise=failed)

    async def answer(self, held: HeldUnit, message: PartsInspected) -> None:
        """Send the node the upload URLs, then handle the last request that arrived since."""
        following = held.part_requests.pop(message.what, None)
        if message.offered is not None:
            unit, offered = held.running, message.offered
            await self._connection.send(
                Urls(job_id=unit.job_id, unit=unit.unit, attempt=unit.attempt, offered=offered)
            )
        elif message.is_known and held.phase is not Phase.ENDING:
            held.aborted_uploads += 1
            if held.aborted_uploads >= self._state.settings.aborted_uploads_most:
                error = "the node announced another length of its result too often"
                self._commits.fail(held, Failure("node", error))
        if following is not None:
            self.request(held, following)
