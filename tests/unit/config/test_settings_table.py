"""The table of settings in ``docs/OPERATIONS.md`` is up to date."""

import importlib.util
from pathlib import Path
from types import ModuleType

from config.settings import SETTINGS

ROOT = Path(__file__).resolve().parents[3]


def script() -> ModuleType:
    specification = importlib.util.spec_from_file_location(
        "settings_table", ROOT / "scripts/settings_table.py"
    )
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_the_runbook_has_the_current_table() -> None:
    module = script()
    document = module.DOCUMENT.read_text()
    assert document == module.with_table(document), "run scripts/settings_table.py"


def test_a_row_has_the_defaults_of_each_environment_and_the_bounds() -> None:
    rows = script().table(one for one in SETTINGS if one.name in {"server.port", "jwt.issuer"})
    assert rows.splitlines()[2:] == [
        "| server.port | `0`, production: `8_000` | 0 to 65,535 | 0: 8000, or the next free port |",
        '| jwt.issuer | `"rendertrust"` |  | issuer (iss) of all tokens |',
    ]
