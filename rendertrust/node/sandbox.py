"""The sandbox around Blender: bubblewrap, so that no scene reads the disk or reaches the network.

Inside there is a read-only system, the renderer, and a work folder of which ``in`` and
``delivered`` are read-only and ``out``, ``home`` and ``/tmp`` are writable; no network, no
capability, no other process, nothing of /etc but fonts, the loader's cache and links, and of the
environment what says which instructions the renderer uses. System calls that reach beyond
namespaces are refused (``seccomp``). Bounds on time, memory and files are set by the worker itself
before it opens a scene.

An ordinary user runs bubblewrap in a user namespace, in which Blender is nobody. Root runs it
without one, because only root can bind folders that lie under its own closed home, and drops to
a uid of the unit's own inside, before Blender starts: Blender never runs with the host's uid 0, and
what the kernel counts per user is counted for the unit alone.
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
GUESTS: Final = range(1_900_000_000, 1_901_000_000)  # uids that nobody has
PROCESSES_MAX: Final = 64
THREADS_EACH: Final = 4  # that Blender starts for each processor, and for each one it may use
INSTALL_BWRAP: Final = (
    "bubblewrap is missing, and no scene is rendered without its sandbox; install it with: "
    "apt-get install bubblewrap (Debian, Ubuntu) or dnf install bubblewrap (Fedora)"
)
OFF: Final = (
    "Off: a scene can read your files, change what you can change, use your network and leave"
    " processes behind. On: its scripts do not run by themselves, its time, memory, disk and files"
    " are bounded. The node takes work of its owner, and of whom he trusts, alone."
)
UNSAFE_AS_ROOT: Final = (
    "rendering without the sandbox is never allowed as root; run the node as an ordinary user"
)
# /etc/alternatives holds links alone; some distributions' libraries are found through it.
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
_FORBIDS_NAMESPACES: Final = (0, 8)  # the first bubblewrap that can
DELIVERED: Final = "delivered"  # of the work folder, where a check has it
FILTER: Final = "filter"  # in the work folder, where nothing inside sees it
_DESCRIPTOR: Final = "9"
_LAST: Final = "{ echo 1000 >/proc/self/oom_score_adj; } 2>/dev/null"
_UNSHARE: Final = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts")


@attrs.frozen
class SandboxUnavailable:
    """Why there is no sandbox on this machine, and what would mend it."""

    reason: str


@attrs.frozen(kw_only=True)
class SandboxView:
    """The work folder as the worker sees it, and the program that it is."""

    inputs: str
    delivered: str
    out: str
    worker: str


def started(place: str | Path, worker: Path) -> Path:
    """What is started of ``worker``, which lies at ``place``: itself, or its ``launcher.py``."""
    seen = Path(place) / worker.name
    return seen if worker.suffix == ".py" else seen / "launcher.py"


@attrs.frozen(kw_only=True)
class Sandbox:
    """bubblewrap at ``bwrap``; ``readable`` are the folders of the renderer, shown read-only."""

    bwrap: str
    readable: tuple[Path, ...]
    as_root: bool
    forbids_namespaces: bool = True

    def view(self, folder: Path, worker: Path) -> SandboxView:
        """Where the worker finds its files."""
        seen = str(started("/worker", worker))
        return SandboxView(
            inputs="/job/in", delivered="/job/delivered", out="/job/out", worker=seen
        )

    def command(self, program: Sequence[str], folder: Path, worker: Path) -> list[str]:
        """``program`` as a command line that runs it inside, on the work folder ``folder``.

        ``worker`` is a program, or a folder with the program ``launcher.py``.
        """
        # /tmp comes first: the renderer itself may lie below it, and must not be hidden.
        mounts = ["--bind", str(folder / "tmp"), "/tmp"]  # noqa: S108 - the sandbox's own
        mounts += [*show_system(self.readable), *self._work(folder), "--dir", "/worker"]
        mounts += ["--ro-bind", str(worker), f"/worker/{worker.name}"]
        for shown in ("/proc", "/dev", "/"):  # of /proc, a scene could lower its oom_score_adj
            mounts += ["--remount-ro", shown]
        guest = guest_of(folder)
        identity, drop = from_root_to(guest, guest) if self.as_root else self._as_user()
        command = [self.bwrap, *mounts, *self._rest(), *identity, "--", *drop, *program]
        return _coming_last(command, None if filter_of() is None else folder / FILTER)

    def environment(self, folder: Path) -> Mapping[str, str]:
        """What bubblewrap itself is started with; inside it is cleared."""
        return {}

    def prepare(self, folder: Path) -> None:
        """Make the work folder's parts, writable inside for whom Blender runs as."""
        make_parts(folder)
        if (refused := filter_of()) is not None:
            (folder / FILTER).write_bytes(refused)
        if self.as_root:
            for part in ("out", "home", "tmp"):
                os.chown(folder / part, guest_of(folder), guest_of(folder))

    def limits(self, threads: int) -> Mapping[str, int]:
        """Bounds beside the usual: processes and threads of this unit alone, so that a fork bomb
        stays small.
        """
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


def from_root_to(uid: int, gid: int) -> tuple[Sequence[str], Sequence[str]]:
    """Return options of bubblewrap as root, and the beginning of the command inside: it becomes
    that user for good. The options follow ``--cap-drop ALL``.
    """
    # The three capabilities last until setpriv has used them; it gives up every one.
    kept = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")
    drop = (
        *("/usr/bin/setpriv", "--reuid", str(uid), "--regid", str(gid)),
        *("--clear-groups", "--inh-caps=-all", "--ambient-caps=-all"),
        *("--bounding-set=-all", "--no-new-privs"),
    )
    return [word for name in kept for word in ("--cap-add", name)], drop


@attrs.frozen(kw_only=True)
class NoSandbox:
    """No sandbox: the owner of the machine trusts every scene. Never as root."""

    def view(self, folder: Path, worker: Path) -> SandboxView:
        """Where the worker finds its files."""
        return SandboxView(
            inputs=str(folder / "in"),
            delivered=str(folder / DELIVERED),
            out=str(folder / "out"),
            worker=str(started(worker.parent, worker)),
        )

    def command(self, program: Sequence[str], folder: Path, worker: Path) -> list[str]:
        """``program`` as it is."""
        return list(program)

    def environment(self, folder: Path) -> Mapping[str, str]:
        """An environment without this user's variables."""
        return {
            "HOME": str(folder / "home"),
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "TMPDIR": str(folder / "tmp"),
            **switches(),
        }

    def prepare(self, folder: Path) -> None:
        """Make the work folder's parts."""
        make_parts(folder)

    def limits(self, threads: int) -> Mapping[str, int]:
        """None: they would be counted over all that the user runs."""
        return {}


def show_system(readable: Sequence[Path]) -> Iterator[str]:
    """Words of bubblewrap that show the system and ``readable``, read-only, beside a /proc and a
    /dev of their own.
    """
    yield from ("--dir", "/etc")  # parents are said aloud, or bubblewrap closes them to others
    for system in _SYSTEM:
        yield from ("--ro-bind-try", system, system)
    yield from ("--proc", "/proc", "--dev", "/dev")
    made = {Path("/"), Path("/etc")}
    for path in readable:
        for parent in reversed(path.parents):
            if parent not in made and not _is_system(parent):
                made.add(parent)
                yield from ("--dir", str(parent))
    for path in readable:
        yield from ("--ro-bind", str(path), str(path))


def _coming_last(command: Sequence[str], refused: Path | None) -> list[str]:
    """The command as what the kernel ends first where memory runs out: set from outside, as nothing
    inside can. ``refused``: a filter of system calls, which bubblewrap reads from a descriptor.
    """
    if refused is None:
        return ["/bin/sh", "-c", f'{_LAST}; exec "$@"', "sh", *command]
    bwrap, *rest = command
    opened = ("/bin/sh", "-c", f'{_LAST}; exec "$@" {_DESCRIPTOR}<"$0"', str(refused))
    return [*opened, bwrap, "--seccomp", _DESCRIPTOR, *rest]


def guest_of(folder: Path) -> int:
    """The uid of whoever works in ``folder`` for root: its own; nobody's where that cannot be."""
    guest = GUESTS[zlib.crc32(bytes(folder)) % len(GUESTS)]
    return guest if _is_mapped(guest) else NOBODY


@cache
def _is_mapped(uid: int) -> bool:
    """Whether there is such a uid here: a container may know 65,536 of them."""
    try:
        lines = Path("/proc/self/uid_map").read_text().splitlines()
    except OSError:
        return False
    ranges = [tuple(map(int, line.split())) for line in lines]
    return any(first <= uid < first + length for first, _, length in ranges)


def make_parts(folder: Path) -> None:
    """``in``, ``out``, ``home`` and ``tmp`` of a work folder."""
    for part in ("in", "out", "home", "tmp"):
        (folder / part).mkdir(mode=0o755, parents=True, exist_ok=True)


def find(
    readable: tuple[Path, ...], *, unsafe: bool = False
) -> Sandbox | NoSandbox | SandboxUnavailable:
    """The sandbox of this machine; with ``unsafe`` (an ordinary user only) none."""
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
    """bubblewrap's version; () when it does not say."""
    try:
        asked = subprocess.run(
            [bwrap, "--version"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return tuple(int(part) for part in re.findall(r"\d+", asked.stdout)[:3])


def explain(stderr: str) -> str | None:
    """What to do about a sandbox that did not start, from what it said; None: something else."""
    if "setpriv: failed to execute" in stderr and "Permission denied" in stderr:
        path = stderr.rpartition("failed to execute ")[2].partition(":")[0]
        return f"{path} must be readable for others; run: chmod -R go+rX on its folder"
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
    """Whether this is the host's root."""
    return hasattr(os, "getuid") and os.getuid() == 0


def _is_system(path: Path) -> bool:
    return any(path == Path(root) or Path(root) in path.parents for root in _SYSTEM)


def _outermost(paths: Sequence[Path]) -> Iterator[Path]:
    """``paths`` without repetitions and without what lies inside another of them."""
    kept: list[Path] = []
    for path in sorted(set(paths), key=lambda path: len(path.parts)):
        if not any(parent in path.parents for parent in kept):
            kept.append(path)
            yield path
