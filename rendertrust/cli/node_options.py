"""Command-line options of a node, and their conversion to the agent's settings."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from rendertrust.cli import exit_codes
from rendertrust.cli.command_exit import CommandExit, Exit
from rendertrust.cli.session import CliSession, is_interactive

if TYPE_CHECKING:
    from rendertrust.node.agent_settings import AgentSettings
    from rendertrust.node.devices import Device

SEE_DEVICES: Final = "See: rendertrust node devices"
UNITS: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE: Final = re.compile(r"(\d{1,15}(?:\.\d{1,3})?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
MEMORY_LEAST: Final = 2 * 2**30  # bytes of memory per slot; Blender does not start with less
CACHE_LEAST: Final = 2**30  # bytes of the cache, and of GPU memory
RENDERERS_LEAST: Final = 2**30  # bytes of a version of Blender


class SizeParam(click.ParamType[int]):
    """A number of bytes, like ``20G``."""

    name = "size"

    def __init__(self, least: int) -> None:
        self._least = least

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        """Return the number of bytes."""
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(str(value).strip())
        if found is None:
            self.fail(f"{value!r} is not a size; write a size like 20G", param, ctx)
        size = int(float(found[1]) * UNITS[found[2].upper()])
        if size < self._least:
            self.fail(f"{value} is too small; the minimum is {self._least // 2**30}G", param, ctx)
        return size


class WorkingHoursParam(click.ParamType[Any]):
    """Working hours, like ``20-8``."""

    name = "hours"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the hours."""
        from rendertrust.node.working_hours import WorkingHours, read_hours

        if isinstance(value, WorkingHours):
            return value
        try:
            return read_hours(str(value))
        except ValueError as error:
            self.fail(f"{value!r} {error}", param, ctx)


state_option = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder with the node's key, token and results (default: the XDG state folder).",
)
unsafe_option = click.option(
    "--unsafe-no-sandbox",
    is_flag=True,
    help="If there is no sandbox, render without one: scenes can then read your files.",
)
accept_option = click.option(
    "--accept",
    metavar="WORDS",
    help="With --unsafe-no-sandbox: the sentence that confirms that option.",
)
renderers_option = click.option(
    "--renderers",
    type=SizeParam(RENDERERS_LEAST),
    help="Disk space for further versions of Blender, like 6G: the node installs those that "
    "work needs, from a list that the gateway signs (default: installs none).",
)
blender_option = click.option(
    "--blender",
    "blenders",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A further blender binary, whose version the node then has, too. Repeatable.",
)
_RUN: Final[Sequence[Callable[[Any], Any]]] = (
    click.option(
        "--slots",
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        help="How many units run at once.",
    ),
    click.option(
        "--threads", type=click.IntRange(1), help="Threads per slot (default: an equal share)."
    ),
    click.option(
        "--cores", type=click.IntRange(1), help="Processors for all slots together (default: all)."
    ),
    click.option(
        "--ram", type=SizeParam(MEMORY_LEAST), help="Memory for all slots together, like 16G."
    ),
    click.option(
        "--device",
        default="cpu",
        show_default=True,
        metavar="NAME",
        help="The device that renders: cpu, or experimentally a card of `node devices`: optix:0.",
    ),
    click.option(
        "--vram",
        type=SizeParam(CACHE_LEAST),
        help="With a card: its memory for all slots together, like 8G (default: all of it).",
    ),
    click.option(
        "--any-user",
        is_flag=True,
        help="With a card: also render the scenes of users whom you do not trust.",
    ),
    click.option(
        "--cache",
        type=SizeParam(CACHE_LEAST),
        default="10G",
        show_default=True,
        help="Disk space for inputs that are kept for later units.",
    ),
    renderers_option,
    blender_option,
    click.option(
        "--hours",
        type=WorkingHoursParam(),
        help="Work only at these hours, local time; 20-8 is from 20:00 to 8:00.",
    ),
    click.option(
        "--nice",
        type=click.IntRange(0, 19),
        help="Niceness of the work, so that other programs go first (default 10).",
    ),
    click.option(
        "--idle-only",
        is_flag=True,
        help="Work only while other programs use little processor time.",
    ),
    click.option(
        "--finish",
        type=click.IntRange(0, 86_400),
        default=0,
        metavar="SECONDS",
        help="When stopped, let units finish for this long; then return them to the queue.",
    ),
    click.option(
        "--update",
        is_flag=True,
        help="Update the node's program itself when the gateway has a newer, signed release.",
    ),
    click.option(
        "--health-port",
        type=click.IntRange(-1, 65_535),
        default=8081,
        show_default=True,
        help="Port of the local status page; 0: any free port, -1: no page.",
    ),
)


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of ``node run`` to a command.

    ``node install`` writes the options to the systemd unit.
    """
    for option in reversed(_RUN):
        command = option(command)
    return command


def settings_of(given: dict[str, Any]) -> "AgentSettings":
    """Return the settings for these options; raise UsageError if options contradict each other."""
    from rendertrust.node import idle_detector
    from rendertrust.node.agent_settings import NICENESS, AgentSettings

    slots, ram = given["slots"], given["ram"]
    if ram is not None and ram // slots < MEMORY_LEAST:
        raise click.UsageError(f"--ram: each of {slots} slots needs at least 2G")
    if given["idle_only"] and idle_detector.now() is None:
        raise click.UsageError(
            "--idle-only: this system does not report whether the system is idle"
        )
    if given["idle_only"] and given["nice"] == 0:
        detail = "would take its own work for other programs; use at least --nice 1"
        raise click.UsageError(f"--idle-only: with --nice 0 the node {detail}")
    device = device_of(given)
    port = given["health_port"]
    return AgentSettings(
        slots=slots,
        threads=given["threads"],
        cores=given["cores"],
        ram_bytes=ram,
        vram_bytes=given["vram"],
        device=device,
        any_user=given["any_user"],
        cache_bytes_max=given["cache"],
        renderers_bytes_max=given["renderers"],
        blenders=tuple(path.absolute() for path in given["blenders"]),
        hours=given["hours"],
        nice=NICENESS if given["nice"] is None else given["nice"],
        idle_only=given["idle_only"],
        finish_seconds=float(given["finish"]),
        update=given["update"],
        health_port=None if port < 0 else port,
    )


def device_of(given: dict[str, Any]) -> "Device | None":
    """Return the card that the options name, None for the processor.

    Raise UsageError if there is no such card, or options fit only a card.
    """
    from rendertrust.node import devices

    found = devices.find(given["device"], devices.installed())
    if isinstance(found, devices.NoDevice):
        raise click.UsageError(f"--device {given['device']}: {found.reason}. {SEE_DEVICES}")
    for option, value in (("--vram", given["vram"]), ("--any-user", given["any_user"])):
        if found is None and value:
            raise click.UsageError(f"{option} is for a graphics card; choose one with --device")
    known = None if found is None else found.card.memory_bytes
    if found is not None and not given["vram"] and known is None:
        raise click.UsageError(f"--device {found.name} needs --vram: its driver tells no memory")
    if found is not None and known is not None and (given["vram"] or 0) > known:
        raise click.UsageError(f"--vram: {found.name} has less memory. {SEE_DEVICES}")
    return found


def words_of(settings: "AgentSettings", state: Path | None) -> list[str]:
    """Return the command line of ``node run`` for these settings."""
    plain = attrs.asdict(settings, recurse=False)
    named = {
        "--slots": plain["slots"],
        "--threads": plain["threads"],
        "--cores": plain["cores"],
        "--ram": plain["ram_bytes"],
        "--device": None if settings.device is None else settings.device.name,
        "--vram": plain["vram_bytes"],
        "--cache": plain["cache_bytes_max"],
        "--renderers": plain["renderers_bytes_max"],
        "--hours": plain["hours"],
        "--nice": plain["nice"],
        "--finish": int(settings.finish_seconds) or None,
        "--health-port": -1 if settings.health_port is None else settings.health_port,
        "--state": None if state is None else state.absolute(),
    }
    words = [f"{name}={value}" for name, value in named.items() if value is not None]
    words += [f"--blender={path}" for path in settings.blenders]
    flags = {
        "--any-user": settings.any_user,
        "--idle-only": settings.idle_only,
        "--update": settings.update,
    }
    return [*words, *(name for name, is_set in flags.items() if is_set)]


def accept_no_sandbox(session: CliSession, state: Path | None, words: str | None) -> None:
    """Ask the owner to confirm in words that no sandbox is wanted.

    Raise CommandExit without consent.
    """
    from rendertrust.node.sandbox import INSTALL_BWRAP, OFF, UNSAFE_AS_ROOT, is_root
    from rendertrust.node.state_folder import NO_SANDBOX_WORDS, StateFolder

    folder = StateFolder(state) if state else StateFolder()
    if folder.accepts_no_sandbox:
        return
    if is_root():
        raise CommandExit(Exit(exit_codes.USAGE, "no_sandbox", UNSAFE_AS_ROOT, INSTALL_BWRAP))
    session.output.note(f"Without a sandbox.\n{OFF}\nBetter: {INSTALL_BWRAP}")
    if words is None and is_interactive():
        words = click.prompt(f"To confirm, type: {NO_SANDBOX_WORDS}\n", err=True)
    if words is None or words.strip() != NO_SANDBOX_WORDS:
        hint = f'Install bubblewrap, or use --accept "{NO_SANDBOX_WORDS}"'
        detail = "Rendering without a sandbox was not confirmed"
        raise CommandExit(Exit(exit_codes.USAGE, "no_sandbox", detail, hint))
    folder.accept_no_sandbox(words.strip())
