"""Pins: the newest checkpoint seen of each gateway's log, stored beside the sessions."""

import hashlib
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from rendertrust.cli.credentials import default_path
from rendertrust.file_lock import take

if TYPE_CHECKING:
    from rendertrust.client import Pin
    from rendertrust.note import Verifier


def default_folder() -> Path:
    """Return the default folder, ``~/.local/state/rendertrust/checkpoints`` on Linux."""
    return default_path().with_name("checkpoints")


def pinned_keys() -> "list[Verifier]":
    """Return the keys of all gateways with a pinned checkpoint; unreadable pins are skipped."""
    from rendertrust.note import Verifier, read_verifier
    from rendertrust.strict_json import read_document

    read = [read_document(path.read_bytes()) for path in sorted(default_folder().glob("*.json"))]
    told = [pin.get("verifier") for pin in read if not isinstance(pin, str)]
    found = [read_verifier(text) for text in told if isinstance(text, str)]
    return [key for key in found if isinstance(key, Verifier)]


@attrs.frozen
class PinFile:
    """The newest checkpoint seen of one gateway, in the form that ``verify`` reads."""

    url: str
    folder: Path = attrs.field(factory=default_folder)

    @property
    def path(self) -> Path:
        """Return the file of this gateway."""
        return self.folder / f"{hashlib.sha256(self.url.encode()).hexdigest()[:16]}.json"

    def fork(self, before: "Pin", now: "Pin") -> None:
        """Keep both checkpoints permanently, in a file named after their content."""
        kept = [{"verifier": pin.verifier, "checkpoint": pin.checkpoint} for pin in (before, now)]
        text = json.dumps({"gateway": self.url, "before": kept[0], "now": kept[1]}, indent=1) + "\n"
        named = hashlib.sha256(text.encode()).hexdigest()[:16]
        fork = self.folder / f"{self.path.stem}-fork-{named}.json"
        with self._locked():
            fork.write_text(text, "utf-8")

    def forks(self) -> list[Path]:
        """Return the files of the forks that were seen, newest last."""
        found = self.folder.glob(f"{self.path.stem}-fork-*.json")
        return sorted(found, key=lambda path: path.stat().st_mtime)

    def read(self) -> "Pin | None":
        """Return the pin; return None without a file. Raise PinUnreadable if the file is broken."""
        from rendertrust.client import Pin, PinUnreadable
        from rendertrust.proof_check import read_witness
        from rendertrust.strict_json import read_document

        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return None
        kept = read_document(raw)
        found = kept if isinstance(kept, str) else read_witness(kept)
        if isinstance(kept, str) or isinstance(found, str):
            raise PinUnreadable(str(self.path), str(found))
        return Pin(kept["verifier"], kept["checkpoint"])

    def write(self, pin: "Pin") -> None:
        """Replace the pin atomically; an unreadable file is kept under another name."""
        from rendertrust.client import PinUnreadable

        with self._locked():
            try:
                self.read()
            except PinUnreadable:
                named = hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]
                self.path.replace(self.folder / f"{self.path.stem}-broken-{named}.json")
            self._put(pin)

    def replace(self, before: "Pin | None", now: "Pin") -> bool:
        """Replace the pin if the stored pin is still ``before``.

        Return True if the pin was replaced. Raise PinUnreadable if the file is broken.
        """
        with self._locked():
            if self.read() != before:
                return False
            self._put(now)
            return True

    def _put(self, pin: "Pin") -> None:
        fresh = self.path.with_suffix(".new")
        kept = {"gateway": self.url, "verifier": pin.verifier, "checkpoint": pin.checkpoint}
        with fresh.open("w", encoding="utf-8") as file:
            file.write(json.dumps(kept, indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)

    @contextmanager
    def _locked(self) -> Generator[None]:
        """Lock the pin against other processes and threads while the pin is read and replaced."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("ab") as file:
            take(file, wait=True)
            yield
