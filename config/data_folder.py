"""The data folder, with the engines' data and generated secrets."""

import errno
import os
from pathlib import Path

from platformdirs import user_data_path

from config.declaration import PREFIX
from config.loader import SettingsError, is_file
from config.settings import Settings

FOR_ROOT = Path("/var/lib/rendertrust")
FILE = "gateway.toml"  # name of the settings file in the data folder


def data_folder(settings: Settings) -> Path:
    """Return the absolute data folder, without creating it.

    For root the default folder is not below a home, as the engines' unprivileged user could not
    enter a home.
    """
    return _folder(settings.data)


def settings_file(config: Path | None, data: Path | None) -> Path | None:
    """Return the settings file: that of ``--config``, else the one in the data folder, if any."""
    if config is not None:
        return config
    kept = _folder(str(data or os.environ.get(f"{PREFIX}DATA", ""))) / FILE
    return kept if is_file(kept) else None


def _folder(named: str) -> Path:
    """Return the absolute folder of this name; of an empty name, the default folder."""
    if named:
        return Path(named).expanduser().absolute()
    if os.geteuid() == 0:
        return FOR_ROOT
    return user_data_path("rendertrust", appauthor=False)


def make_folder(folder: Path, what: str, option: str, mode: int = 0o755) -> None:
    """Create the folder, and check that it is writable.

    Raises SettingsError, which names the option that chooses another folder.
    """
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        reason = f"{what} {folder} cannot be used: {error.strerror}"
        raise SettingsError(f"{reason}; choose another by {option}") from error
