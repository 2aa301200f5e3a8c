"""The list of renderers of this checkout, which ``scripts/renderer_list.py`` makes."""

from functools import lru_cache
from pathlib import Path
from typing import Final

from rendertrust import renderer_list
from rendertrust.renderer_list import NAME, RendererList

FILE: Final = Path(__file__).with_name(NAME)


def listed_renderers(path: Path = FILE) -> RendererList:
    """Return the list, which is read again once the file has changed.

    Raises OSError if there is no list, and ValueError if it is malformed.
    """
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int) -> RendererList:
    return renderer_list.decode(path.read_bytes())
