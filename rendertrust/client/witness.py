"""What the client remembers of a gateway's log: so the gateway cannot take anything back."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

import attrs

from rendertrust import checkpoint, note
from rendertrust.checkpoint import Checkpoint
from rendertrust.client.answers import EntryProof, LogCheckpoint
from rendertrust.client.errors import BadAnswer, Forked, Invalid, NotProved
from rendertrust.client.reading import read
from rendertrust.note import NoteRefused, Verifier
from rendertrust.verify import Shown, Verdict, Witness, read_shown, verify

Get: TypeAlias = Callable[[str, dict[str, str]], Awaitable[Any]]


@attrs.frozen
class Pin:
    """The newest checkpoint that was seen of a gateway, and the key that signed it."""

    verifier: str
    checkpoint: str


class Pins(Protocol):
    """Who keeps the pin of one gateway."""

    def read(self) -> Pin | None:
        """The one that was written last."""
        ...

    def write(self, pin: Pin) -> None:
        """Keep this one from now on."""
        ...


@attrs.define
class MemoryPins:
    """A pin that ends with the process."""

    pin: Pin | None = None

    def read(self) -> Pin | None:
        """What was written last."""
        return self.pin

    def write(self, pin: Pin) -> None:
        """Remember."""
        self.pin = pin


@attrs.frozen
class LogWitness:
    """Asks for checkpoints and proofs, and holds each against the pin.

    The first checkpoint of a gateway is taken as it comes. Afterwards a key is followed only where
    the one before it signs beside it, and the log must have grown from what was seen.
    """

    get: Get  # what is open to everybody
    ask: Get  # what is one's own
    pins: Pins

    async def newest(self) -> LogCheckpoint:
        """The newest checkpoint. Forked: it does not follow on what was seen before."""
        found = read(LogCheckpoint, await self.get("/api/v1/ledger/checkpoint", {}))
        pin = self.pins.read()
        if pin is not None and found.size < _witness(pin).checkpoint.size:
            raise Forked("it is shorter now", pin.checkpoint, found.checkpoint)
        await self._follow(Pin(found.verifier, found.checkpoint))
        return found

    async def proof(self, path: str, query: dict[str, str]) -> tuple[EntryProof, Verdict]:
        """A proof that holds, by itself and against what was seen before, and how it does.

        NotProved: by itself it does not. Forked: it is of another log.
        """
        document = await self.ask(path, query)
        answer, verdict = read(EntryProof, document), verify(document)
        failed = [step for step in verdict.steps if not step.holds]
        if failed:
            raise NotProved(f"The proof does not hold: {failed[0].said}")
        pin = self.pins.read()
        shown = await self._follow(Pin(answer.verifier, answer.checkpoint))
        if pin is None:
            return answer, verdict
        return answer, verify(document, witness=_witness(pin), shown=shown)

    async def _follow(self, pin: Pin) -> list[Shown]:
        """Hold a checkpoint against the pin; it becomes the pin where it is newer."""
        now, before = _witness(pin), self.pins.read()
        if before is None:
            self.pins.write(pin)
            return []
        known = _witness(before)
        _same_signer(before, known, pin)
        older, newer = sorted((known.checkpoint, now.checkpoint), key=lambda one: one.size)
        if older.size == newer.size and older.root != newer.root:
            raise Forked("it has another root at the same size", before.checkpoint, pin.checkpoint)
        shown = await self._consistency(older, newer, before, pin)
        if newer is now.checkpoint:
            self.pins.write(pin)
        return shown

    async def _consistency(
        self, older: Checkpoint, newer: Checkpoint, before: Pin, pin: Pin
    ) -> list[Shown]:
        if older.size in (0, newer.size):
            return []
        query = {"from": str(older.size), "to": str(newer.size)}
        try:
            shown = read_shown(await self.get("/api/v1/ledger/consistency", query))
        except Invalid as error:
            raise Forked("it is shorter now", before.checkpoint, pin.checkpoint) from error
        if isinstance(shown, str):
            raise BadAnswer(f"The answer is no consistency proof: {shown}")
        said = (shown.m, shown.n, shown.root_m, shown.root_n)
        if said != (older.size, newer.size, older.root, newer.root) or not shown.holds:
            detail = f"its {older.size} first leaves are no beginning of the {newer.size} now"
            raise Forked(detail, before.checkpoint, pin.checkpoint)
        return [shown]


def _witness(pin: Pin) -> Witness:
    """The pin, taken apart. Raises BadAnswer where it is not signed."""
    verifier = note.read_verifier(pin.verifier)
    if isinstance(verifier, NoteRefused):
        raise BadAnswer(f"The gateway's log has no key: {verifier.reason}")
    found = checkpoint.read(pin.checkpoint, verifier)
    if isinstance(found, NoteRefused):
        raise BadAnswer(f"The gateway's checkpoint is none: {found.reason}")
    return Witness(verifier, found)


def _same_signer(before: Pin, known: Witness, pin: Pin) -> None:
    """Whoever signed before signs now, be it beside a newer key."""
    signer: Verifier = known.verifier
    if before.verifier != pin.verifier:
        read_by_known = checkpoint.read(pin.checkpoint, signer)
        if isinstance(read_by_known, NoteRefused):
            detail = f"another key signs it, and {signer} does not vouch for it"
            raise Forked(detail, before.checkpoint, pin.checkpoint)
