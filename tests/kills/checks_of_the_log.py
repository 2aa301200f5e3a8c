"""Checks that the log only grows: every checkpoint ever shown is consistent with the newest
checkpoint.
"""

import attrs

from rendertrust import checkpoint, merkle, note
from tests.kills.inspector import Inspector
from tests.kills.journal import Json


@attrs.define
class Witness:
    """A witness of the log; ``newest`` is the largest checkpoint that was consistent."""

    newest: Json | None = None
    verifiers: set[str] = attrs.field(factory=set[str])
    seen: int = 0

    async def compare(self, inspector: Inspector, kept: list[Json]) -> list[str]:
        """Return faults in the newest checkpoint and in the checkpoints kept since the last
        comparison.
        """
        now = await inspector.get("/ledger/checkpoint")
        before = [] if self.newest is None else [self.newest]
        fresh = {(row["size"], row["root"]): row for row in (*before, *kept[self.seen :])}
        faults = signature_faults(now)
        for row in fresh.values():
            faults += signature_faults(row)
            faults += await growth_faults(inspector, row, now)
        self.verifiers |= {row["verifier"] for row in (*fresh.values(), now)}
        if len(self.verifiers) > 1:
            faults.append(f"log: it is signed by {sorted(self.verifiers)}")
        self.newest, self.seen = now, len(kept)
        return faults


def signature_faults(row: Json) -> list[str]:
    """Check that the checkpoint is signed by the key that it names, and signs what it shows."""
    verifier = note.read_verifier(row["verifier"])
    if isinstance(verifier, note.NoteRefused):
        return [f"log: {verifier.reason}"]
    signed = checkpoint.read(row["checkpoint"], verifier)
    if isinstance(signed, note.NoteRefused):
        return [f"log: {signed.reason}"]
    if (signed.size, signed.root.hex()) != (row["size"], row["root"]):
        return [f"log: {row} is signed as {signed}"]
    return []


async def growth_faults(inspector: Inspector, older: Json, newer: Json) -> list[str]:
    """Check that the newer log contains the older log unchanged."""
    if not older["size"]:
        return []
    if older["size"] > newer["size"]:
        return [f"log: it had {older['size']} leaves, and has {newer['size']}"]
    path = f"/ledger/consistency?from={older['size']}&to={newer['size']}"
    proof = [bytes.fromhex(text) for text in (await inspector.get(path))["proof_hashes"]]
    roots = (bytes.fromhex(older["root"]), bytes.fromhex(newer["root"]))
    if merkle.verify_consistency(older["size"], newer["size"], proof, *roots):
        return []
    return [f"log: {older['size']} leaves under {older['root']} are no beginning of it"]


async def proof_faults(inspector: Inspector, entry: Json) -> list[str]:
    """Check that an entry has a valid inclusion proof."""
    found = await inspector.get(f"/ledger/{entry['entry_id']}/proof")
    leaf = merkle.leaf_hash(found["leaf"].encode())
    place = found["leaf_index"], found["tree_size"]
    proof = [bytes.fromhex(text) for text in found["proof_hashes"]]
    root = bytes.fromhex(found["merkle_root"])
    if merkle.verify_inclusion(leaf, *place, proof, root) and found["leaf_hash"] == leaf.hex():
        return signature_faults(
            {
                "verifier": found["verifier"],
                "checkpoint": found["checkpoint"],
                "size": found["tree_size"],
                "root": found["merkle_root"],
            }
        )
    return [f"log: {entry} does not stand in it"]
