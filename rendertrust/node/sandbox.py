"""The sandbox around Blender: bubblewrap keeps scenes from the disk and the network.

Inside the sandbox are a read-only system, the renderer, and a work folder, in which ``in`` and
``delivered`` are read-only and ``out``, ``home`` and ``/tmp`` are writable. There is no network, no
capability and no process from outside. Of /etc only fonts, the loader's cache and links are
visible. Of the node's environment, only the variables that disable instructions of the renderer are
passed on. System calls that reach beyond namespaces are refused (``seccomp``). The worker sets
limits on its own time, memory and files before it opens a scene. An ordinary user runs bubblewrap
in a user namespace, in which Blender has the uid ``nobody``. Root runs bubblewrap without a user
namespace, because only root can bind folders below root's private home. The sandbox then switches
to a uid of this unit before Blender starts, or to ``nobody`` where such uids are not mapped.
Therefore Blender never has the host's uid 0. If the unit has a uid of its own, the kernel's limits
per user count only this unit.
"""

import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import attrs

from rendertrust.node.machine_facts import cores, switches
from rendertrust.node.seccomp import filter_of

NOBODY: Final = 65534
GUESTS: Final = range(1_900_000_000, 1_901_000_000)  # uids that no account has
PROCESSES_MAX: Final = 64
THREADS_EACH: Final = 4  # threads allowed per processor and per thread of the slot
INSTALL_BWRAP: Final = (
    "bubblewrap is missing, and scenes render only in its sandbox; install it with: "
    "apt-get install bubblewrap (Debian, Ubuntu) or dnf install bubblewrap (Fedora)"
)
OFF: Final = (
    "Off: a scene can read your files, change what you can change, use your network and leave"
    " processes behind. Its scripts still do not run by themselves, and its time, memory, disk and"
    " files are bounded. The node takes work only from its owner and from trusted users."
)
UNSAFE_AS_ROOT: Final = (
    "rendering without the sandbox is never allowed as root; run the node as an ordinary user"
)
# /etc/alternatives contains only links; some distributions find libraries through them.
_SYSTEM: Final = (
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/bin",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/ld.so.cache",
)
_FORBIDS_NAMESPACES: Final = (0, 8)  # first version of bubblewrap that can forbid namespaces
DELIVERED: Final = "delivered"  # folder in a check's work folder with the delivered files
FILTER: Final = "filter"  # file in the work folder with the system call filter for bubblewrap
_DESCRIPTOR: Final = "9"
_LAST: Final = "{ echo 1000 >/proc/self/oom_score_adj; } 2>/dev/null"
_UNSHARE: Final = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts")


@attrs.frozen
class SandboxUnavailable:
    """The reason why this machine has no sandbox, and what the operator can do."""

    reason: str


@attrs.frozen(kw_only=True)
class SandboxView:
    """Paths of the work folder and of the worker's program, as the worker sees them."""

    inputs: str
    delivered: str
    out: str
    worker: str


def started(place: str | Path, worker: Path) -> Path:
    """Return the file to start for ``worker`` in the folder ``place``.

    If ``worker`` is a folder, the file is its ``entry_point.py``.
    """
    seen = Path(place) / worker.name
    return seen if worker.suffix == ".py" else seen / "entry_point.py"


@attrs.frozen(kw_only=True)
class CardAccess:
    """Files that a graphics card's driver needs inside the sandbox.

    ``nodes``: the device files of this card. ``readable``: files below /sys, and the driver's
    libraries outside the system's folders. ``groups``: the groups of the device files.
    """

    nodes: tuple[Path, ...]
    readable: tuple[Path, ...] = ()
    groups: tuple[int, ...] = ()


@attrs.frozen(kw_only=True)
class Sandbox:
    """The sandbox: bubblewrap at ``bwrap``.

    ``readable``: the renderer's folders, bound read-only. ``card``: the graphics card, if any.
    """

    bwrap: str
    readable: tuple[Path, ...]
    as_root: bool
    forbids_namespaces: bool = True
    card: CardAccess | None = None

    def view(self, folder: Path, worker: Path) -> SandboxView:
        """Return the paths of the worker's files."""
        seen = str(started("/worker", worker))
        return SandboxView(
            inputs="/job/in", delivered="/job/delivered", out="/job/out", worker=seen
        )

    def command(self, program: Sequence[str], folder: Path, worker: Path) -> list[str]:
        """Return a command line that runs ``program`` in the sandbox, in the folder ``folder``.

        ``worker``: a program, or a folder with the program ``entry_point.py``.
        """
        # /tmp must be mounted first, because it would hide a renderer that is installed below /tmp.
        mounts = ["--bind", str(folder / "tmp"), "/tmp"]  # noqa: S108 - the sandbox's own
        mounts += [*show_system(self.readable), *self._work(folder), "--dir", "/worker"]
        mounts += ["--ro-bind", str(worker), f"/worker/{worker.name}"]
        if self.card is not None:
            mounts += show_card(self.card)
        # If /proc were writable, a scene could lower its oom_score_adj. The drivers of graphics
        # cards must write there: they name their threads in /proc/self/task/*/comm.
        for shown in ("/proc", "/dev", "/") if self.card is None else ("/dev", "/"):
            mounts += ["--remount-ro", shown]
        guest, groups = guest_of(folder), () if self.card is None else self.card.groups
        identity, drop = from_root_to(guest, guest, groups) if self.as_root else self._as_user()
        command = [self.bwrap, *mounts, *self._rest(), *identity, "--", *drop, *program]
        return _coming_last(command, None if filter_of() is None else folder / FILTER)

    def environment(self, folder: Path) -> Mapping[str, str]:
        """Return the environment of bubblewrap itself.

        The program inside gets another environment.
        """
        return {}

    def prepare(self, folder: Path) -> None:
        """Create the folders in the work folder.

        Blender's user can write to ``out``, ``home`` and ``tmp``.
        """
        make_parts(folder)
        if (refused := filter_of()) is not None:
            (folder / FILTER).write_bytes(refused)
        if self.as_root:
            for part in ("out", "home", "tmp"):
                os.chown(folder / part, guest_of(folder), guest_of(folder))

    def limits(self, threads: int) -> Mapping[str, int]:
        """Return the limit on the unit's processes and threads, against fork bombs."""
        return {"processes": PROCESSES_MAX + THREADS_EACH * (cores() + threads)}

    def _work(self, folder: Path) -> Iterator[str]:
        yield from ("--dir", "/job", "--ro-bind", str(folder / "in"), "/job/in")
        if (delivered := folder / DELIVERED).is_dir():
            yield from ("--ro-bind", str(delivered), "/job/delivered")
        for part in ("out", "home"):
            yield from ("--bind", str(folder / part), f"/job/{part}")

    @staticmethod
    def _rest() -> Iterator[str]:
        yield from (*_UNSHARE, "--unshare-cgroup-try", "--cap-drop", "ALL")
        yield from ("--new-session", "--die-with-parent", "--clearenv")
        yield from ("--setenv", "HOME", "/job/home", "--setenv", "PATH", "/usr/bin:/bin")
        yield from ("--setenv", "LANG", "C.UTF-8", "--hostname", "render", "--chdir", "/job/out")
        for name, value in switches().items():
            yield from ("--setenv", name, value)

    def _as_user(self) -> tuple[Sequence[str], Sequence[str]]:
        nobody = str(NOBODY)
        forbid = ("--disable-userns",) if self.forbids_namespaces else ()
        return ("--unshare-user", *forbid, "--uid", nobody, "--gid", nobody), ()


def from_root_to(
    uid: int, gid: int, groups: Sequence[int] = ()
) -> tuple[Sequence[str], Sequence[str]]:
    """Return bubblewrap's options for root, and a command prefix that switches to another user.

    ``groups``: the user's further groups. The options must follow ``--cap-drop ALL``. The
    switch cannot be undone.
    """
    # setpriv uses the three capabilities, and then drops all capabilities.
    kept = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")
    drop = (
        *("/usr/bin/setpriv", "--reuid", str(uid), "--regid", str(gid)),
        *(("--groups", ",".join(map(str, groups))) if groups else ("--clear-groups",)),
        *("--inh-caps=-all", "--ambient-caps=-all"),
        *("--bounding-set=-all", "--no-new-privs"),
    )
    return [word for name in kept for word in ("--cap-add", name)], drop


@attrs.frozen(kw_only=True)
class NoSandbox:
    """Replacement of the sandbox if the machine's owner trusts every scene.

    An agent of root never uses this class.
    """

    def view(self, folder: Path, worker: Path) -> SandboxView:
        """Return the paths of the worker's files."""
        return SandboxView(
            inputs=str(folder / "in"),
            delivered=str(folder / DELIVERED),
            out=str(folder / "out"),
            worker=str(started(worker.parent, worker)),
        )

    def command(self, program: Sequence[str], folder: Path, worker: Path) -> list[str]:
        """Return ``program`` unchanged."""
        return list(program)

    def environment(self, folder: Path) -> Mapping[str, str]:
        """Return an environment without this user's variables."""
        return {
            "HOME": str(folder / "home"),
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TMPDIR": str(folder / "tmp"),
            **switches(),
        }

    def prepare(self, folder: Path) -> None:
        """Create the folders in the work folder."""
        make_parts(folder)

    def limits(self, threads: int) -> Mapping[str, int]:
        """Return no limits, because the kernel would count all processes of the user."""
        return {}


def show_system(readable: Sequence[Path]) -> Iterator[str]:
    """Yield bubblewrap's options for a read-only system and ``readable``, with /proc and /dev."""
    yield from ("--dir", "/etc")  # bubblewrap makes implicit parents unreadable for others
    for system in _SYSTEM:
        yield from ("--ro-bind-try", system, system)
    yield from ("--proc", "/proc", "--dev", "/dev")
    # An empty list of mounts: without any, Blender complains in every log.
    yield from ("--symlink", "../dev/null", "/etc/mtab")
    made = {Path("/"), Path("/etc")}
    for path in readable:
        for parent in reversed(path.parents):
            if parent not in made and not _is_system(parent):
                made.add(parent)
                yield from ("--dir", str(parent))
    for path in readable:
        yield from ("--ro-bind", str(path), str(path))


def show_card(card: CardAccess) -> Iterator[str]:
    """Yield bubblewrap's options for a graphics card: its device files, and files below /sys.

    A link below /sys, such as a card's place on its bus, leads to the same file as outside.
    """
    real = [path.resolve() for path in card.readable]
    links = dict(zip(card.readable, real, strict=True))
    made = {Path("/"), Path("/dev")}
    shown = [path for path in _outermost(real) if not _is_system(path)]
    linked = {path: target for path, target in links.items() if path != target}
    for path in (*shown, *linked, *card.nodes):
        for parent in reversed(path.parents):
            is_shown = any(one == parent or one in parent.parents for one in shown)
            if parent not in made and not is_shown and not _is_system(parent):
                made.add(parent)
                yield from ("--dir", str(parent))
    for path in shown:
        yield from ("--ro-bind", str(path), str(path))
    for path, target in linked.items():
        yield from ("--symlink", str(target), str(path))
    for path in card.nodes:
        yield from ("--dev-bind", str(path), str(path))


def _coming_last(command: Sequence[str], refused: Path | None) -> list[str]:
    """Return a command whose process the kernel kills first when memory runs out.

    The priority is set outside the sandbox, so that nothing inside can change it. ``refused``: the
    file with the system call filter, which bubblewrap reads from a descriptor.
    """
    if refused is None:
        return ["/bin/sh", "-c", f'{_LAST}; exec "$@"', "sh", *command]
    bwrap, *rest = command
    opened = ("/bin/sh", "-c", f'{_LAST}; exec "$@" {_DESCRIPTOR}<"$0"', str(refused))
    return [*opened, bwrap, "--seccomp", _DESCRIPTOR, *rest]


def guest_of(folder: Path) -> int:
    """Return the uid under which Blender runs in ``folder`` if the node is root.

    Return NOBODY if that uid is not mapped.
    """
    guest = GUESTS[zlib.crc32(bytes(folder)) % len(GUESTS)]
    return guest if _is_mapped(guest) else NOBODY


@cache
def _is_mapped(uid: int) -> bool:
    """Return True if the uid exists in this user namespace.

    Containers often map only 65,536 uids.
    """
    try:
        lines = Path("/proc/self/uid_map").read_text().splitlines()
    except OSError:
        return False
    ranges = [tuple(map(int, line.split())) for line in lines]
    return any(first <= uid < first + length for first, _, length in ranges)


def make_parts(folder: Path) -> None:
    """Create ``in``, ``out``, ``home`` and ``tmp`` of a work folder."""
    for part in ("in", "out", "home", "tmp"):
        (folder / part).mkdir(mode=0o755, parents=True, exist_ok=True)


def find(
    readable: tuple[Path, ...], *, unsafe: bool = False
) -> Sandbox | NoSandbox | SandboxUnavailable:
    """Return this machine's sandbox. With ``unsafe``, return NoSandbox, which root may not use."""
    if unsafe:
        return SandboxUnavailable(UNSAFE_AS_ROOT) if is_root() else NoSandbox()
    if not sys.platform.startswith("linux"):
        return SandboxUnavailable("the sandbox (bubblewrap) exists on Linux only")
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return SandboxUnavailable(INSTALL_BWRAP)
    if is_root() and not Path("/usr/bin/setpriv").exists():
        return SandboxUnavailable("setpriv is missing; install it with: apt-get install util-linux")
    return Sandbox(
        bwrap=bwrap,
        readable=tuple(path for path in _outermost(readable) if not _is_system(path)),
        as_root=is_root(),
        forbids_namespaces=_version(bwrap) >= _FORBIDS_NAMESPACES,
    )


def _version(bwrap: str) -> tuple[int, ...]:
    """Return bubblewrap's version; () if unknown."""
    try:
        asked = subprocess.run(
            [bwrap, "--version"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(int(part) for part in re.findall(r"\d+", asked.stdout)[:3])


def explain(stderr: str) -> str | None:
    """Return advice if ``stderr`` says why the sandbox did not start; None for other output."""
    if "setpriv: failed to execute" in stderr and "Permission denied" in stderr:
        path = stderr.rpartition("failed to execute ")[2].partition(":")[0]
        return f"{path} must be readable by others; run: chmod -R go+rX on its folder"
    if "bwrap:" not in stderr:
        return None
    line = next(line for line in stderr.splitlines() if "bwrap:" in line)
    if "namespace" in line or "uid map" in line or "Operation not permitted" in line:
        return (
            f"the sandbox cannot start ({line.strip()}): user namespaces are switched off; run: "
            "sysctl kernel.unprivileged_userns_clone=1 "
            "kernel.apparmor_restrict_unprivileged_userns=0"
        )
    return f"the sandbox cannot start ({line.strip()})"


def is_root() -> bool:
    """Return True if this process runs as root."""
    return hasattr(os, "getuid") and os.getuid() == 0


def _is_system(path: Path) -> bool:
    return any(path == Path(root) or Path(root) in path.parents for root in _SYSTEM)


def _outermost(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield ``paths`` without duplicates, and without paths below another of the paths."""
    kept: list[Path] = []
    for path in sorted(set(paths), key=lambda path: len(path.parts)):
        if not any(parent in path.parents for parent in kept):
            kept.append(path)
            yield path
