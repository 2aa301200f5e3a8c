"""``rendertrust serve``: the gateway, until it is told to stop."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import orjson

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)
PORT = click.IntRange(1, 65_535)
OPTIONS = (
    click.option("--config", type=FILE, help="A TOML file of settings."),
    click.option("--data", type=FOLDER, help="The data folder."),
    click.option("--host", help="The address to listen on."),
    click.option("--port", type=PORT, help="The port; else 8000, or the next that is free."),
)


def gateway_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--port --host --data --config``, of every command that runs a gateway."""
    for option in OPTIONS:
        command = option(command)
    return command


def settings_from(
    port: int | None, host: str | None, data: Path | None, config: Path | None
) -> Any:
    """The settings, the command line's options laid over them; exits with 2 when they are wrong."""
    from config.settings import SettingsError, load

    server = {name: value for name, value in (("port", port), ("host", host)) if value}
    overrides: dict[str, Any] = {"server": server} if server else {}
    if data is not None:
        overrides["data"] = str(data)
    try:
        return load(config, overrides)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error


@click.command
@gateway_options
@click.option("--json", "as_json", is_flag=True, help="Print the address as JSON.")
def serve(
    port: int | None, host: str | None, data: Path | None, config: Path | None, *, as_json: bool
) -> None:
    """Run the gateway until it is told to stop."""
    import asyncio

    from config.redaction import redact
    from config.settings import SettingsError
    from supervisors.engines.errors import EngineError
    from web.app import build
    from web.listener import CannotListen
    from web.log_lines import LAST_LINES_SECONDS, LINES
    from web.logs import configure
    from web.running import run

    settings = settings_from(port, host, data, config)
    configure(settings.logs.level)

    def tell(why: str) -> None:
        click.echo(f"rendertrust: {redact(why)}", err=True)

    async def main() -> int:
        application = build(settings)

        def ready() -> None:
            found = {"url": application.url, "data": str(application.data)}
            click.echo(orjson.dumps(found) if as_json else f"RenderTrust serves {found['url']}")

        return await run(application, ready, tell)

    try:
        code = asyncio.run(main())
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        named = error.filename is not None
        tell(f"Cannot use {error.filename}: {error.strerror}" if named else str(error))
        code = 1
    except (EngineError, CannotListen) as error:
        tell(str(error))
        code = 1
    finally:
        LINES.close(within=LAST_LINES_SECONDS)
    sys.exit(code)
