"""Where a gateway keeps its engines' data and its generated secrets."""

import os
from pathlib import Path

from platformdirs import user_data_path

from config.settings import Settings

FOR_ROOT = Path("/var/lib/rendertrust")


def data_folder(settings: Settings) -> Path:
    """The absolute data folder; not made yet.

    As root it is not under a home: the engines run as an unprivileged user who could not enter.
    """
    if settings.data:
        return Path(settings.data).expanduser().absolute()
    if os.geteuid() == 0:
        return FOR_ROOT
    return user_data_path("rendertrust", appauthor=False)
