"""Debian's PostgreSQL with its default settings; only its address is set."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from supervisors.engines.engine_account import engine_account
from supervisors.engines.postgres import SETTINGS
from supervisors.engines.postgres_tools import DEBIAN, major_of
from supervisors.engines.tethered_process import Command
from tests.integration.backup.older import OlderPostgres

if TYPE_CHECKING:
    from _pytest.mark.structures import ParameterSet

WHY = "Debian's PostgreSQL is not installed: as root, run scripts/system_packages.py --for-tests"


def stock_programs() -> "list[ParameterSet]":
    """Return fixture parameters: the programs of each installed version, or one skipped
    parameter.
    """
    folders = [folder for folder in sorted(DEBIAN.glob("*/bin")) if major_of(folder / "postgres")]
    if not folders:
        return [pytest.param(None, marks=pytest.mark.skip(WHY), id="postgresql")]
    return [pytest.param(folder, id=f"postgresql-{folder.parent.name}") for folder in folders]


class StockPostgres(OlderPostgres):
    """A PostgreSQL server without our settings."""

    def __init__(self, data: Path, programs: Path) -> None:
        super().__init__(data, account=engine_account(), programs=programs)

    async def command(self) -> Command:
        ours = await super().command()
        start, words = ours.arguments[:3], [str(word) for word in ours.arguments[3:]]
        pairs = zip(words[::2], words[1::2], strict=True)  # each is "-c name=value"
        kept = [pair for pair in pairs if pair[1].partition("=")[0] not in SETTINGS]
        arguments = [*start, *(word for pair in kept for word in pair)]
        return Command(arguments, ours.stop, death=ours.death)
