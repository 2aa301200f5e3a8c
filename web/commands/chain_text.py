"""Texts that ``rendertrust chain`` prints for people."""

from typing import Any, Final

WEI: Final = 10**18


def status_lines(found: dict[str, Any]) -> list[str]:
    """Return the state of the chain, one line per fact."""
    private = ", private: it proves nothing to outsiders" if found["private"] else ""
    lines = [
        f"chain      {found['chain_id']} at block {found['block']}{private}",
        f"anchorer   {found['anchorer']}, with a balance of {int(found['balance_wei']) / WEI:.6f}",
        f"contract   {found['contract'] or 'none yet'}",
        f"anchored   {_anchored(found)}",
        f"log        {found['leaves']} leaves, {found['confirmed']} of them in confirmed anchors",
    ]
    for row in found["pending"]:
        what = "the contract" if row["size"] is None else f"{row['size']} leaves"
        lines.append(f"pending    {what}: {row['tx']} (number {row['nonce']})")
    if found["missing"]:
        numbers = ", ".join(map(str, found["missing"]))
        lines.append(f"missing    transactions {numbers} are only on the chain")
    lines += [
        f"missing    the transaction that deployed {contract} is only on the chain"
        for contract in found["unmade"]
    ]
    lines += [f"missing    contract {other}, which has this log" for other in found["strays"]]
    lines += [epoch_line(one) for one in found["epochs"]]
    lines.append(f"state      {_state(found)}")
    left = found["left_behind"]
    return lines if left is None else [*lines, *left_behind_lines(left)]


def reopened_lines(found: dict[str, Any]) -> list[str]:
    """Return the result of ``reopen``."""
    if found["epoch"] is None:
        return ["The chain agrees with the database: writing resumes; no epoch was needed."]
    lines = [
        f"Epoch {found['epoch']} of the log has begun: {found['origin']}.",
        *left_behind_lines(found),
    ]
    return [*lines, "Writing resumes. Inform those who verify: their programs will ask about it."]


def left_behind_lines(found: dict[str, Any]) -> list[str]:
    """Return what an epoch leaves behind."""
    lines = [
        f"Here: {found['leaves']} leaves of the log. Lost: at least {found['lost']}.",
        f"Left behind: contract {found['contract']}, with {found['size']} leaves.",
    ]
    if found["kept"] is not None:
        lines.append(
            f"Left behind: a checkpoint of {found['kept']['size']} leaves that a gateway kept."
        )
    lines += [
        f"Left behind: contract {other['contract']}, with {other['size']} leaves."
        for other in found["others"]
    ]
    return lines


def epoch_line(one: dict[str, Any]) -> str:
    """Return the line of an earlier epoch."""
    since = f"{one['at']:%Y-%m-%dT%H:%M:%SZ}, after {one['leaves']} leaves"
    left = f"left behind: contract {one['contract']}, with {one['size']} leaves"
    return f"epoch {one['number']:<4} since {since}; {left}"


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
    waits = (
        "" if since is None else f"; a checkpoint has been waiting since {since:%Y-%m-%dT%H:%M:%SZ}"
    )
    return f"the chain agrees with the database{waits}"
