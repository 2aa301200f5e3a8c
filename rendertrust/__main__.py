"""``rendertrust``: the command line of creators, node operators and, in a checkout, the gateway."""

import sys
from io import TextIOWrapper
from os import environ
from typing import TYPE_CHECKING

from rendertrust.cli import argv, catalogue, exit_codes

if TYPE_CHECKING:
    from click import Group

NO_CHECKOUT = """\
rendertrust: The gateway runs from a checkout, and this is the installed package.
  In a checkout of RenderTrust, or in the source archive of a release, with pip 25.1 or newer:
  pip install --group gateway -e ., then call rendertrust again."""

NO_EXTRA = """\
rendertrust: The gateway needs the package {}, which is not installed.
  In the checkout: pip install --group gateway -e ."""

NO_WINDOWS = """\
rendertrust: The gateway runs on Linux, and on Windows in WSL2.
  Install WSL2 (wsl --install), and run the command in its Linux shell."""

COMPLETION = "_RENDERTRUST_COMPLETE"  # set by a shell that asks what completes the command line
COLLECT_AFTER = 50_000  # live objects before the first run of the garbage collector


def main() -> int:
    """Run the command line and return its exit code."""
    if sys.platform == "win32":
        write_utf8()
    try:
        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED


def write_utf8() -> None:
    """Write UTF-8 to pipes and files, unless the user chose another encoding.

    Windows would use the machine's code page, which lacks characters that commands print.
    """
    if "PYTHONIOENCODING" in environ:
        return
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and not stream.isatty():
            stream.reconfigure(encoding="utf-8")


def run(typed: list[str]) -> int:
    """Run the command that ``typed`` names and return its exit code."""
    if COMPLETION in environ:
        from rendertrust.cli.completion import answer as complete  # noqa: PLC0415 - imports click

        complete(environ[COMPLETION], gateway_commands)
        return exit_codes.OK
    try:
        words = argv.split(typed)
    except argv.UrlMissing:
        return complain("rendertrust: --url needs the address of a gateway after it.")
    if words.command is not None and words.command in catalogue.GATEWAY:
        return gateway(moved_first(typed, words.command))
    if words.rest[:1] == ("help",) and words.rest[1:2] and words.rest[1] in catalogue.GATEWAY:
        return gateway([*words.rest[1:], "--help"])
    answer = argv.quick(words)
    if answer is not None:
        sys.stdout.write(answer + "\n")
        return exit_codes.OK
    if not words.rest:
        return complain(catalogue.overview())
    from rendertrust.cli.app import main as call  # noqa: PLC0415 - imports click

    return call(words)


def moved_first(typed: list[str], command: str) -> list[str]:
    """Move options that were typed before the command to the place after it."""
    place = typed.index(command)
    return [*typed[place:], *typed[:place]]


def gateway(words: list[str]) -> int:
    """Run a command of the gateway."""
    if sys.platform == "win32":
        return complain(NO_WINDOWS)
    import gc  # noqa: PLC0415 - not needed by --help

    # Modules are never freed; with the default threshold, importing them takes a tenth longer.
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])
    try:
        group = gateway_commands()
        if group is None:
            return complain(NO_CHECKOUT)
        from rendertrust.cli.app import main as call  # noqa: PLC0415 - imports click

        return call(argv.Arguments(tuple(words), None, "--json" in words), group)
    except ModuleNotFoundError as error:
        return complain(NO_EXTRA.format(error.name))


def gateway_commands() -> "Group | None":
    """Return the commands of a gateway; None outside a checkout. Only this function imports the
    gateway's packages.
    """
    from pathlib import Path  # noqa: PLC0415 - a third of the time that --help takes

    checkout = Path(__file__).resolve().parent.parent
    # Check first: another installed package may be named `web`.
    if not (checkout / "web" / "commands").is_dir():
        return None
    # The gateway's packages have common names, so the checkout comes first on the path.
    sys.path.insert(0, str(checkout))
    from web.commands import group  # noqa: PLC0415 - the wheel has no web

    return group


def complain(text: str) -> int:
    """Print a usage error and return its exit code."""
    sys.stderr.write(text + "\n")
    return exit_codes.USAGE


if __name__ == "__main__":
    raise SystemExit(main())
