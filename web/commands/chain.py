"""``rendertrust chain``: the contract that holds the anchors, its state, and new epochs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from rendertrust.epoch import NO_CHAIN, NOWHERE
from web.commands.admin_command import act, halts_of, require_confirmation, required_reason
from web.commands.database import database_of, said
from web.commands.options import settings_from, where_options

if TYPE_CHECKING:
    from sql.database import Database
    from sql.epochs import EpochRow
    from sql.halts import Halt
    from supervisors.chain_audit import ChainView
    from supervisors.engines.lazy_chain import EvmChain

T = TypeVar("T")
ACT: Final = "chain.reopen"
NONE: Final = (
    "No chain is configured, so nothing is anchored. Set chain.url (RENDERTRUST_CHAIN_URL); "
    '"embedded" starts a private chain for trials'
)
AWAY: Final = "The chain's node does not answer, or answers wrongly"
AGREES: Final = (
    "There is nothing to reopen: the database lacks nothing that the chain or the gateway's "
    "checkpoint file has"
)
WEI: Final = 10**18


@click.group("chain")
def chain() -> None:
    """Manage the blockchain anchors of the log: contract, status, new epoch."""


@chain.command
@where_options
def status(*, as_json: bool, **where: Any) -> int:
    """Show anchors, and whether chain and database agree.

    If chain and database disagree, list the leaves and contracts that a new epoch of the log would
    give up. Earlier epochs are listed, too.

    The exit code is 1 if chain and database disagree or writing is stopped, and 75 if the chain's
    node does not answer.
    """

    async def work(chain: "EvmChain", database: "Database", settings: Any) -> dict[str, Any]:
        from sql.halts import BEHIND, read_backlog

        seen = await _seen(chain, database)
        backlog, halt = await read_backlog(database), await halts_of(settings, database).now()
        shown = _shown(seen, backlog, None if halt is None else halt.text)
        ends = seen.halt is not None or (halt is not None and halt.reason == BEHIND)
        left = left_behind(seen, halt, shown["leaves"]) if ends else None
        return {**shown, "left_behind": left, "epochs": await _epochs(database)}

    found = with_chain(where, work)
    _tell(found, status_lines(found), as_json=as_json)
    return 0 if found["agrees"] and found["halted"] is None else 1


@chain.command
@click.option("--within", type=click.FloatRange(1), default=600.0, show_default=True)
@where_options
def deploy(*, within: float, as_json: bool, **where: Any) -> None:
    """Deploy the contract and wait for its confirmation.

    A gateway also deploys the contract when it starts. An existing contract is kept and shown.
    Publish the contract's address for people who verify proofs.
    """

    def tell(what: str) -> None:
        click.echo(what, err=True)

    async def work(chain: "EvmChain", database: "Database", settings: Any) -> dict[str, Any]:
        from sql.anchors import Anchors
        from supervisors.chain_audit import anchor_settings, make_contract
        from supervisors.engines.system_clock import SystemClock

        anchors, clock = Anchors(database), SystemClock()
        there = (await _seen(chain, database)).contract
        async with asyncio.timeout(within):
            address = there or await make_contract(
                chain, anchors, clock, anchor_settings(settings.chain), tell
            )
        state = await chain.state()
        made = {"contract": address, "made": there is None, "chain_id": state.chain_id}
        return {**made, "anchorer": state.sender, "private": state.private}

    found = with_chain(where, work)
    verb = "was deployed" if found["made"] else "exists"
    line = f"The contract {verb}: {found['contract']} on chain {found['chain_id']}."
    _tell(found, [line], as_json=as_json)


@chain.command
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@required_reason
@where_options
def reopen(*, reason: str, yes: bool, as_json: bool, **where: Any) -> None:
    """After a restore of an older backup: begin a new epoch of the log and resume writing.

    The new epoch gives up the leaves of the log that the chain, or the gateway's checkpoint file,
    has and the database lacks. The first leaf of the epoch states what the chain has; without a
    chain, what the file has. The log gets a new name, and a new contract anchors it. The command
    shows what is given up, and records it in the audit log. If the database lacks nothing, writing
    resumes without a new epoch.
    """

    async def work(chain: "EvmChain | None", database: "Database", settings: Any) -> dict[str, Any]:
        from sql.halts import BEHIND, OF_ONE_GATEWAY, read_backlog

        seen = None if chain is None else await _seen(chain, database)
        halt = await halts_of(settings, database).now()
        if halt is not None and halt.reason in OF_ONE_GATEWAY:
            raise click.ClickException(halt.text)  # a new epoch would not end this halt
        differs = seen is not None and (seen.halt is not None or seen.lacks)
        if not differs and (halt is None or halt.reason != BEHIND):
            return await _lifted(database, seen, halt, reason)
        backlog = await read_backlog(database)
        left = left_behind(seen, halt, 0 if backlog is None else backlog.size)
        if not yes:
            click.echo("\n".join(left_behind_lines(left)), err=True)
        await asyncio.to_thread(require_confirmation, "Begin a new epoch and give this up", yes=yes)
        return await _reopened(database, seen, halt, reason, left)

    settings = settings_from(None, None, where["data"], where["config"])
    if settings.chain.url:
        found = with_chain(where, work)
    else:
        found = _with_database(settings, lambda database: work(None, database, settings))
    _tell(found, reopened_lines(found), as_json=as_json)


def with_chain(
    where: dict[str, Any], work: "Callable[[EvmChain, Database, Any], Awaitable[T]]"
) -> T:
    """Run ``work`` with the chain and the database of the settings, and return its result."""
    from config.data_folder import data_folder
    from supervisors.engines.offline_chain import has_run, offline_chain

    settings = settings_from(None, None, where["data"], where["config"])
    if not settings.chain.url:
        raise click.UsageError(NONE)
    data = data_folder(settings)

    async def on_chain(database: "Database") -> T:
        if not has_run(settings.chain, data):
            raise click.UsageError(f"There is no chain in {data}: a gateway creates it")
        async with offline_chain(settings.chain, data) as port:
            return await work(port, database, settings)

    return _with_database(settings, on_chain)


def _with_database(settings: Any, work: "Callable[[Database], Awaitable[T]]") -> T:
    """Run ``work`` with the database of the settings, and return its result."""
    from sql.database import Database

    async def run() -> T:
        async with database_of(settings) as there:
            database = Database(lambda: there.app_dsn)
            try:
                return await _expected(work(database))
            finally:
                await database.close()

    done: T = said(run())
    return done


async def _expected(work: Awaitable[T]) -> T:
    """Report expected errors of ``work`` in one line."""
    from actors.ports import ChainRefused, ChainUnavailable
    from config.loader import SettingsError
    from rendertrust.cli import exit_codes
    from rendertrust.cli.command_exit import CommandExit, Exit
    from sql.database import Unavailable
    from sql.epochs import BrokenLogEnd, NoLog
    from supervisors.chain_audit import ForeignLog

    try:
        return await work
    except ChainUnavailable as error:
        hint = "Check chain.url and chain.chain_id, and try again later."
        ending = Exit(exit_codes.UNAVAILABLE, "chain_away", f"{AWAY}: {error}", hint)
        raise CommandExit(ending) from error
    except TimeoutError as error:
        hint = "The transaction is kept: run this again, or let the gateway wait for it."
        ending = Exit(
            exit_codes.UNAVAILABLE, "chain_slow", "The transaction is not confirmed yet", hint
        )
        raise CommandExit(ending) from error
    except ChainRefused as error:
        raise click.ClickException(f"The chain refuses the transaction: {error}") from error
    except Unavailable as error:
        raise click.ClickException(f"The database does not answer: {error}") from error
    except NoLog as error:
        raise click.ClickException("There is no log in this database") from error
    except (BrokenLogEnd, ForeignLog) as error:
        raise click.ClickException(str(error)) from error
    except SettingsError as error:
        raise click.UsageError(str(error)) from error


async def _seen(chain: "EvmChain", database: "Database") -> "ChainView":
    from sql.anchors import Anchors
    from supervisors.chain_audit import see
    from supervisors.engines.system_clock import SystemClock

    return await see(chain, Anchors(database), SystemClock())


async def _lifted(
    database: "Database", seen: "ChainView | None", halt: "Halt | None", reason: str
) -> dict[str, Any]:
    """End an older halt without a new epoch, because the chain agrees; return the result."""
    from sql.halts import end_halt

    if halt is None:
        raise click.ClickException(AGREES)
    if seen is None:  # the halt is about a chain that is no longer configured
        raise click.ClickException(f"{halt.found}. {NONE}")
    await end_halt(database, act("chain.lift", "log", reason, was=halt.found))
    return {"epoch": None, "lifted": halt.found}


async def _reopened(
    database: "Database",
    seen: "ChainView | None",
    halt: "Halt | None",
    reason: str,
    left: dict[str, Any],
) -> dict[str, Any]:
    """Begin a new epoch, later than every signed checkpoint, and record which leaves the epoch
    gives up. ``seen``: None without a chain.
    """
    from datetime import timedelta

    from sql.epochs import ChainPosition, reopen
    from supervisors.engines.system_clock import SystemClock

    sender, nonce = ("", 0) if seen is None else (seen.state.sender, seen.state.nonce)
    root = bytes.fromhex(left["root"])
    there = ChainPosition(left["chain_id"], left["contract"], left["size"], root, sender, nonce)

    def details(row: "EpochRow") -> dict[str, Any]:
        return {**left, "leaves": row.leaf_index}

    at = SystemClock().now()
    if halt is not None and halt.seen_at is not None:
        at = max(at, halt.seen_at + timedelta(seconds=1))
    row = await reopen(
        database, there, at, lambda row: act(ACT, f"log:{row.origin}", reason, **details(row))
    )
    return {"epoch": row.number, "origin": row.origin, **details(row)}


def left_behind(seen: "ChainView | None", halt: "Halt | None", leaves: int) -> dict[str, Any]:
    """Return what a new epoch gives up: leaves that a chain or a checkpoint has and the database
    lacks.

    ``seen``: None without a chain; then ``size`` and ``root`` are those of the gateway's
    checkpoint. ``kept`` is the gateway's checkpoint, if it caused the halt; ``others`` are
    contracts of later epochs that the database does not know; ``lost`` is the least number of lost
    leaves.
    """
    contract, size, root = _newest_of(seen, halt)
    kept: dict[str, Any] | None = None
    if halt is not None and halt.size and halt.root and halt.origin:
        kept = {"origin": halt.origin, "size": halt.size, "root": halt.root.hex()}
    others: list[dict[str, Any]] = [
        {"contract": other.contract, "size": other.size, "root": other.root.hex()}
        for other in ([] if seen is None else seen.halts)
        if other.contract not in (None, contract) and other.root is not None
    ]
    known = max([size, *(one["size"] for one in ([kept] if kept else []) + others)])
    return {
        "chain_id": NO_CHAIN if seen is None else seen.state.chain_id,
        "contract": contract,
        "size": size,
        "root": root.hex(),
        "leaves": leaves,
        "lost": max(known - leaves, 0),
        "kept": kept,
        "others": others,
    }


def _newest_of(seen: "ChainView | None", kept: "Halt | None") -> tuple[str, int, bytes]:
    """Return the contract that an epoch leaves behind, and its newest anchor; without a chain,
    NOWHERE and the checkpoint of ``kept``.
    """
    from rendertrust.merkle import root

    if seen is None:
        assert kept is not None
        assert kept.size is not None
        assert kept.root is not None
        return NOWHERE, kept.size, kept.root
    halt, newest = seen.halt, seen.newest
    if halt is not None and halt.contract and halt.size and halt.root:
        return halt.contract, halt.size, halt.root
    if seen.strays:
        contract, newest = max(seen.strays, key=lambda stray: stray[1].size)
        return contract, newest.size, newest.root
    if seen.contract is None or newest is None:
        return NOWHERE, 0, root([])
    return seen.contract, newest.size, newest.root


async def _epochs(database: "Database") -> list[dict[str, Any]]:
    """Return every epoch after the first, with the leaves that it gave up."""
    from sql.epochs import read_epochs

    return [
        {
            "number": row.number,
            "origin": row.origin,
            "at": row.at,
            "leaves": row.leaf_index,
            "contract": row.contract,
            "size": row.size,
        }
        for row in await read_epochs(database)
    ]


def _shown(seen: "ChainView", backlog: Any, halted: str | None) -> dict[str, Any]:
    state, newest = seen.state, seen.newest
    leaves = 0 if backlog is None else backlog.size
    return {
        "chain_id": state.chain_id,
        "private": state.private,
        "block": state.block,
        "anchorer": state.sender,
        "balance_wei": str(state.balance),  # too large for a JSON number
        "contract": seen.contract,
        "anchored": None if newest is None else newest.size,
        "root": None if newest is None else newest.root.hex(),
        "leaves": leaves,
        "confirmed": 0 if backlog is None else backlog.anchored,
        "waits_since": None if backlog is None or backlog.since is None else backlog.since,
        "pending": [
            {"nonce": row.nonce, "size": row.size, "tx": row.hashes[-1], "forms": len(row.hashes)}
            for row in seen.pending
        ],
        "missing": sorted((*seen.holes, *seen.missing)),
        "unmade": list(seen.unmade),
        "strays": [contract for contract, _ in seen.strays],
        "agrees": seen.halt is None and not seen.lacks,
        "difference": None if seen.halt is None else seen.halt.found,
        "halted": halted,
    }


def _tell(found: dict[str, Any], lines: list[str], *, as_json: bool) -> None:
    import orjson

    if as_json:
        click.echo(orjson.dumps(found))
        return
    for line in lines:
        click.echo(line)


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
    """Return the lines about the result of ``reopen``."""
    if found["epoch"] is None:
        return ["The chain agrees with the database: writing resumes; no epoch was needed."]
    lines = [
        f"Epoch {found['epoch']} of the log has begun: {found['origin']}.",
        *left_behind_lines(found),
    ]
    return [
        *lines,
        "Writing resumes. Tell people who verify proofs: their programs will warn them.",
    ]


def left_behind_lines(found: dict[str, Any]) -> list[str]:
    """Return lines that list the leaves which an epoch gives up."""
    lines = [
        f"Here: {found['leaves']} leaves of the log. Lost: at least {found['lost']}.",
    ]
    if found["contract"] != NOWHERE:
        lines.append(f"Given up: {_contract(found)}.")
    if found["kept"] is not None:
        lines.append(
            f"Given up: a checkpoint of {found['kept']['size']} leaves that a gateway kept."
        )
    return [*lines, *(f"Given up: {_contract(other)}." for other in found["others"])]


def _contract(one: dict[str, Any]) -> str:
    return f"contract {one['contract']}, with {one['size']} leaves"


def epoch_line(one: dict[str, Any]) -> str:
    """Return the line about an earlier epoch."""
    since = f"{one['at']:%Y-%m-%dT%H:%M:%SZ}, after {one['leaves']} leaves"
    left = f"a checkpoint of {one['size']} leaves"
    if one["contract"] != NOWHERE:
        left = _contract(one)
    return f"epoch {one['number']:<4} since {since}; given up: {left}"


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
