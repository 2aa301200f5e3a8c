"""Install the few system packages that rendering needs: ``system_packages.py [--for-tests]``.

``--for-the-night`` also installs, for root, what builds images of containers.

Root installs the packages with apt; other users get the exact command, and nothing is changed.
Proxies for tests are not installed, as installing would start them: their packages are unpacked
beside this environment, which does not need root. Only root installs Debian's PostgreSQL, for
tests.
"""

import ctypes
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rendertrust.node.blender import LIBRARIES
from rendertrust.preflight.findings import OPENGL_PACKAGES

PROGRAMS = {"bwrap": "bubblewrap"}
TEST_PROGRAMS = {"ip": "iproute2", "chromium-headless-shell": "chromium-headless-shell"}
NIGHT_PROGRAMS = ("buildah", "debootstrap")
NIGHT_PACKAGES = [*NIGHT_PROGRAMS, "netavark"]  # without its network stack buildah does not start
UNPACKED = {"nginx": "nginx", "caddy": "caddy"}
UNPACKED_IN = Path(sys.prefix) / "programs"
POSTGRES_IN = Path("/usr/lib/postgresql")  # Debian does not put its servers on the PATH
CLUSTERS = Path("/etc/postgresql-common/createcluster.conf")
EGL_DRIVERS = Path("/usr/share/glvnd/egl_vendor.d")
SEARCHED = [UNPACKED_IN / "usr/sbin", UNPACKED_IN / "usr/bin", "/usr/sbin", "/usr/local/sbin"]


def loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing(*, for_tests: bool) -> list[str]:
    programs = PROGRAMS | (TEST_PROGRAMS if for_tests else {})
    lacking = [package for name, package in programs.items() if shutil.which(name) is None]
    if not (loads("libEGL.so.1") and any(EGL_DRIVERS.glob("*.json"))):
        lacking += OPENGL_PACKAGES
    return lacking + [package for name, package in LIBRARIES.items() if not loads(name)]


def install(packages: list[str]) -> bool:
    print(f"Installing system packages: {' '.join(packages)}", file=sys.stderr, flush=True)
    return apt("update") & apt("install", "-y", "--no-install-recommends", *packages)


def apt(*words: str, within: str | None = None) -> bool:
    """Run apt-get without questions and show only its errors; return True if it succeeded."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-qq", *words]
    done = subprocess.run(
        command, stdout=subprocess.DEVNULL, env=environment, cwd=within, check=False
    )
    return done.returncode == 0


def not_at_hand() -> list[str]:
    """Return the proxies' packages that are neither installed nor unpacked."""
    path = os.pathsep.join([*map(str, SEARCHED), os.environ.get("PATH", os.defpath)])
    return [package for name, package in UNPACKED.items() if shutil.which(name, path=path) is None]


def unpack(packages: list[str]) -> bool:
    """Download and unpack the packages without installing them; return True if that succeeded."""
    print(f"Unpacking for tests: {' '.join(packages)}", file=sys.stderr, flush=True)
    if os.geteuid() == 0:
        apt("update")
    with tempfile.TemporaryDirectory() as folder:
        if not apt("-o", "APT::Sandbox::User=root", "download", *packages, within=folder):
            return False
        for archive in Path(folder).glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", archive, UNPACKED_IN], check=True)
    return not not_at_hand()


def see_to_proxies() -> int:
    lacking = not_at_hand()
    if not lacking or (shutil.which("apt-get") and unpack(lacking)):
        return 0
    command = f"apt-get update && apt-get install -y {' '.join(lacking)}"
    print(f"Programs for the tests of proxies are missing. As root:\n  {command}", file=sys.stderr)
    return 1


def see_to_postgres() -> None:
    """Install Debian's PostgreSQL if possible; otherwise the tests that need it are skipped.

    No cluster is created, so nothing starts.
    """
    there = any(POSTGRES_IN.glob("*/bin/postgres"))
    if there or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    if install(["postgresql-common"]):
        with CLUSTERS.open("a") as settings:
            settings.write("create_main_cluster = false\n")
        install(["postgresql"])


def see_to_builders() -> None:
    """Install what builds images, if possible; otherwise the tests that need it are skipped."""
    there = all(map(shutil.which, NIGHT_PROGRAMS))
    if not there and os.geteuid() == 0 and shutil.which("apt-get"):
        install(NIGHT_PACKAGES)


def main() -> int:
    if "--for-the-night" in sys.argv and platform.system() == "Linux":
        see_to_builders()
    for_tests = "--for-tests" in sys.argv
    if for_tests and platform.system() == "Linux":
        see_to_postgres()
    if for_tests and platform.system() == "Linux" and see_to_proxies():
        return 1
    lacking = missing(for_tests=for_tests)
    if not lacking or platform.system() != "Linux":
        return 0
    command = f"apt-get update && apt-get install -y {' '.join(lacking)}"
    if os.geteuid() == 0 and shutil.which("apt-get") and install(lacking):
        return 0
    print(f"System packages are missing. As root:\n  {command}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
