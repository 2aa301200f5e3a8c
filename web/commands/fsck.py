"""``rendertrust fsck``: checks the invariants of the books."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click
import orjson

from rendertrust.cli import exit_codes
from web.commands.database import database_of, said
from web.commands.options import settings_from, where_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sql.epochs import LeavesGivenUp
    from sql.fsck import Finding


@click.command
@where_options
def fsck(config: Path | None, data: Path | None, *, as_json: bool) -> None:
    """Check every invariant of the books, also while a gateway runs.

    The exit code is 1 if the books break an invariant. If a chain is configured, its anchors are
    compared with the log; if the chain does not answer, the exit code is 75 unless something else
    is wrong. Leaves that `chain reopen` gave up are listed and are no error.
    """
    import asyncpg

    from sql.fsck import run_fsck

    settings = settings_from(None, None, data, config)

    async def work() -> "tuple[Sequence[Finding], str | None, Sequence[LeavesGivenUp]]":
        async with database_of(settings) as endpoint:
            connection = await asyncpg.connect(endpoint.app_dsn)
            try:
                findings = list(await run_fsck(connection))
            finally:
                await connection.close()
            more, unasked = await on_chain(settings, endpoint.app_dsn)
            lost = await given_up(endpoint.app_dsn)
            return [*findings, *(one for one in more if one not in findings)], unasked, lost

    findings, unasked, lost = said(work())
    if as_json:
        shown, gone = ([attrs.asdict(one) for one in rows] for rows in (findings, lost))
        click.echo(orjson.dumps({"findings": shown, "unasked": unasked, "given_up": gone}))
    else:
        for one in lost:
            click.echo(f"known: {one.text}", err=True)
        for found in findings:
            click.echo(f"{found.invariant} {found.subject}: {found.found}")
        click.echo("the books are in order" if not findings else f"{len(findings)} findings")
        if unasked is not None:
            click.echo(f"I12 was not checked against the chain: {unasked}", err=True)
    sys.exit(1 if findings else 0 if unasked is None else exit_codes.UNAVAILABLE)


async def given_up(dsn: str) -> "Sequence[LeavesGivenUp]":
    """Return the leaves that new epochs gave up; the command prints them, but they are no
    findings.
    """
    from sql.database import Database
    from sql.epochs import read_given_up

    database = Database(lambda: dsn)
    try:
        return await read_given_up(database)
    finally:
        await database.close()


async def on_chain(settings: Any, dsn: str) -> "tuple[Sequence[Finding], str | None]":
    """Return the findings that only the chain shows, or the reason why the chain did not answer."""
    from actors.ports import ChainRefused, ChainUnavailable
    from config.data_folder import data_folder
    from sql.anchors import Anchors
    from sql.database import Database
    from supervisors.chain_audit import audit_chain
    from supervisors.engines.offline_chain import has_run, offline_chain
    from supervisors.engines.system_clock import SystemClock

    data = data_folder(settings)
    if not has_run(settings.chain, data):
        return (), None
    database = Database(lambda: dsn)
    try:
        async with offline_chain(settings.chain, data) as chain:
            return await audit_chain(chain, Anchors(database), SystemClock()), None
    except (ChainUnavailable, ChainRefused) as error:
        return (), f"the chain answers wrongly: {error}"
    finally:
        await database.close()
