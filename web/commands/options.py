"""Options that the gateway's commands share: ``--config``, ``--data`` and ``--json``."""

from collections.abc import Callable
from typing import Any

import click

from web.commands.serve import FILE, FOLDER

config_option = click.option("--config", type=FILE, help="A TOML file of settings.")
data_option = click.option("--data", type=FOLDER, help="The data folder.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def where_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--config``, ``--data`` and ``--json`` to a command."""
    for option in (json_option, data_option, config_option):
        command = option(command)
    return command
