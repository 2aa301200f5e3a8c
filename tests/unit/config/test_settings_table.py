"""The runbook's table of settings is that of the settings."""

import importlib.util
from pathlib import Path
from types import ModuleType

import attrs

from config.settings import Settings

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


def test_the_runbook_has_the_table_of_today() -> None:
    module = script()
    document = module.DOCUMENT.read_text()
    assert document == module.with_table(document, module.DEFAULTS.read_text()), (
        "run scripts/settings_table.py"
    )


def test_every_setting_is_in_the_table() -> None:
    module = script()
    rows = module.table(module.DEFAULTS.read_text()).splitlines()[2:]
    names = {row.split(" | ")[0].removeprefix("| ") for row in rows}
    known: set[str] = set()
    for section in attrs.fields(Settings):
        if section.type is not None and attrs.has(section.type):
            known |= {f"{section.name}.{option.name}" for option in attrs.fields(section.type)}
        else:
            known.add(section.name)
    assert names == known
