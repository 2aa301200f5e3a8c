"""Add-ons of Blender that are sent with a scene: the option --addon."""

import contextlib
import hashlib
import tempfile
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from rendertrust.cli import exit_codes, value_text
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.session import CliSession

if TYPE_CHECKING:
    from rendertrust.api.downloads import DownloadableAddon
    from rendertrust.client import AsyncClient

SHOWN_MAX: Final = 20


def addon_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the option --addon to a command."""
    return click.option(
        "--addon",
        "addons",
        multiple=True,
        metavar="ID",
        help="An add-on of the farm that the scene needs, by its id; repeatable.",
    )(command)


@contextlib.contextmanager
def scene_addons(session: CliSession, names: Sequence[str]) -> Generator[Mapping[str, Path]]:
    """Yield the zips of the named add-ons by their paths among the job's inputs.

    They are downloaded to a temporary folder. End the command if the farm offers no such add-on.
    """
    if not names:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="rendertrust-") as folder:
        yield session.run(lambda client: _fetched(client, names, Path(folder)))


async def _fetched(client: "AsyncClient", names: Sequence[str], folder: Path) -> Mapping[str, Path]:
    from rendertrust.blender_addon import addon_path

    offered = (await client.downloads()).addons
    found: dict[str, Path] = {}
    for name in dict.fromkeys(names):
        chosen = _chosen(offered, name)
        path = folder / f"{chosen.id}.zip"
        await client.download_addon(chosen.name, path)
        if hashlib.sha256(path.read_bytes()).hexdigest() != chosen.sha256:
            detail = f"The farm sent another file than its add-on {chosen.name}; nothing was sent"
            raise CommandExit(Exit(exit_codes.FAILURE, "files", detail, "Try again."))
        found[addon_path(chosen.id)] = path
    return found


def _chosen(offered: "Sequence[DownloadableAddon]", name: str) -> "DownloadableAddon":
    """Return the newest add-on with this id. End the command if there is none."""
    same = [each for each in offered if each.id == name]
    if same:
        return max(same, key=lambda each: _order(each.version))
    detail = f"This farm does not offer the add-on {value_text.harmless(name)}; nothing was sent"
    lines = [f"  {_line(each)}" for each in offered[:SHOWN_MAX]]
    hint = "\n".join(("It offers:", *lines)) if lines else "It offers no add-ons: ask its admin."
    raise CommandExit(Exit(exit_codes.USAGE, "addon", detail, hint))


def _line(each: "DownloadableAddon") -> str:
    before = "" if each.blender_before is None else f", before {each.blender_before}"
    words = f"{each.title} {each.version}, Blender {each.blender_from} or newer{before}"
    return f"{value_text.harmless(each.id)}  {value_text.harmless(words)}"


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdecimal() else 0 for part in version.split("."))
