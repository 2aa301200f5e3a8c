"""The demo's last step: checks the picture's receipt, as anyone who has the scene can."""

import shlex
from pathlib import Path
from typing import Any
from uuid import UUID

from rendertrust.cli import exit_codes
from rendertrust.cli.output import encoded
from rendertrust.client import AsyncClient
from web.demonstration.child import ChildFailed, output_of
from web.demonstration.narrator import Narration

NAME = "receipt.json"


async def check(
    client: AsyncClient, job: UUID, picture: Path, scene: Path, narrator: Narration
) -> dict[str, Any]:
    """Fetch the receipt and run ``rendertrust verify`` on it; return the facts.

    Raises ChildFailed where the picture does not match the scene, RenderTrustError.
    """
    receipt = picture.parent / NAME
    found = await client.receipt(job)
    receipt.write_text(encoded(found.document) + "\n")
    narrator.say("receipt", str(receipt))
    words = ("verify", str(receipt), str(picture), "--scene", str(scene))
    narrator.say("verify", f"rendertrust {shlex.join(words)}")
    code, printed = await output_of(*words)
    narrator.say("", printed)
    if code not in (exit_codes.OK, exit_codes.NOT_WITNESSED):
        raise ChildFailed("rendertrust verify says that the picture is not what the scene gives")
    return {"receipt": str(receipt), "repeated": code == exit_codes.OK}
