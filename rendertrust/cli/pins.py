"""What was seen of each gateway's log, kept between calls beside the logins."""

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from rendertrust.cli.credentials import default_path

if TYPE_CHECKING:
    from rendertrust.client import Pin


def default_folder() -> Path:
    """``~/.local/state/rendertrust/checkpoints`` on Linux."""
    return default_path().with_name("checkpoints")


@attrs.frozen
class PinFile:
    """The newest checkpoint that was seen of one gateway, in the form that ``verify`` takes."""

    url: str
    folder: Path = attrs.field(factory=default_folder)

    @property
    def path(self) -> Path:
        """A file for each gateway."""
        return self.folder / f"{hashlib.sha256(self.url.encode()).hexdigest()[:16]}.json"

    def read(self) -> "Pin | None":
        """What was written last; None where nothing was, or it cannot be read as that."""
        from rendertrust.client import Pin

        try:
            kept = json.loads(self.path.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        found = kept if isinstance(kept, dict) else {}
        verifier, checkpoint = found.get("verifier"), found.get("checkpoint")
        if not isinstance(verifier, str) or not isinstance(checkpoint, str):
            return None
        return Pin(verifier, checkpoint)

    def write(self, pin: "Pin") -> None:
        """Replace it, whole or not at all."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self.path.with_suffix(f".{os.getpid()}")
        kept = {"gateway": self.url, "verifier": pin.verifier, "checkpoint": pin.checkpoint}
        fresh.write_text(json.dumps(kept, indent=1) + "\n")
        fresh.replace(self.path)
