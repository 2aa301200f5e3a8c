"""Images of containers, built by Debian's buildah on a root file system that debootstrap makes.

No image is fetched: the base image is made here, so that only Debian's packages and the package
index are needed. Steps run in a chroot, which works where container engines do not.
"""

import json
import os
import resource
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

ROOT: Final = Path(__file__).resolve().parent.parent.parent
PROGRAMS: Final = ("buildah", "debootstrap")
WHY: Final = "needs root, buildah, debootstrap: scripts/system_packages.py --for-the-night"
CAN_BUILD: Final = os.geteuid() == 0 and all(map(shutil.which, PROGRAMS))
BASE: Final = "localhost/python"
SUITE: Final = "trixie"
CERTIFICATES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
STEP_SECONDS: Final = 1500
# What a machine sets for pip, and for its own certificates.
KEPT: Final = ("PIP_", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


@attrs.frozen
class Images:
    """A store of images in a folder of its own."""

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

    def buildah(self, *words: str | Path, within: float = STEP_SECONDS) -> str:
        """Run buildah and return what it printed."""
        done = subprocess.run(
            self.command(*words),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=within,
            check=False,
        )
        assert done.returncode == 0, f"buildah {words[0]}: {done.stdout[-4000:]}"
        return done.stdout

    def command(self, *words: str | Path) -> list[str]:
        store = ["--root", str(self.folder / "store"), "--runroot", str(self.folder / "run")]
        return ["buildah", *store, "--storage-driver", "vfs", *map(str, words)]

    def make_base(self) -> None:
        """Make the base image: a small Debian with Python."""
        system = self.folder / "system"
        words = ["--variant=minbase", "--include=python3,python3-venv,ca-certificates", SUITE]
        done = subprocess.run(
            ["debootstrap", *words, str(system)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=STEP_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:]
        (system / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        shutil.copy(CERTIFICATES, system / CERTIFICATES.relative_to("/"))
        container = self.buildah("from", "--quiet", "scratch").strip()
        self.buildah("add", "--quiet", container, system, "/")
        for name, value in os.environ.items():
            if name.startswith(KEPT) and name != "PIP_FIND_LINKS":
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

    def running(self, container: str, command: Sequence[str], *options: str) -> list[str]:
        """Return the command that runs a command in a container, on this machine's network."""
        return self.command("run", "--isolation", "chroot", *options, container, "--", *command)
