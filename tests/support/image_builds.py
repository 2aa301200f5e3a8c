"""Images of containers, built on a root file system that debootstrap makes.

No image is fetched: the base image is made here, so that only Debian's packages and the package
index are needed. Debian's buildah builds them, or their steps are executed in folders by
bubblewrap, which works where no builder of containers does.
"""

import json
import os
import resource
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Final, Protocol

import attrs

from tests.unit.deploy.test_container import instructions

ROOT: Final = Path(__file__).resolve().parent.parent.parent
CAN_MAKE_A_BASE: Final = os.geteuid() == 0 and shutil.which("debootstrap") is not None
HAS_BUILDAH: Final = shutil.which("buildah") is not None
WHY: Final = "needs root, {}: scripts/system_packages.py --for-the-night"
BASE: Final = "localhost/python"
SUITE: Final = "trixie"
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
STEP_SECONDS: Final = 1500
# What a machine sets for pip, and for its own certificates.
KEPT: Final = ("PIP_", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


def machines_environment() -> dict[str, str]:
    """Return what steps that install packages need of this machine's environment."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(KEPT)}
    return {name: value for name, value in kept.items() if name != "PIP_FIND_LINKS"}


def run(command: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=STEP_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{command[0]} {command[1]}: {done.stdout[-4000:]}"
    return done.stdout


def make_system(system: Path) -> None:
    """Make a small Debian with Python in a folder."""
    words = ["--variant=minbase", "--include=python3,python3-venv,ca-certificates", SUITE]
    run(["debootstrap", *words, system])
    (system / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    shutil.copy(CERTIFICATES, system / CERTIFICATES.relative_to("/"))


class Images(Protocol):
    """Builds our images, and says how a command runs in one."""

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of all commands."""
        ...

    def make_base(self) -> None:
        """Make the base image."""
        ...

    def build(self, name: str) -> str:
        """Build an image of ours, and return the name of a container of it."""
        ...

    def running(
        self,
        container: str,
        command: Sequence[str],
        mounts: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Return the command that runs a command in a container, on this machine's network.

        ``mounts``: what is read in the container, by the path on this machine.
        """
        ...


@attrs.frozen
class BuiltImages:
    """A store of images that buildah builds, in a folder of its own."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of all commands.

        Containers keep this process's limits: buildah's own are higher than some machines allow.
        """
        file = self.folder / "containers.conf"
        if not file.exists():
            limits = {"nproc": resource.RLIMIT_NPROC, "nofile": resource.RLIMIT_NOFILE}
            found = {name: resource.getrlimit(limit) for name, limit in limits.items()}
            kept = [f"{name}={soft}:{hard}" for name, (soft, hard) in found.items()]
            file.write_text(f"[containers]\ndefault_ulimits = {json.dumps(kept)}\n")
        return os.environ | {"CONTAINERS_CONF": str(file)}

    def buildah(self, *words: str | Path) -> str:
        """Run buildah and return what it printed."""
        return run(self.command(*words), self.environment)

    def command(self, *words: str | Path) -> list[str]:
        store = ["--root", str(self.folder / "store"), "--runroot", str(self.folder / "run")]
        return ["buildah", *store, "--storage-driver", "vfs", *map(str, words)]

    def make_base(self) -> None:
        """Make the base image."""
        system = self.folder / "system"
        make_system(system)
        container = self.buildah("from", "--quiet", "scratch").strip()
        self.buildah("add", "--quiet", container, system, "/")
        for name, value in machines_environment().items():
            self.buildah("config", "--env", f"{name}={value}", container)
        self.buildah("commit", "--quiet", "--rm", container, BASE)
        shutil.rmtree(system)

    def build(self, name: str) -> str:
        """Build an image of ours, and return the name of a container of it."""
        file = ROOT / f"deploy/container/{name}.Containerfile"
        ignored = ("--ignorefile", ROOT / ".dockerignore")
        words = ("--isolation", "chroot", "--build-arg", f"PYTHON={BASE}", "--tag", name)
        self.buildah("build", "--pull=never", *words, *ignored, "-f", file, ROOT)
        return self.buildah("from", "--quiet", "--pull=never", f"localhost/{name}").strip()

    def running(
        self,
        container: str,
        command: Sequence[str],
        mounts: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Return the command that runs a command in a container."""
        volumes = [f"--volume={here}:{inside}:ro" for here, inside in (mounts or {}).items()]
        variables = [f"--env={name}={value}" for name, value in (environment or {}).items()]
        options = ("--isolation", "chroot", *volumes, *variables)
        return self.command("run", *options, container, "--", *command)


@attrs.define
class _Stage:
    """A stage of a build: its file system, and what its instructions have set."""

    root: Path
    variables: dict[str, str]
    folder: str = "/"
    user: str = "0:0"

    def running(self, command: Sequence[str], *options: str | Path) -> list[str]:
        """Return the command that runs a command in the stage's file system."""
        system = ("--bind", self.root, "/", "--proc", "/proc", "--dev", "/dev")
        pairs = [word for pair in self.variables.items() for word in ("--setenv", *pair)]
        variables = ("--clearenv", *pairs, "--chdir", self.folder)
        inside = ("--die-with-parent", "--cap-add", "ALL", *system, *options, *variables)
        user, group = self.user.split(":")
        drop = () if user == "0" else (f"--reuid={user}", f"--regid={group}", "--clear-groups")
        words = ("setpriv", *drop, *command)
        return ["bwrap", *map(str, inside), "--", *words]


@attrs.frozen
class ExecutedSteps:
    """Images whose steps are executed in folders: those instructions that our files have."""

    folder: Path
    stages: dict[str, _Stage] = attrs.field(factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of all commands."""
        return dict(os.environ)

    def make_base(self) -> None:
        """Make the base image."""
        make_system(self.folder / "system")

    def build(self, name: str) -> str:
        """Execute the steps of an image of ours, and return the name of its last stage."""
        stages: dict[str, _Stage] = {}
        for instruction, words in instructions(name):
            if instruction == "FROM":
                called = words.partition(" AS ")[2] or name
                root = self.folder / f"{name}-{called}"
                run(["cp", "-a", self.folder / "system", root])
                path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
                stages[called] = _Stage(root, machines_environment() | {"PATH": path})
            elif stages:
                self._execute(stages, instruction, words)
        self.stages[name] = stages[name]
        return name

    def _execute(self, stages: Mapping[str, _Stage], instruction: str, words: str) -> None:
        """Execute an instruction in the last stage; what only describes an image is left out."""
        stage = list(stages.values())[-1]
        match instruction:
            case "ENV":
                stage.variables |= dict(word.split("=", 1) for word in shlex.split(words))
            case "WORKDIR":
                stage.folder = words
                (stage.root / words.lstrip("/")).mkdir(parents=True, exist_ok=True)
            case "USER":
                stage.user = words
            case "RUN":
                run(stage.running(["sh", "-c", words]))
            case "COPY":
                *options, source, target = words.split()
                tree = ROOT
                if options:
                    tree = stages[options[0].removeprefix("--from=")].root
                goal = stage.root / str(Path(stage.folder, target)).lstrip("/")
                _copy(tree, source.lstrip("/"), goal, of_checkout=not options)
            case "VOLUME" | "EXPOSE" | "STOPSIGNAL" | "HEALTHCHECK" | "ENTRYPOINT" | "CMD":
                pass
            case _:
                raise AssertionError(instruction)

    def running(
        self,
        container: str,
        command: Sequence[str],
        mounts: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> list[str]:
        """Return the command that runs a command in the last stage."""
        stage = self.stages[container]
        stage = attrs.evolve(stage, variables=stage.variables | dict(environment or {}))
        binds = [("--ro-bind", here, inside) for here, inside in (mounts or {}).items()]
        return stage.running(command, *(word for bind in binds for word in bind))


def _copy(tree: Path, source: str, goal: Path, *, of_checkout: bool) -> None:
    """Copy a file or folder of a tree; of the checkout only what the images' ignore file leaves."""
    text = (ROOT / ".dockerignore").read_text()
    patterns = [line for line in text.splitlines() if line and not line.startswith("#")]

    def ignored(folder: str, names: list[str]) -> set[str]:
        within = Path(folder).relative_to(tree)
        anywhere = [each.removeprefix("**/") for each in patterns if each.startswith("**/")]
        return {
            name
            for name in names
            if any(fnmatch(str(within / name), each) for each in patterns)
            or any(fnmatch(name, each) for each in anywhere)
        }

    goal.parent.mkdir(parents=True, exist_ok=True)
    if (tree / source).is_file():
        shutil.copy(tree / source, goal)
    elif of_checkout:
        shutil.copytree(tree / source, goal, ignore=ignored, symlinks=True, dirs_exist_ok=True)
    else:
        run(["cp", "-a", tree / source, goal])
