"""See to the few system packages that rendering needs: ``system_packages.py [--for-tests]``.

As root with apt they are installed; else the exact command is said, and nothing is changed.
"""

import ctypes
import os
import platform
import shutil
import subprocess
import sys

from rendertrust.node.libraries import LIBRARIES

PROGRAMS = {"bwrap": "bubblewrap"}
TEST_PROGRAMS = {"ip": "iproute2", "chromium": "chromium"}


def loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing(*, for_tests: bool) -> list[str]:
    programs = PROGRAMS | (TEST_PROGRAMS if for_tests else {})
    lacking = [package for name, package in programs.items() if shutil.which(name) is None]
    return lacking + [package for name, package in LIBRARIES.items() if not loads(name)]


def install(packages: list[str]) -> bool:
    print(f"Installing system packages: {' '.join(packages)}", file=sys.stderr, flush=True)
    return apt("update") & apt("install", "-y", "--no-install-recommends", *packages)


def apt(*words: str) -> bool:
    """Run apt-get without questions; its errors are shown, its chatter is not."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-qq", *words]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, env=environment, check=False)
    return done.returncode == 0


def main() -> int:
    lacking = missing(for_tests="--for-tests" in sys.argv)
    if not lacking or platform.system() != "Linux":
        return 0
    command = f"apt-get update && apt-get install -y {' '.join(lacking)}"
    if os.geteuid() == 0 and shutil.which("apt-get") and install(lacking):
        return 0
    print(f"Rendering lacks system packages. As root:\n  {command}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
