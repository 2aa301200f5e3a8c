"""The gateway's commands; ``group`` holds them for ``rendertrust``."""

import click

from web.commands.admin import admin
from web.commands.database import database
from web.commands.demo import demo
from web.commands.fsck import fsck
from web.commands.log_keys import log_key
from web.commands.openapi import openapi
from web.commands.serve import serve

assert log_key.name is not None, "it is one of the keys' own commands"
group = click.Group("gateway")
for command in (serve, demo, fsck, database, admin, openapi):
    group.add_command(command)
