"""Commands that run or administer a gateway; ``group`` holds them for ``rendertrust``."""

import click

from web.commands.admin import admin
from web.commands.backup import backup, restore
from web.commands.chain import chain
from web.commands.database import database
from web.commands.demo import demo
from web.commands.fsck import fsck
from web.commands.openapi import openapi
from web.commands.serve import serve

group = click.Group("gateway")
for command in (serve, demo, fsck, database, backup, restore, chain, admin, openapi):
    group.add_command(command)
