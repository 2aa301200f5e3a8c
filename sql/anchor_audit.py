"""Compare the gateways' signed anchor notes with the anchors' rows (I12)."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rendertrust import anchor_note, note
from rendertrust.anchor_note import AnchorNote
from rendertrust.note import Verifier
from sql.query_loader import QUERIES

CHUNK: Final = 64  # notes checked at a time: some 5 ms


async def audit_notes(connection: Any, most: int) -> Sequence[tuple[str, str]]:
    """Return anchors whose note no key of the log signed for what the row says, and why."""
    texts = [row["verifier"] for row in await connection.fetch(QUERIES["fsck_log_keys"])]
    read = [note.read_verifier(text) for text in texts]
    known = [verifier for verifier in read if isinstance(verifier, Verifier)]
    found: list[tuple[str, str]] = []
    for place, row in enumerate(await connection.fetch(QUERIES["fsck_anchor_notes"])):
        if place % CHUNK == 0:
            await asyncio.sleep(0)  # let other tasks run
        if not _says(row, known):
            found.append((f"anchor {row['size']}", "what is signed of it is not what its row says"))
    return found[:most]


def _says(row: Mapping[str, Any], known: Sequence[Verifier]) -> bool:
    """Return True if one of the keys signed what the row says."""
    expected = AnchorNote(
        origin=row["origin"],
        chain_id=row["chain_id"],
        contract=row["contract"],
        size=row["size"],
        root=row["root"],
        transaction=row["hash"],
        block=row["block_number"],
    )
    return any(anchor_note.read(row["note"], verifier) == expected for verifier in known)
