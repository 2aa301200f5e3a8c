"""What is lost of the log, for ``rendertrust chain``: what would be given up, and what was."""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sql.database import Database
    from sql.halt import Halt
    from supervisors.chain_audit import Seen
    from supervisors.engines.chain import EvmChain
    from supervisors.given_up import GivenUp

NOWHERE: Final = "0x" + "0" * 40  # where nothing was anchored yet
ACT: Final = "chain.reopen"


def left_behind(seen: "Seen") -> tuple[str, int, bytes]:
    """The contract that is left behind, and the newest that it has; of none it has nothing."""
    from rendertrust.merkle import root

    halt, newest = seen.halt, seen.newest
    if halt is not None and halt.contract and halt.size and halt.root:
        return halt.contract, halt.size, halt.root
    if seen.strays:
        contract, newest = max(seen.strays, key=lambda stray: stray[1].size)
        return contract, newest.size, newest.root
    if seen.contract is None or newest is None:
        return NOWHERE, 0, root([])
    return seen.contract, newest.size, newest.root


async def losses(
    chain: "EvmChain", database: "Database", seen: "Seen", halt: "Halt | None"
) -> dict[str, Any]:
    """What a new epoch would give up now."""
    from sql.anchors import Anchors
    from sql.halt import SeenHead, read_backlog
    from supervisors.given_up import given_up

    contract, size, root = left_behind(seen)
    backlog, head = await read_backlog(database), None
    if halt is not None and halt.origin and halt.size and halt.root and halt.seen_at:
        head = SeenHead(halt.origin, halt.size, halt.root, halt.seen_at)
    leaves = 0 if backlog is None else backlog.size
    gone = await given_up(chain, Anchors(database), contract, leaves, head)
    there = {"chain_id": seen.state.chain_id, "contract": contract, "size": size}
    told = {**_told(gone), **there, "root": root.hex()}
    return {**told, "others": await _others(chain, database, seen, contract, leaves)}


async def _others(
    chain: "EvmChain", database: "Database", seen: "Seen", contract: str, leaves: int
) -> list[dict[str, Any]]:
    """Contracts of epochs that the database does not know of either, each with its own losses."""
    from sql.anchors import Anchors
    from supervisors.given_up import given_up

    found: list[dict[str, Any]] = []
    for halt in seen.halts:
        other = halt.contract
        if other is None or other == contract or halt.root is None:
            continue
        gone = await given_up(chain, Anchors(database), other, leaves)
        found.append({**_told(gone), "contract": other, "size": halt.size, "root": halt.root.hex()})
    return found


def _told(gone: "GivenUp") -> dict[str, Any]:
    perhaps = {"first": gone.kept, "last": gone.kept_at_most - 1}
    return {
        "leaves": gone.leaves,
        "known": gone.known,
        "kept": gone.kept,
        "kept_at_most": gone.kept_at_most,
        "lost": gone.lost,
        "lost_at_most": gone.lost_at_most,
        "perhaps": perhaps if gone.contradicted and gone.lost < gone.lost_at_most else None,
        "anchors": [
            {
                "first": lost.first,
                "last": lost.last,
                "size": lost.witness.size,
                "root": lost.witness.root.hex(),
                "block": lost.witness.block,
                "tx": lost.witness.hash,
            }
            for lost in gone.ranges
        ],
    }


async def epochs_told(database: "Database") -> list[dict[str, Any]]:
    """Every epoch after the first, with what it gave up: as the audit has it."""
    from sql.audit import Audit
    from sql.epochs import read_epochs

    found: list[dict[str, Any]] = []
    for row in await read_epochs(database):
        told = {"number": row.number, "origin": row.origin, "at": row.at, "reason": None}
        told |= {"leaves": row.leaf_index, "lost": max(row.size - row.leaf_index, 0)}
        acts = await Audit(database).page(None, f"log:{row.origin}", 10)
        for act in acts:
            if act.act == ACT:
                told |= {"reason": act.reason, **act.details}
        found.append(told)
    return found
