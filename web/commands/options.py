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
    """Return the settings with the command line's options applied. Without ``config``, the file
    gateway.toml in the data folder counts, if there is one.

    Exit with 2 if the settings are invalid.
    """
    from config.data_folder import settings_file
    from config.loader import SettingsError

    try:
        return settings_of(port, host, data, settings_file(config, data), insecure=insecure)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error


def settings_of(
    port: int | None,
    host: str | None,
    data: Path | None,
    file: Path | None,
    *,
    insecure: bool = False,
) -> Any:
    """Return the settings of a file with the command line's options applied.

    Raises SettingsError.
    """
    from config.loader import load

    given = (("port", port), ("host", host), ("insecure_development", insecure))
    server = {name: value for name, value in given if value}
    overrides: dict[str, Any] = {"server": server} if server else {}
    if data is not None:
        overrides["data"] = str(data)
    return load(file, overrides)
