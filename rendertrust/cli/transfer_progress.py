"""Progress of an upload or download: a bar on a terminal, otherwise one line at the end."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rendertrust.cli import value_text
from rendertrust.cli.output import Printer


@contextmanager
def shown(output: Printer, what: str) -> Generator[Callable[[int, int], None]]:
    """Yield ``progress(done, total)`` for the client.

    If no progress was reported, nothing is printed at the end.
    """
    if output.json or not sys.stderr.isatty():
        with _counted(output, what) as progress:
            yield progress
        return
    with _bar(what) as progress:
        yield progress


@contextmanager
def _counted(output: Printer, what: str) -> Generator[Callable[[int, int], None]]:
    last = [0]

    def progress(done: int, total: int) -> None:
        last[0] = done

    yield progress
    if last[0]:
        output.note(f"{what}: {value_text.size(last[0])}")


@contextmanager
def _bar(what: str) -> Generator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=sys.stderr)) as bar:
        task = bar.add_task(what, total=None, visible=False)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total or None, visible=True)

        yield progress
