"""The last step from one major version of PostgreSQL to another: renames, done by whoever comes.

The new cluster is whole when it lies beside the old one as ``pg.upgraded``. From then on the old
one makes room for it, now or at the next start; whenever we are killed, one of the two is there.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Final

from actors.kernel import fail_point
from supervisors.engines.secret import sync_folder, write_private

CURRENT, WHOLE, STAMP = "pg", "pg.upgraded", "upgraded-from.json"
CONTROL: Final = "global/pg_control"  # written anew by whatever changes a cluster
_KEPT = re.compile(r"pg\.\d+(-\d+)?")


def major_of_cluster(cluster: Path) -> int:
    """The version that made it."""
    return int((cluster / "PG_VERSION").read_text().strip())


def state_of(cluster: Path) -> str:
    """Another one after anything was done to the cluster."""
    return hashlib.sha256((cluster / CONTROL).read_bytes()).hexdigest()


def place_beside(folder: Path, fresh: Path, owner: tuple[int, int] | None) -> None:
    """``fresh``, which holds all that the stopped old cluster holds, is whole from here on."""
    old = folder / CURRENT
    stamp = {"kept": free_name(folder, major_of_cluster(old)), "state": state_of(old)}
    write_private(fresh / STAMP, json.dumps(stamp), owner)
    fresh.rename(folder / WHOLE)
    sync_folder(fresh.parent)
    sync_folder(folder)
    fail_point.at("upgrade.whole")


def finish_upgrade(folder: Path) -> Path | None:
    """Give the new cluster its place, if there is one; where the old one is kept.

    With the engine's folder locked. One that was made before something was done to the old one is
    worth nothing: it goes.
    """
    whole, old = folder / WHOLE, folder / CURRENT
    if not whole.exists():
        return None
    stamp = json.loads((whole / STAMP).read_text("utf-8"))
    kept = folder / str(stamp["kept"])
    if old.exists():
        if state_of(old) != stamp["state"]:
            shutil.rmtree(whole)
            return None
        old.rename(kept)
        sync_folder(folder)
        fail_point.at("upgrade.aside")
    whole.rename(old)
    sync_folder(folder)
    fail_point.at("upgrade.placed")
    return kept


def free_name(folder: Path, major: int) -> str:
    """What the old cluster is called from now on: ``pg.15``, ``pg.15-2``, …"""
    names = (f"{CURRENT}.{major}" + (f"-{number}" if number > 1 else "") for number in count(1))
    return next(name for name in names if not (folder / name).exists())


def kept_clusters(data: Path) -> Sequence[Path]:
    """Those of older versions that upgrades have put aside."""
    folder = data / "postgres"
    found = folder.iterdir() if folder.is_dir() else iter(())
    return sorted(path for path in found if _KEPT.fullmatch(path.name))
