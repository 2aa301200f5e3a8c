"""The embedded verifier: a node agent as a child process that cannot read the gateway's data.

The node agent runs in a bubblewrap sandbox, in which Blender's sandbox is nested. The agent sees
the folders of the system and of Python read-only, its own folder, and the network. The sandbox
hides the data folder, settings, homes and other processes.
"""

import asyncio
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final
from uuid import UUID

from attrs import frozen

import rendertrust
from rendertrust.node import blender_discovery, machine_facts, sandbox
from rendertrust.node.agent_settings import GIB
from rendertrust.node.state_folder import Enrolment, StateFolder, write_private
from rendertrust.node_key import load_or_create_key
from supervisors.engines.engine import Engine
from supervisors.engines.engine_account import EngineAccount
from supervisors.engines.engine_folder import EngineFolder
from supervisors.engines.errors import EngineError
from supervisors.engines.tethered_process import Command

NAME: Final = "verifier"
STOP: Final = ((signal.SIGTERM, 3.0),)  # ends bubblewrap with everything inside
TRIAL_SECONDS: Final = 20.0
MEMORY_LEAST: Final = 2 * GIB  # with less memory Blender does not start
_PROXIES: Final = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
# Users, hosts, time zone and certificates, as the object store may be remote; pip's settings.
_ETC: Final = (
    *("passwd", "group", "hosts", "resolv.conf", "nsswitch.conf", "gai.conf", "host.conf"),
    *("localtime", "ssl/certs", "ssl/openssl.cnf", "pki/tls/cert.pem", "pki/tls/certs"),
    *("pki/ca-trust", "ca-certificates", "pip.conf"),
)
log = logging.getLogger(__name__)


class CannotVerify(EngineError):
    """Results cannot be verified on this machine. The text says why and what to do."""


@frozen
class CheckBounds:
    """Threads and bytes of memory for one check, and bytes for further versions of Blender."""

    threads: int
    memory: int
    renderers: int = 0


def bounds_of(threads: int, memory_gib: int, renderers_gib: int = 0) -> CheckBounds:
    """Return the bounds that the settings name; 0 threads or memory is half of this machine."""
    half = max(machine_facts.ram_bytes() // 2, MEMORY_LEAST)
    return CheckBounds(
        threads or max(machine_facts.cores() // 2, 1),
        memory_gib * GIB or half,
        renderers_gib * GIB,
    )


@frozen
class SandboxCommand:
    """The sandbox command, and the account that starts it; None for the current account."""

    words: Sequence[str]
    account: EngineAccount | None = None


@frozen
class Confinement:
    """A tested sandbox, and the key of the node in it."""

    folder: EngineFolder
    walls: SandboxCommand
    public_key: bytes

    @property
    def id(self) -> UUID:
        """The node's id, derived from its key."""
        return UUID(bytes=sha256(self.public_key).digest()[:16], version=4)


def confine(data: Path, account: EngineAccount | None) -> Confinement:
    """Test the sandbox, and create the verifier's key if there is none.

    Raises CannotVerify, EngineError.
    """
    folder = EngineFolder(data, NAME, account)
    walls = walls_of(folder)
    folder.make()
    try_out(walls)
    try:
        key = load_or_create_key(key_of(folder))
    except ValueError as fault:
        raise CannotVerify(str(fault)) from fault
    return Confinement(folder, walls, key.public_key().public_bytes_raw())


def key_of(folder: EngineFolder) -> Path:
    """Return the path of the file in which the gateway keeps the node's key."""
    return folder.secrets / "key.pem"


class EmbeddedVerifier(Engine[int]):
    """The node agent in ``data/verifier``. The engine's endpoint is the agent's process id.

    ``enrol`` registers the node with the gateway at each start, and returns its enrolment.
    """

    name = NAME

    def __init__(
        self, confined: Confinement, bounds: CheckBounds, enrol: Callable[[], Awaitable[Enrolment]]
    ) -> None:
        super().__init__(confined.folder.data, account=confined.folder.account)
        self._walls, self._bounds, self._enrol = confined.walls, bounds, enrol

    async def prepare(self, lock: int) -> None:
        await asyncio.to_thread(self._give, await self._enrol())

    def _give(self, enrolment: Enrolment) -> None:
        """Copy key and enrolment into a folder in which the verifier can read but not change
        them.
        """
        given, owner = self._given, self.folder.owned()
        given.make()
        given.enrol(enrolment)
        write_private(given.key, key_of(self.folder).read_bytes())
        if owner is not None:
            given.path.chmod(0o711)
            for path in given.path.iterdir():
                os.chown(path, *owner)

    @property
    def _given(self) -> StateFolder:
        return StateFolder(self.folder.path / "given")

    async def command(self) -> Command:
        given, state = self._given.path, self.folder.give("state")
        threads, memory = self._bounds.threads, self._bounds.memory
        bounds = (str(threads), str(memory), str(self._bounds.renderers))
        seen = ("--ro-bind", given, given, "--bind", state, state, "--setenv", "HOME", state)
        agent = ("-I", "-m", "rendertrust.node.embedded_verifier", given, state, *bounds)
        words: list[str | Path] = [*self._walls.words, *seen, "--", sys.executable, *agent]
        return Command(words, STOP, becomes_user=self._walls.account is None)

    async def ready(self, pid: int) -> int | None:
        return pid

    async def exited(self) -> int:
        code = await super().exited()
        log.warning("the embedded verifier ended: %s", self.folder.log_tail(1))
        return code


def walls_of(folder: EngineFolder) -> SandboxCommand:
    """Return the sandbox that hides everything but the verifier's files. Raises CannotVerify."""
    program = blender_discovery.find()
    if program is None:
        raise CannotVerify(blender_discovery.no_blender())
    python = (*blender_discovery.interpreter(), Path(rendertrust.__file__).parent)
    box = sandbox.find((*program.readable, *python))
    if isinstance(box, sandbox.SandboxUnavailable):
        raise CannotVerify(box.reason)
    assert isinstance(box, sandbox.Sandbox), "a sandbox is not optional here"
    opened = _opened(folder.account, (*python, *box.readable), box.bwrap)
    words = (
        *opened,
        *(box.bwrap, "--tmpfs", "/tmp", *sandbox.show_system(box.readable)),  # noqa: S108 - its own
        *_etc(),
        *("--tmpfs", str(folder.data)),
        *("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
        *("--die-with-parent", "--new-session", "--chdir", "/"),
        *_environment(program),
    )
    return SandboxCommand(words, None if opened else folder.account)


def _opened(account: EngineAccount | None, paths: Sequence[Path], bwrap: str) -> Sequence[str]:
    """Return an outer sandbox, started by root, for a Python in a folder that the account cannot
    enter.

    An example is a checkout in root's home. The outer sandbox shows only these paths of the folder,
    and then switches to the account.
    """
    places = dict.fromkeys(paths)
    closed = {path: account.closed_folder(path) for path in places} if account else {}
    if account is None or not any(closed.values()):
        return ()
    hidden = dict.fromkeys(folder for folder in closed.values() if folder is not None)
    shown = {path: folder for path, folder in closed.items() if folder is not None}
    # Parent folders are listed explicitly; otherwise bubblewrap closes them to other users.
    parents = dict.fromkeys(
        parent
        for path, folder in shown.items()
        for parent in reversed(path.parents)
        if parent.is_relative_to(folder) and parent != folder
    )
    kept, become = sandbox.from_root_to(account.uid, account.gid)
    return (
        *(bwrap, "--dev-bind", "/", "/"),
        *(word for folder in hidden for word in ("--tmpfs", str(folder))),
        *(word for parent in parents for word in ("--dir", str(parent))),
        *(word for path in shown for word in ("--ro-bind", str(path), str(path))),
        # Switching users resets the parent-death signal; instead, the end of the first process ends
        # all.
        *("--unshare-pid", "--die-with-parent", "--cap-drop", "ALL", *kept, "--", *become),
    )


def _etc() -> Iterator[str]:
    for name in _ETC:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")


def _environment(program: blender_discovery.Renderer) -> Iterator[str]:
    """Yield bubblewrap's options for PATH, TMPDIR, the switches of the instruction set, and pip.

    All users of the machine can read them, so addresses with a user's name and password are left
    out; pip finds such an address in ``/etc/pip.conf``.
    """
    places = (str(Path(program.before[0]).parent), "/usr/local/bin", "/usr/bin", "/bin")
    pip = {
        name: value
        for name, value in os.environ.items()
        if (name.startswith("PIP_") or name.lower() in _PROXIES) and "@" not in value
    }
    given = {"PATH": ":".join(places), "TMPDIR": "/tmp", **machine_facts.switches(), **pip}  # noqa: S108
    for name, value in given.items():
        yield from ("--setenv", name, value)


def try_out(walls: SandboxCommand) -> None:
    """Start Python in a nested sandbox. Raises CannotVerify."""
    inner = (
        walls.words[0],
        "--unshare-user",
        "--unshare-pid",
        "--unshare-net",
        "--ro-bind",
        "/",
        "/",
    )
    python = ("--proc", "/proc", "--", sys.executable, "-I", "-S", "-c", "")
    try:
        tried = run_within(walls, [*inner, *python])
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise CannotVerify(f"the sandbox cannot start: {type(fault).__name__}") from fault
    if tried.returncode != 0:
        said = " ".join(tried.stderr.split())[-300:]
        raise CannotVerify(sandbox.explain(tried.stderr) or f"the sandbox cannot start: {said}")


def run_within(walls: SandboxCommand, words: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run a command in the sandbox. Raises OSError, TimeoutExpired."""
    account = walls.account
    return subprocess.run(
        [*walls.words, "--", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=TRIAL_SECONDS,
        check=False,
        cwd="/",
        env={},
        user=None if account is None else account.uid,
        group=None if account is None else account.gid,
        extra_groups=None if account is None else (),
    )
