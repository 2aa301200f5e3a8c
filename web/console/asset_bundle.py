"""Bundles our scripts and styles into few files.

They are bundled when the gateway starts; the source files are not served by themselves. A script is
bundled with the modules that only it imports; all styles become one file.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Final

STYLE: Final = "console.css"  # the file that all styles are appended to
_IMPORT: Final = re.compile(r'^import .* from "\./(\S+)";\n', re.MULTILINE)
_EXPORT: Final = re.compile(r"^export (?=(async )?(function|class|const) )", re.MULTILINE)


def bundles(sources: Mapping[str, str]) -> dict[str, str]:
    """Return the bundles by name; ``sources`` are the files by name."""
    scripts = {name: text for name, text in sources.items() if name.endswith(".js")}
    times = Counter(part for text in scripts.values() for part in _IMPORT.findall(text))
    shared = {part for part, number in times.items() if number > 1}
    sent = [name for name in scripts if name not in times or name in shared]
    return {name: script(name, scripts, shared) for name in sent} | {STYLE: style(sources)}


def script(name: str, sources: Mapping[str, str], shared: Collection[str] = ()) -> str:
    """Return a module preceded by the modules that only it imports.

    They share one scope, so their top-level names must differ.
    """
    parts = list(_parts(name, sources, shared))
    texts = [_EXPORT.sub("", sources[part]) for part in parts[:-1]]

    def kept(found: re.Match[str]) -> str:
        return found[0] if found[1] in shared else ""

    return "".join(_IMPORT.sub(kept, text) for text in [*texts, sources[name]])


def style(sources: Mapping[str, str]) -> str:
    """Return all styles, those of every page first."""
    names = sorted(name for name in sources if name.endswith(".css") and name != STYLE)
    return "".join(sources[name] for name in [STYLE, *names])


def _parts(name: str, sources: Mapping[str, str], shared: Collection[str]) -> Iterator[str]:
    for part in _IMPORT.findall(sources[name]):
        if part not in shared:
            yield from _parts(part, sources, shared)
    yield name
