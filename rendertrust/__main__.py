"""``rendertrust``: the command line of creators, node operators and, in a checkout, the gateway."""

import sys

from rendertrust.cli import argv, catalogue, exit_codes

NO_CHECKOUT = """\
rendertrust: The gateway runs from a checkout, and this is the installed package.
  In a checkout of RenderTrust: pip install -e '.[gateway]', then call rendertrust again."""

NO_EXTRA = """\
rendertrust: The gateway needs the package {}, which is not installed.
  In the checkout: pip install -e '.[gateway]'"""

COLLECT_AFTER = 50_000  # live objects before the first run of the garbage collector


def main() -> int:
    """Run the command line and return its exit code."""
    try:
        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED


def run(typed: list[str]) -> int:
    """Run the command that ``typed`` names and return its exit code."""
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
    """Run a command of the gateway. Only this function imports the gateway's packages."""
    import gc  # noqa: PLC0415 - not needed by --help
    from pathlib import Path  # noqa: PLC0415 - a third of the time that --help takes

    # Modules are never freed; with the default threshold, importing them takes a tenth longer.
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])

    checkout = Path(__file__).resolve().parent.parent
    # Check first: another installed package may be named `web`.
    if not (checkout / "web" / "commands").is_dir():
        return complain(NO_CHECKOUT)
    # The gateway's packages have common names, so the checkout comes first on the path.
    sys.path.insert(0, str(checkout))
    from rendertrust.cli.app import main as call  # noqa: PLC0415 - imports click

    try:
        from web.commands import group  # noqa: PLC0415 - the wheel has no web

        return call(argv.Arguments(tuple(words), None, "--json" in words), group)
    except ModuleNotFoundError as error:
        return complain(NO_EXTRA.format(error.name))


def complain(text: str) -> int:
    """Print a usage error and return its exit code."""
    sys.stderr.write(text + "\n")
    return exit_codes.USAGE


if __name__ == "__main__":
    raise SystemExit(main())
