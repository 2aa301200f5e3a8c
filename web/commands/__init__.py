"""The gateway's commands; ``group`` holds them for ``rendertrust``."""

import click

from web.commands.database import database
from web.commands.serve import serve

group = click.Group("gateway")
for command in (serve, database):
    group.add_command(command)
