"""The lock of a data folder: a second gateway is refused at once, instead of waiting for the
engines of the first.
"""

import fcntl
import os
from pathlib import Path

from config.data_folder import make_folder
from supervisors.engines.errors import FolderBusy


def claim(data: Path) -> int:
    """Lock the folder until this process ends. Raises FolderBusy, SettingsError.

    The descriptor is not inherited, so processes that a killed gateway has left running do not keep
    the lock; the next gateway waits for these processes at each engine's lock.
    """
    folder = data / "gateway"
    make_folder(data, "The data folder", "--data", 0o711)
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise FolderBusy(
            f"{data} is in use by another gateway (process {holder or 'unknown'}): "
            "stop it, or choose another folder by --data"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
    return descriptor
