"""Reading what a sandboxed program left: plain files of its own, never what they point to."""

import contextlib
import os
import stat
from collections.abc import Generator
from pathlib import Path
from typing import Any


class NotARegularFile(Exception):
    """A plugin's result is missing, or no plain file of its own; never follow it elsewhere."""


@contextlib.contextmanager
def open_plain(file: Path) -> Generator[Any, None, None]:
    """``file`` opened for reading. Raises NotARegularFile where it is a link, a pipe or no file."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as fault:
        raise NotARegularFile(f"{file.name}: {fault.strerror}") from fault
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
        os.close(descriptor)
        raise NotARegularFile(f"{file.name}: not a plain file")
    with os.fdopen(descriptor, "rb") as source:
        yield source
