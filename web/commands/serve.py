"""``rendertrust serve``: runs the gateway until it is stopped."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import orjson

from web.commands.first_run import FirstRun, execute_again
from web.commands.options import config_option, data_option, settings_from, settings_of

PORT = click.IntRange(1, 65_535)
OPTIONS = (
    config_option,
    data_option,
    click.option("--host", help="The address to listen on."),
    click.option("--port", type=PORT, help="The port (default: 8000, or the next free one)."),
    click.option(
        "--insecure-development",
        "insecure",
        is_flag=True,
        help="Accept other machines without TLS.",
    ),
)


def gateway_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--port --host --insecure-development --data --config`` to a command."""
    for option in OPTIONS:
        command = option(command)
    return command


def settings_to_serve(
    port: int | None, host: str | None, data: Path | None, config: Path | None, *, insecure: bool
) -> Any:
    """Return the settings of a gateway to run. Exit with 2 if they are invalid or would expose the
    gateway.
    """
    from config.loader import SettingsError, refuse_exposed

    settings = settings_from(port, host, data, config, insecure=insecure)
    try:
        refuse_exposed(settings)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    return settings


@click.command
@gateway_options
@click.option("--json", "as_json", is_flag=True, help="Print the address as JSON.")
def serve(
    port: int | None,
    host: str | None,
    data: Path | None,
    config: Path | None,
    *,
    insecure: bool,
    as_json: bool,
) -> None:
    """Run the gateway until it is stopped.

    In development the gateway serves only this machine, unless --insecure-development is given.
    SIGTERM and SIGINT stop the gateway in order; a second signal stops it at once. SIGHUP reloads
    the log level.
    """
    from config.data_folder import settings_file
    from config.redaction import hide_settings
    from web.process.log_writer import LAST_LINES_SECONDS, LINES
    from web.process.logging_setup import configure

    settings = settings_to_serve(port, host, data, config, insecure=insecure)

    def load_anew(file: Path) -> Any:
        return settings_of(port, host, data, file, insecure=insecure)

    first = FirstRun(settings_file(config, data), load_anew)
    hide_settings(settings)
    configure(settings.logs.level)
    try:
        code = _serve(settings, first, as_json=as_json)
    finally:
        LINES.close(within=LAST_LINES_SECONDS)
    if first.restarts and code == 0:
        execute_again()
    sys.exit(code)


def _serve(settings: Any, first: FirstRun, *, as_json: bool) -> int:
    """Run the gateway and return the exit code; invalid settings are a usage error."""
    import asyncio
    import gc

    from config.loader import SettingsError
    from supervisors.engines.errors import EngineError
    from web.app import build
    from web.http.listener import CannotListen
    from web.process.file_limit import open_more_files
    from web.process.main_loop import run
    from web.process.memory_tuning import keep_heap_small
    from web.process.service_manager import service_manager
    from web.process.startup_warnings import warn_of

    gc.freeze()  # imported objects stay for good, and would slow down each garbage collection
    open_more_files()
    keep_heap_small()

    async def main() -> int:
        manager = service_manager()
        application = build(settings, manager, first.file)
        warn_of(settings, application.embedding.why_not)

        def ready() -> None:
            found = {"url": application.url, "data": str(application.data)}
            click.echo(orjson.dumps(found) if as_json else f"Console: {found['url']}/console")

        # A service manager would write the token of the offer to its journal.
        offering = None if as_json or manager.address else first
        beside = partial(_beside, settings, application, offering)
        again = partial(_read_again, first.file)
        return await run(application, ready, tell, manager=manager, reload=again, beside=beside)

    try:
        return asyncio.run(main())
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        named = error.filename is not None
        tell(f"Cannot use {error.filename}: {error.strerror}" if named else str(error))
    except (EngineError, CannotListen) as error:
        tell(str(error))
    return 1


async def _beside(settings: Any, application: Any, first: FirstRun | None) -> None:
    """Offer the console to the first admin, and build Blender's extension if it is missing."""
    import asyncio

    from web.downloads.extension_build import build_missing
    from web.downloads.extensions import extension_folders

    async with asyncio.TaskGroup() as tasks:
        if first is not None:
            tasks.create_task(first.offer(application))
        if settings.downloads.build:
            is_named = bool(settings.downloads.extensions)
            tasks.create_task(build_missing(extension_folders(settings), keep_old=is_named))


def _read_again(file: Path | None) -> None:
    """Reload the setting that can change at run time: the log level."""
    from config.loader import SettingsError, load
    from web.process.logging_setup import set_level

    try:
        set_level(load(file).logs.level)
    except SettingsError as error:
        tell(f"The settings were not reloaded: {error}")


def tell(why: str) -> None:
    """Print one line for people on stderr."""
    from config.redaction import redact

    click.echo(f"rendertrust: {redact(why)}", err=True)
