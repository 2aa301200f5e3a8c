"""The gateway's commands; ``group`` holds them for ``rendertrust``."""

import click

from web.commands.serve import serve

group = click.Group("gateway")
group.add_command(serve)
