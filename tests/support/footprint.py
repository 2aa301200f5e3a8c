"""Program that runs a demo and reports which files outside its data folder it changed.

The report also lists the demo's processes that are still alive. Arguments: a folder that gets the
demo's output, a scene or '', options of the demo. As root, in a mount namespace, empty folders
replace the shared folders, so that files of other programs are not reported.
"""

import asyncio
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.gateway_process import ROOT, alive_in, none_alive_in

SHARED = (Path("/tmp"), Path("/var/tmp"), Path("/var/lib"), Path("/run"), Path("/dev/shm"))
# Folders beside the sources into which Python, git and other tests write; those make environments.
NOT_OURS = ("__pycache__", ".git", ".hypothesis", ".pytest_cache", ".venv")
Listing = dict[str, tuple[int, int, int]]


def covered(kept: tuple[Path, ...]) -> list[Path]:
    """Return the shared folders that can be hidden because none of ``kept`` lies in them."""
    return [
        folder
        for folder in SHARED
        if folder.is_dir() and not any(path.is_relative_to(folder) for path in kept)
    ]


def cover(folders: list[Path]) -> None:
    """Mount an empty folder over each of ``folders``."""
    for folder in folders:
        mode = f"mode={stat.S_IMODE(folder.stat().st_mode):o}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", mode, "tmpfs", str(folder)], check=True)


def files(folder: Path, data: Path) -> Iterator[Path]:
    """Yield all paths below a folder except the data folder and ``NOT_OURS``."""
    for path, folders, names in os.walk(folder):
        here = Path(path)
        folders[:] = [f for f in folders if f not in NOT_OURS and here / f != data]
        yield from (here / name for name in (*folders, *names))


def listing(folders: list[Path], data: Path) -> Listing:
    """Return mode, size and modification time of each file, and the mode of each folder."""
    found: Listing = {}
    for folder in folders:
        for path in files(folder, data):
            try:
                facts = path.lstat()
            except FileNotFoundError:
                continue
            is_folder = stat.S_ISDIR(facts.st_mode)
            size, changed = (0, 0) if is_folder else (facts.st_size, facts.st_mtime_ns)
            found[str(path)] = (facts.st_mode, size, changed)
    return found


def difference(before: Listing, after: Listing) -> dict[str, list[str]]:
    return {
        "came": sorted(after.keys() - before.keys()),
        "went": sorted(before.keys() - after.keys()),
        "changed": sorted(p for p in before.keys() & after.keys() if before[p] != after[p]),
    }


def main() -> int:
    taken, blend, *words = sys.argv[1:]
    scene = Path(blend).read_bytes() if blend else None
    # opened before ``cover`` can hide its path
    out = os.open(taken, os.O_RDONLY | os.O_DIRECTORY)
    folders = [ROOT, Path("/etc")]
    if os.geteuid() == 0:
        shared = covered((ROOT, Path(sys.prefix), Path(sys.base_prefix)))
        cover(shared)
        folders += shared
    base = Path(tempfile.mkdtemp())
    base.chmod(0o711)
    home, data = base / "home", base / "data"
    home.mkdir(0o700)
    folders.append(home)
    if scene is not None:
        (base / "scene.blend").write_bytes(scene)
        words += ["--blend", str(base / "scene.blend")]
    before = listing(folders, data)
    demo = [sys.executable, "-m", "rendertrust", "demo", "--exit", "--data", str(data), *words]
    ended = subprocess.run(demo, cwd=ROOT, env=os.environ | {"HOME": str(home)}, check=False)
    found = difference(before, listing(folders, data))
    found["alive"] = asyncio.run(processes_left(data))
    shutil.copytree(data / "out", f"/proc/self/fd/{out}", dirs_exist_ok=True)
    sys.stdout.write(json.dumps(found) + "\n")
    shutil.rmtree(base)
    return ended.returncode


async def processes_left(data: Path) -> list[str]:
    """Return the ids of the demo's processes that do not end in time."""
    try:
        await none_alive_in(data)
    except AssertionError:
        return [str(pid) for pid in alive_in(data)]
    return []


if __name__ == "__main__":
    sys.exit(main())
