"""What ``rendertrust chain`` says to people."""

from typing import Any, Final

WEI: Final = 10**18


def status_lines(found: dict[str, Any]) -> list[str]:
    """How the chain stands, a line for each thing."""
    private = ", private: it proves nothing to outsiders" if found["private"] else ""
    lines = [
        f"chain      {found['chain_id']} at block {found['block']}{private}",
        f"anchorer   {found['anchorer']}, with {int(found['balance_wei']) / WEI:.6f} of its coin",
        f"contract   {found['contract'] or 'none yet'}",
        f"anchored   {_anchored(found)}",
        f"log        {found['leaves']} leaves, {found['confirmed']} of them in confirmed anchors",
    ]
    for row in found["pending"]:
        what = "the contract" if row["size"] is None else f"{row['size']} leaves"
        lines.append(f"under way  {what}: {row['tx']} (number {row['nonce']})")
    if found["missing"]:
        numbers = ", ".join(map(str, found["missing"]))
        lines.append(f"missing    transactions {numbers} are on the chain alone")
    lines += [
        f"missing    the transaction that made {contract} is on the chain alone"
        for contract in found["unmade"]
    ]
    lines += [f"missing    contract {other}, which has this log" for other in found["strays"]]
    lines += [epoch_line(one) for one in found["epochs"]]
    lines.append(f"state      {_state(found)}")
    return lines if found["losses"] is None else [*lines, *given_up_lines(found["losses"])]


def reopened_lines(found: dict[str, Any]) -> list[str]:
    """What came of ``reopen``."""
    if found["epoch"] is None:
        return ["The chain agrees with the database: writes go on; no epoch was needed."]
    lines = [
        f"Epoch {found['epoch']} of the log has begun: {found['origin']}.",
        *given_up_lines(found),
    ]
    return [*lines, "Writes go on. Tell those who verify: their programs will ask about it."]


def lifted_lines(found: dict[str, Any]) -> list[str]:
    """What came of ``reopen --lift``."""
    lines = [f"Lifted: {found['lifted']}."]
    if found["aside"] is not None:
        lines.append(f"The file is {found['aside']} now.")
    return [*lines, "Writes go on within seconds; no epoch was begun."]


def given_up_lines(found: dict[str, Any]) -> list[str]:
    """What an epoch gives up: as exactly as the anchors tell, and no more so."""
    lines = [*_kept_and_lost(found), f"The contract that is left behind is {found['contract']}."]
    for other in found["others"]:
        lines += [f"Left behind, too: contract {other['contract']}.", *_kept_and_lost(other)]
    return lines


def _kept_and_lost(found: dict[str, Any]) -> list[str]:
    """Of what one contract, and who kept a checkpoint, has of the log."""
    here, most, known, perhaps = (
        found[name] for name in ("leaves", "kept_at_most", "known", "perhaps")
    )
    least = found["kept"] or "none"
    if perhaps is None:
        kept = f"Kept: {most} leaves, {least} of them in an anchor that both have."
        lost = f"Lost: {found['lost']} of {known} leaves."
    else:
        kept = f"Kept: {least} to {most} of the {here} leaves here are those that were seen."
        lost = f"Lost: {found['lost']} to {found['lost_at_most']} of {known} leaves."
    lines = [kept, lost, *(_lost(one) for one in found["anchors"])]
    if perhaps is not None:
        lines.append(f"  perhaps {_leaves(perhaps)}: no anchor shows which of them are here")
    return lines


def _lost(one: dict[str, Any]) -> str:
    if one["tx"] is not None:
        return f"  {_leaves(one)}: anchor of {one['size']} in block {one['block']}, {one['tx']}"
    return f"  {_leaves(one)}: they stood in a checkpoint of {one['size']}, {one['root']}"


def _leaves(one: dict[str, Any]) -> str:
    first, last = one["first"], one["last"]
    return f"leaf {first}" if first == last else f"leaves {first} to {last}"


def epoch_line(one: dict[str, Any]) -> str:
    """An earlier epoch, and what was lost at its beginning."""
    ranges = ", ".join(_leaves(lost) for lost in one.get("anchors", ()))
    which = f" ({ranges})" if ranges else ""
    since = f"{one['at']:%Y-%m-%dT%H:%M:%SZ}, after {one['leaves']} leaves"
    return f"epoch {one['number']:<4} since {since}; lost: {one['lost']}{which}"


def _anchored(found: dict[str, Any]) -> str:
    if found["anchored"] is None:
        return "nothing yet"
    return f"{found['anchored']} leaves, root {found['root']}"


def _state(found: dict[str, Any]) -> str:
    if found["halted"] is not None:
        return str(found["halted"])
    if found["difference"] is not None:
        return str(found["difference"])
    if found["missing"] or found["unmade"] or found["strays"]:
        return "the database lacks transactions: `rendertrust chain reopen` begins a new epoch"
    since = found["waits_since"]
    waits = "" if since is None else f"; a checkpoint waits since {since:%Y-%m-%dT%H:%M:%SZ}"
    return f"the chain agrees with the database{waits}"
