"""The console's pages, one file each. Every module of this folder that declares pages is served."""

import pkgutil
from importlib import import_module

from web.console.registry import Pages


def every_page() -> Pages:
    """Return the pages and actions that the modules of this folder declare."""
    names = sorted(found.name for found in pkgutil.iter_modules(__path__))
    return Pages(import_module(f"{__name__}.{name}").pages for name in names)
