"""What the client remembers of a gateway's log: so the gateway cannot take anything back."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias
from uuid import UUID

import attrs

from rendertrust import checkpoint, epoch, note
from rendertrust.api.ledger import EntryProof, LogCheckpoint
from rendertrust.checkpoint import Checkpoint
from rendertrust.client.errors import BadAnswer, Forked, Invalid, NotProved, PinUnreadable
from rendertrust.client.response_decoder import read
from rendertrust.consistency import LeafLink, after, in_order, names, read_links, same_log
from rendertrust.note import NoteRefused
from rendertrust.proof_check import ConsistencyProof, KnownCheckpoint, Verdict, read_shown, verify

Get: TypeAlias = Callable[[str, dict[str, str]], Awaitable[Any]]


@attrs.frozen
class Pin:
    """The newest checkpoint that was seen of a gateway, and the key that signed it."""

    verifier: str
    checkpoint: str


class Pins(Protocol):
    """Who keeps the pin of one gateway."""

    def read(self) -> Pin | None:
        """The one that was written last. Raises PinUnreadable for what is none any more."""
        ...

    def write(self, pin: Pin) -> None:
        """Keep this one from now on, whatever is kept."""
        ...

    def replace(self, before: Pin | None, now: Pin) -> bool:
        """Keep this one from now on, if ``before`` still is what is kept; whether it was.

        Other processes may do the same at this moment. Raises PinUnreadable.
        """
        ...

    def fork(self, before: Pin, now: Pin) -> None:
        """Keep both for good: they are evidence that the gateway showed two logs."""
        ...


@attrs.define
class MemoryPins:
    """A pin that ends with the process."""

    pin: Pin | None = None
    forks: list[tuple[Pin, Pin]] = attrs.field(factory=list[tuple[Pin, Pin]])

    def read(self) -> Pin | None:
        """What was written last."""
        return self.pin

    def write(self, pin: Pin) -> None:
        """Remember."""
        self.pin = pin

    def replace(self, before: Pin | None, now: Pin) -> bool:
        """Remember, if that is what was remembered."""
        if self.pin != before:
            return False
        self.pin = now
        return True

    def fork(self, before: Pin, now: Pin) -> None:
        """Remember both."""
        self.forks.append((before, now))


@attrs.frozen
class ConsistencyEvidence:
    """What shows that a checkpoint and the pin are of one log."""

    shown: tuple[ConsistencyProof, ...] = ()
    epochs: tuple[LeafLink, ...] = ()


@attrs.frozen
class LogMonitor:
    """Asks for checkpoints and proofs, and holds each against the pin.

    The first checkpoint of a gateway is taken as it comes. Afterwards a key is followed only where
    the one before it signs beside it, and the log must have grown from what was seen. A log that
    began another epoch, from a backup, is followed where it kept what was seen, or names it.
    """

    get: Get  # what is open to everybody
    ask: Get  # what is one's own
    pins: Pins

    async def newest(self, *, accept: bool = False) -> LogCheckpoint:
        """The newest checkpoint. Forked: it does not follow on what was seen before. PinUnreadable:
        that cannot be read.

        With ``accept`` it is the pin from now on all the same; what it contradicts is kept.
        """
        seen = None
        try:
            seen = self.pins.read()  # what it must not fall behind was seen before it is asked
        except PinUnreadable:
            if not accept:
                raise
        found = read(LogCheckpoint, await self.get("/api/v1/ledger/checkpoint", {}))
        pin = Pin(found.verifier, found.checkpoint)
        try:
            await self._follow(pin, seen=seen)
        except (Forked, PinUnreadable):
            if not accept:
                raise
            self.pins.write(pin)
        return found

    async def proof(self, entry: int | str | UUID, *, opening: bool) -> tuple[EntryProof, Verdict]:
        """A proof that holds, by itself and against what was seen before, and how it does.

        NotProved: by itself it does not, or it is of another entry. Forked: of another log.
        """
        text = str(entry)
        word = text if text.isdecimal() else str(UUID(text))
        query = {"opening": "true"} if opening else {}
        document = await self.ask(f"/api/v1/ledger/{word}/proof", query)
        answer, verdict = read(EntryProof, document), verify(document)
        if word.isdecimal() and int(word) != answer.entry_id:
            raise NotProved(f"The proof is of entry {answer.entry_id}, not {word}")
        failed = [step for step in verdict.steps if not step.holds]
        if failed:
            raise NotProved(f"The proof does not hold: {failed[0].said}")
        pin = self.pins.read()
        followed = await self._follow(Pin(answer.verifier, answer.checkpoint))
        if pin is None:
            return answer, verdict
        witness, shown, epochs = _witness(pin), followed.shown, followed.epochs
        return answer, verify(document, witness=witness, shown=shown, epochs=epochs)

    async def _follow(self, pin: Pin, *, seen: Pin | None = None) -> ConsistencyEvidence:
        """Hold a checkpoint against the pin; it becomes the pin where it is newer.

        Where another process pins something meanwhile, it is held against that, too. ``seen``: the
        pin of before it was asked for as the newest one.
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
        """A checkpoint against the one that was seen before. Forked: both are kept."""
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
        """What links both. Raises _Fork where nothing does."""
        before, found = known.checkpoint, now.checkpoint
        older, newer = in_order(before, found)
        if newest and older is found and older is not newer and _place(older) != _place(newer):
            raise _Fork("it is shorter now")
        if older.origin != newer.origin:
            return await self._across(older, newer)
        if older.size == newer.size and older.root != newer.root:
            raise _Fork("it has another root at the same size")
        return ConsistencyEvidence(await self._consistency(older, newer))

    async def _across(self, older: Checkpoint, newer: Checkpoint) -> ConsistencyEvidence:
        """From one epoch to a later one: what was seen was kept, or is named by the later one."""
        try:
            links = read_links(await self.get("/api/v1/ledger/epochs", {"size": str(newer.size)}))
        except Invalid as error:
            raise _Fork("it is shorter now") from error
        if isinstance(links, str):
            raise _Fork(f"it began another epoch, and {links}")
        if names(links, older, newer) is not None:
            return ConsistencyEvidence(epochs=links)
        link = after(links, older, newer)
        if link is None:
            raise _Fork("it began another epoch, which does not say what it went on from")
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
            shown = read_shown(await self.get("/api/v1/ledger/consistency", query))
        except Invalid as error:
            raise _Fork("it is shorter now") from error
        if isinstance(shown, str):
            raise BadAnswer(f"The answer is no consistency proof: {shown}")
        said = (shown.m, shown.n, shown.root_m, shown.root_n)
        if said != (older.size, newer.size, older.root, newer.root) or not shown.holds:
            raise _Fork(f"its {older.size} first leaves are no beginning of the {newer.size} now")
        return (shown,)


class _Fork(Exception):
    """Two checkpoints are not of one log; the text says why."""


def _place(checkpoint: Checkpoint) -> tuple[int, int]:
    return epoch.split(checkpoint.origin)[1], checkpoint.size


def _witness(pin: Pin) -> KnownCheckpoint:
    """The pin, taken apart. Raises BadAnswer where it is not signed."""
    verifier = note.read_verifier(pin.verifier)
    if isinstance(verifier, NoteRefused):
        raise BadAnswer(f"The gateway's log has no key: {verifier.reason}")
    found = checkpoint.read(pin.checkpoint, verifier)
    if isinstance(found, NoteRefused):
        raise BadAnswer(f"The gateway's checkpoint is none: {found.reason}")
    return KnownCheckpoint(verifier, found)


def _same_signer(known: KnownCheckpoint, now: KnownCheckpoint, pin: Pin) -> None:
    """Whoever signed before signs now, be it beside a newer key, or for another epoch.

    An older one may be signed by an older key: that it leads to what is known vouches for it.
    """
    key, before, found = known.verifier, known.checkpoint, now.checkpoint
    if same_log(before, found):
        if _place(found) < _place(before):
            return
        key = attrs.evolve(key, name=found.origin)
    if isinstance(checkpoint.read(pin.checkpoint, key), NoteRefused):
        raise _Fork(f"another key signs it, and {known.verifier} does not vouch for it")
