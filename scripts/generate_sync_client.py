"""Generate the methods of the blocking ``Client`` from those of ``AsyncClient``.

Run this module as ``python -m scripts.generate_sync_client`` after a change of ``AsyncClient``, in
an environment of this repository. Each public method gets a blocking twin; async iterators become
iterators.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path

from rendertrust.client.async_client import AsyncClient

TARGET = Path(__file__).resolve().parent.parent / "rendertrust/client/sync_client.py"
COMMAND = "python -m scripts.generate_sync_client"
MARK = f"    # Methods of ``AsyncClient``, written by ``{COMMAND}``.\n\n"


def generated(source: str) -> str:
    """Return the source of ``Client`` with the lines below MARK replaced."""
    written, mark, _ = source.partition(MARK)
    return written + mark + "".join(_twins(written))


def _twins(written: str) -> Iterator[str]:
    """Yield a line for each public method that ``Client`` does not define itself."""
    for name, method in vars(AsyncClient).items():
        if name.startswith("_") or f"    def {name}(" in written:
            continue
        kind = "blocking" if inspect.iscoroutinefunction(method) else "iterating"
        yield f"    {name} = {kind}(AsyncClient.{name})\n"


if __name__ == "__main__":
    TARGET.write_text(generated(TARGET.read_text()))
