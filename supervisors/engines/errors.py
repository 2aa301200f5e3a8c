"""Errors that prevent an engine from starting; each text says in one line what to do."""

from actors.kernel import Mishap


class EngineError(Mishap):
    """An engine did not start, or ended by itself."""


class FolderBusy(EngineError):
    """Another gateway uses this data folder."""


class FolderClosed(EngineError):
    """The engines' account cannot enter a folder above the data folder."""


class ProgramMissing(EngineError):
    """The package with an engine's program is not installed."""


class OtherMajor(EngineError):
    """The database on disk was created by another major version of PostgreSQL."""
