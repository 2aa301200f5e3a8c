"""Safe opening of files that the sandbox wrote: only regular files, never links."""

import contextlib
import os
import stat
from collections.abc import Generator
from pathlib import Path
from typing import Any


class NotARegularFile(Exception):
    """The file is missing, or not a regular file with a single link."""


@contextlib.contextmanager
def open_plain(file: Path) -> Generator[Any, None, None]:
    """Open ``file`` for reading.

    Raises NotARegularFile if ``file`` is a link, a pipe or missing.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as fault:
        raise NotARegularFile(f"{file.name}: {fault.strerror}") from fault
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
        os.close(descriptor)
        raise NotARegularFile(f"{file.name}: not a regular file")
    with os.fdopen(descriptor, "rb") as source:
        yield source
