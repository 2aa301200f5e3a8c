"""``rendertrust fsck``: do the books keep their invariants?"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click
import orjson

from web.commands.database import database_of, said
from web.commands.options import where_options
from web.commands.serve import settings_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sql.fsck import Finding


@click.command
@where_options
def fsck(config: Path | None, data: Path | None, *, as_json: bool) -> None:
    """Check the books, also of a gateway that runs; exit code 1 when they break an invariant."""
    import asyncpg

    from sql.fsck import run_fsck

    async def work() -> "Sequence[Finding]":
        async with database_of(settings_from(None, None, data, config)) as endpoint:
            connection = await asyncpg.connect(endpoint.app_dsn)
            try:
                return await run_fsck(connection)
            finally:
                await connection.close()

    findings: Sequence[Finding] = said(work())
    if as_json:
        click.echo(orjson.dumps({"findings": [attrs.asdict(found) for found in findings]}))
    else:
        for found in findings:
            click.echo(f"{found.invariant} {found.subject}: {found.found}")
        click.echo("the books are in order" if not findings else f"{len(findings)} findings")
    sys.exit(1 if findings else 0)
