"""Findings about files that cannot be sent, before anything is sent."""

from collections.abc import Iterator
from typing import Final

from rendertrust.manifest import (
    FILE_BYTES_MAX,
    FILES_MAX,
    TOTAL_BYTES_MAX,
    alike,
    path_fault,
    twins_fault,
)
from rendertrust.preflight.findings import Finding
from rendertrust.preflight.layout import Layout, LinkedFile

BESIDE: Final = 2  # the scene and the list of moved files, which are also inputs
RENAME: Final = (
    "rename the file on the disk, then File > External Data > Find Missing Files; or pack the "
    "file: File > External Data > Pack Resources"
)
RENAME_SCENE: Final = "File > Save As: another name, or another folder"
FEWER: Final = (
    "File > External Data > Pack Resources; ask for fewer frames at a time, which need fewer "
    "files of sequences and caches; or remove unused libraries: File > Clean Up > Purge"
)


def unsendable(layout: Layout) -> tuple[Finding, ...]:
    """Return errors for names that a manifest refuses, and for too many files or bytes."""
    return (*_scene(layout), *_names(layout), *_twins(layout), *_amount(layout))


def _scene(layout: Layout) -> Iterator[Finding]:
    if (fault := path_fault(layout.scene)) is not None:
        message = f"the scene's own name cannot be sent: {fault}"
        yield _error("file_name", message, RENAME_SCENE, path=layout.scene)


def _names(layout: Layout) -> Iterator[Finding]:
    for file in layout.files:
        if (fault := path_fault(file.path)) is not None:
            message = f"a linked file's name cannot be sent: {fault}"
            yield _error("file_name", message, RENAME, _owner(file), str(file.source))
        elif file.size > FILE_BYTES_MAX:
            message = f"a linked file is over {FILE_BYTES_MAX >> 30} GiB"
            yield _error("too_much_to_send", message, FEWER, _owner(file), str(file.source))


def _twins(layout: Layout) -> Iterator[Finding]:
    by_path = {file.path: file for file in layout.files}
    if (twins := alike(by_path)) is not None:
        message = f"{twins[0]} {twins_fault(*twins)}"
        file = by_path[twins[1]]
        yield _error("file_name", message, RENAME, _owner(file), str(file.source))


def _amount(layout: Layout) -> Iterator[Finding]:
    count = sum(file.size > 0 for file in layout.files)
    if count + BESIDE > FILES_MAX:
        message = (
            f"the scene links {count} files; a job can have {FILES_MAX - BESIDE} beside the scene"
        )
        yield _error("too_many_files", message, FEWER)
    if layout.size > TOTAL_BYTES_MAX:
        message = f"the linked files have over {TOTAL_BYTES_MAX >> 30} GiB"
        yield _error("too_much_to_send", message, FEWER)


def _owner(file: LinkedFile) -> str | None:
    return file.owners[0] if file.owners else None


def _error(
    code: str, message: str, setting: str, owner: str | None = None, path: str | None = None
) -> Finding:
    return Finding(
        code=code, level="error", message=message, setting=setting, object=owner, path=path
    )
