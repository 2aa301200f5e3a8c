"""Files of the artist's own OpenColorIO configuration, which the variable OCIO names.

A configuration may refer to files with tables. It names them, and the folders in which they are
looked for relative to its own.
"""

import os
import re
from collections.abc import Iterator
from typing import Any

KIND = "color configuration"
OWNER = "OpenColorIO configuration"
BYTES_MAX = 4 << 20  # of a configuration that is read
FILES_MAX = 5_000
FAULT = re.compile(r"OpenColorIO Error: ([^\n]*)")
SEARCH_PATH = re.compile(r"^search_path:[ \t]*([^\n]*)\n((?:[ \t]*-[ \t]*[^\n]+\n)*)", re.MULTILINE)
SOURCE = re.compile(r"\bsrc:[ \t]*(\"[^\"\n]+\"|'[^'\n]+'|[^,}\n]+)")
LISTED = re.compile(r"-[ \t]*([^\n]+)")


def files() -> Iterator[dict[str, Any]]:
    """Yield the configuration and its files, in the form of ``files.files_of``."""
    path = os.environ.get("OCIO")
    if not path:
        return
    path = os.path.abspath(path) if "://" not in path else path
    places = [path, *dict.fromkeys(_named(path))][:FILES_MAX]
    within = os.path.commonpath([os.path.dirname(place) for place in places])
    for place in places:
        yield {
            "kind": KIND,
            "owner": OWNER,
            "library": None,
            "path": place,
            "file": place,
            "bytes": os.path.getsize(place) if os.path.isfile(place) else None,
            "stands": place,
            "within": within,
        }


def _named(path: str) -> Iterator[str]:
    """Yield the files to which a configuration refers; those of an archive are inside."""
    if not os.path.isfile(path) or path.endswith(".ocioz"):
        return
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read(BYTES_MAX)
    home = os.path.dirname(path)
    folders = [os.path.join(home, folder) for folder in _search_path(text)] or [home]
    for found in SOURCE.finditer(text):
        name = os.path.expandvars(found[1].strip().strip("\"'"))
        places = [os.path.normpath(os.path.join(folder, name)) for folder in folders]
        yield next(filter(os.path.isfile, places), places[0])


def _search_path(text: str) -> list[str]:
    found = SEARCH_PATH.search(text)
    if found is None:
        return []
    inline = found[1].strip().strip("[]")
    names = re.split(r"[:,]", inline) if inline else LISTED.findall(found[2])
    return [name.strip().strip("\"'") for name in names if name.strip()]
