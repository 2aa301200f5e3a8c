"""Monitor of a gateway's log, which remembers the newest checkpoint and detects forks."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias
from uuid import UUID

import attrs

from rendertrust import checkpoint, epoch, note
from rendertrust.api.ledger import EntryProof, LogCheckpoint
from rendertrust.checkpoint import Checkpoint
from rendertrust.client.errors import BadAnswer, Forked, Invalid, NotProved, PinUnreadable
from rendertrust.client.paths import LEDGER
from rendertrust.client.response_decoder import read
from rendertrust.consistency import LeafLink, after, in_order, names, read_links, same_log
from rendertrust.note import NoteRefused
from rendertrust.proof_check import ConsistencyProof, KnownCheckpoint, Verdict, read_shown, verify

Get: TypeAlias = Callable[[str, dict[str, str]], Awaitable[Any]]


@attrs.frozen
class Pin:
    """The newest checkpoint seen from a gateway, and the key that signed it."""

    verifier: str
    checkpoint: str


class Pins(Protocol):
    """Storage for the pin of one gateway."""

    def read(self) -> Pin | None:
        """Return the pin. Raises PinUnreadable if the pin is damaged."""
        ...

    def write(self, pin: Pin) -> None:
        """Replace the pin unconditionally."""
        ...

    def replace(self, before: Pin | None, now: Pin) -> bool:
        """Replace the pin if the pin is still ``before``; return True if the pin was replaced.

        Other processes may replace the pin at the same time. Raises PinUnreadable.
        """
        ...

    def fork(self, before: Pin, now: Pin) -> None:
        """Keep both checkpoints permanently, as evidence of a fork."""
        ...


@attrs.define
class MemoryPins:
    """Storage of a pin in memory."""

    pin: Pin | None = None
    forks: list[tuple[Pin, Pin]] = attrs.field(factory=list[tuple[Pin, Pin]])

    def read(self) -> Pin | None:
        """Return the pin."""
        return self.pin

    def write(self, pin: Pin) -> None:
        """Replace the pin."""
        self.pin = pin

    def replace(self, before: Pin | None, now: Pin) -> bool:
        """Replace the pin if the pin is ``before``; return True if the pin was replaced."""
        if self.pin != before:
            return False
        self.pin = now
        return True

    def fork(self, before: Pin, now: Pin) -> None:
        """Keep both checkpoints in memory."""
        self.forks.append((before, now))


@attrs.frozen
class ConsistencyEvidence:
    """Proofs that a checkpoint and the pin are of the same log."""

    shown: tuple[ConsistencyProof, ...] = ()
    epochs: tuple[LeafLink, ...] = ()


@attrs.frozen
class LogMonitor:
    """Monitor that requests checkpoints and proofs, and verifies them against the pin.

    The first checkpoint of a gateway is trusted. Later checkpoints must extend the pinned log, and
    a new key is accepted only if the old key also signs. After a restore from a backup the log may
    begin a new epoch, if the epoch has all leaves of the pinned checkpoint or names that
    checkpoint.
    """

    get: Get  # sends a request without login
    ask: Get  # sends a request as the user
    pins: Pins

    async def newest(self, *, accept: bool = False) -> LogCheckpoint:
        """Return the newest checkpoint.

        Raises Forked if the checkpoint does not extend the pinned log. Raises PinUnreadable if the
        pin is damaged. ``accept`` replaces the pin in both cases; the checkpoints of a fork are
        kept.
        """
        seen = None
        try:
            # The pin is read before the request, because the newest checkpoint must not be older
            # than the pin.
            seen = self.pins.read()
        except PinUnreadable:
            if not accept:
                raise
        found = read(LogCheckpoint, await self.get(f"{LEDGER}/checkpoint", {}))
        pin = Pin(found.verifier, found.checkpoint)
        try:
            await self._follow(pin, seen=seen)
        except (Forked, PinUnreadable):
            if not accept:
                raise
            self.pins.write(pin)
        return found

    async def proof(self, entry: int | str | UUID, *, opening: bool) -> tuple[EntryProof, Verdict]:
        """Return a proof that is valid by itself and against the pin, and the verdict on the proof.

        Raises NotProved if the proof is invalid or for another entry. Raises Forked if the proof is
        for another log.
        """
        text = str(entry)
        word = text if text.isdecimal() else str(UUID(text))
        query = {"opening": "true"} if opening else {}
        document = await self.ask(f"{LEDGER}/{word}/proof", query)
        answer, verdict = read(EntryProof, document), verify(document)
        if word.isdecimal() and int(word) != answer.entry_id:
            raise NotProved(f"The proof is for entry {answer.entry_id}, not {word}")
        failed = [step for step in verdict.steps if not step.holds]
        if failed:
            raise NotProved(f"The proof is invalid: {failed[0].said}")
        pin = self.pins.read()
        followed = await self._follow(Pin(answer.verifier, answer.checkpoint))
        if pin is None:
            return answer, verdict
        witness, shown, epochs = _witness(pin), followed.shown, followed.epochs
        return answer, verify(document, witness=witness, shown=shown, epochs=epochs)

    async def _follow(self, pin: Pin, *, seen: Pin | None = None) -> ConsistencyEvidence:
        """Verify a checkpoint against the pin; replace the pin if the checkpoint is newer.

        If another process changes the pin meanwhile, the checkpoint is verified against the new
        pin, too. ``seen``: the pin before the request for the newest checkpoint.
        """
        now = _witness(pin).checkpoint
        if seen is not None and seen != self.pins.read():
            await self._held(seen, pin, newest=True)
        while True:
            before = self.pins.read()
            if before is None:
                if self.pins.replace(None, pin):
                    return ConsistencyEvidence()
                continue
            followed = await self._held(before, pin, newest=before == seen)
            newer = in_order(_witness(before).checkpoint, now)[1] is now
            if not newer or self.pins.replace(before, pin):
                return followed

    async def _held(self, before: Pin, pin: Pin, *, newest: bool) -> ConsistencyEvidence:
        """Verify a checkpoint against an earlier checkpoint.

        Raises Forked, and keeps both checkpoints as evidence.
        """
        known, now = _witness(before), _witness(pin)
        try:
            _same_signer(known, now, pin)
            return await self._linked(known, now, newest=newest)
        except _Fork as fork:
            self.pins.fork(before, pin)
            raise Forked(str(fork), before.checkpoint, pin.checkpoint) from fork.__cause__

    async def _linked(
        self, known: KnownCheckpoint, now: KnownCheckpoint, *, newest: bool
    ) -> ConsistencyEvidence:
        """Return the proofs that link two checkpoints.

        Raises _Fork if no proof links the checkpoints.
        """
        before, found = known.checkpoint, now.checkpoint
        older, newer = in_order(before, found)
        if newest and older is found and older is not newer and _place(older) != _place(newer):
            raise _Fork("the log is shorter than before")
        if older.origin != newer.origin:
            return await self._across(older, newer)
        if older.size == newer.size and older.root != newer.root:
            raise _Fork("the log has another root at the same size")
        return ConsistencyEvidence(await self._consistency(older, newer))

    async def _across(self, older: Checkpoint, newer: Checkpoint) -> ConsistencyEvidence:
        """Return the proofs that link checkpoints of two epochs.

        Raises _Fork if no proof links the checkpoints.
        """
        try:
            links = read_links(await self.get(f"{LEDGER}/epochs", {"size": str(newer.size)}))
        except Invalid as error:
            raise _Fork("the log is shorter than before") from error
        if isinstance(links, str):
            raise _Fork(f"the log began another epoch, and the list of epochs is invalid: {links}")
        if names(links, older, newer) is not None:
            return ConsistencyEvidence(epochs=links)
        link = after(links, older, newer)
        if link is None:
            raise _Fork("the log began another epoch, which does not name the earlier log")
        if older.size > link.index:
            raise _Fork(
                f"the gateway says that it was restored from a backup on {link.leaf.time:%Y-%m-%d},"
                f" which had {link.index} of the {older.size} leaves that you saw"
            )
        return ConsistencyEvidence(await self._consistency(older, newer), links)

    async def _consistency(
        self, older: Checkpoint, newer: Checkpoint
    ) -> tuple[ConsistencyProof, ...]:
        if older.size in (0, newer.size):
            return ()
        query = {"from": str(older.size), "to": str(newer.size)}
        try:
            shown = read_shown(await self.get(f"{LEDGER}/consistency", query))
        except Invalid as error:
            raise _Fork("the log is shorter than before") from error
        if isinstance(shown, str):
            raise BadAnswer(f"The answer is not a consistency proof: {shown}")
        said = (shown.m, shown.n, shown.root_m, shown.root_n)
        if said != (older.size, newer.size, older.root, newer.root) or not shown.holds:
            raise _Fork(
                f"the first {older.size} leaves are not the beginning of the {newer.size} "
                "leaves now"
            )
        return (shown,)


class _Fork(Exception):
    """Two checkpoints are not of the same log; the exception's text says why."""


def _place(checkpoint: Checkpoint) -> tuple[int, int]:
    return epoch.split(checkpoint.origin)[1], checkpoint.size


def _witness(pin: Pin) -> KnownCheckpoint:
    """Parse a pin. Raises BadAnswer if the pin's signature is invalid."""
    verifier = note.read_verifier(pin.verifier)
    if isinstance(verifier, NoteRefused):
        raise BadAnswer(f"The gateway's log has no key: {verifier.reason}")
    found = checkpoint.read(pin.checkpoint, verifier)
    if isinstance(found, NoteRefused):
        raise BadAnswer(f"The gateway's checkpoint is invalid: {found.reason}")
    return KnownCheckpoint(verifier, found)


def _same_signer(known: KnownCheckpoint, now: KnownCheckpoint, pin: Pin) -> None:
    """Raise _Fork unless the known key also signs the checkpoint, beside any newer key.

    A checkpoint that is older than the known checkpoint may have an older key, because its
    consistency proof suffices.
    """
    key, before, found = known.verifier, known.checkpoint, now.checkpoint
    if same_log(before, found):
        if _place(found) < _place(before):
            return
        key = attrs.evolve(key, name=found.origin)
    if isinstance(checkpoint.read(pin.checkpoint, key), NoteRefused):
        raise _Fork(
            f"another key signs the checkpoint, and {known.verifier} does not vouch for that key"
        )
