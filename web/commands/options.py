"""Options that the gateway's commands share, and the settings that result from them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)
config_option = click.option("--config", type=FILE, help="A TOML file of settings.")
data_option = click.option("--data", type=FOLDER, help="The data folder.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def where_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--config``, ``--data`` and ``--json`` to a command."""
    for option in (json_option, data_option, config_option):
        command = option(command)
    return command


def settings_from(
    port: int | None,
    host: str | None,
    data: Path | None,
    config: Path | None,
    *,
    insecure: bool = False,
) -> Any:
    """Return the settings with the command line's options applied.

    Exit with 2 if the settings are invalid.
    """
    from config.loader import SettingsError, load

    given = (("port", port), ("host", host), ("insecure_development", insecure))
    server = {name: value for name, value in given if value}
    overrides: dict[str, Any] = {"server": server} if server else {}
    if data is not None:
        overrides["data"] = str(data)
    try:
        return load(config, overrides)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
