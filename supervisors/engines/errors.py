"""Errors of engines and their programs; each text says in one line what is wrong, or to do."""

from actors.kernel import Mishap


class EngineError(Mishap):
    """An engine did not start or ended by itself, or one of its tools failed."""


class FolderBusy(EngineError):
    """Another gateway uses this data folder."""


class FolderClosed(EngineError):
    """The engines' account cannot enter a folder above the data folder."""


class ProgramMissing(EngineError):
    """A program of an engine, or the package with it, is not installed."""


class OtherMajor(EngineError):
    """The database on disk was created by another major version of PostgreSQL."""
