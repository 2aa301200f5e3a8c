"""Commands that run or administer a gateway; ``group`` holds them for ``rendertrust``."""

import click

from web.commands.admin import admin
from web.commands.backup import backup, restore
from web.commands.chain import chain
from web.commands.database import database
from web.commands.demo import demo
from web.commands.fsck import fsck
from web.commands.serve import serve


@click.command
def openapi() -> None:
    """Print the OpenAPI 3.1 document."""
    from web.openapi.served_document import Description
    from web.routes import OPERATIONS

    click.echo(Description(OPERATIONS).document().body)


group = click.Group("gateway")
for command in (serve, demo, fsck, database, backup, restore, chain, admin, openapi):
    group.add_command(command)
