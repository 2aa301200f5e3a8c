"""Reads whether the books are halted: from the database and the gateway's checkpoint file."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sql.database import Database
    from sql.halts import Halts, Kept


def kept_head(settings: Any) -> "Kept":
    """Return the checkpoint that the gateway of this data folder keeps, if it is readable."""
    from config.data_folder import data_folder
    from web.log.log_memory import FileMemory, memory_file

    path = memory_file(data_folder(settings))
    return FileMemory(path).head if os.access(path, os.R_OK) else None


def halts_of(settings: Any, database: "Database") -> "Halts":
    """Return the halts that apply to a gateway with these settings."""
    from sql.halts import Halts

    head = kept_head(settings)
    return Halts(database, chain=bool(settings.chain.url), seen=lambda: head)
