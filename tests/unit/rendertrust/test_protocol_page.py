"""``docs/PROTOCOL.md`` lists exactly the relay frames, their members and the close codes."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from rendertrust.protocol import FROM_GATEWAY, FROM_NODE, CloseCode

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "PROTOCOL.md").read_text("utf-8")
SIDES: Mapping[str, Mapping[str, type[Any]]] = {
    "Gateway to node": FROM_GATEWAY,
    "Node to gateway": FROM_NODE,
}
FRAMES = [(side, name) for side, frames in SIDES.items() for name in frames]


def section(side: str) -> str:
    """Return the section under a second-level heading."""
    return PAGE.split(f"\n## {side}\n")[1].split("\n## ")[0]


def told(side: str, name: str) -> str:
    return section(side).split(f"\n### `{name}`\n")[1].split("\n### ")[0]


@pytest.mark.parametrize("side", SIDES)
def test_the_page_names_the_frames_of_each_side(side: str) -> None:
    assert re.findall(r"^### `(\w+)`$", section(side), re.MULTILINE) == list(SIDES[side])


@pytest.mark.parametrize(("side", "name"), FRAMES)
def test_the_page_names_every_field_and_whether_it_must_be_there(side: str, name: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (required|optional) \|", told(side, name), re.MULTILINE)
    fields = attrs.fields(SIDES[side][name])
    wanted = {
        field.metadata.get("wire", field.name): (
            "required" if field.default is attrs.NOTHING else "optional"
        )
        for field in fields
    }
    assert dict(rows) == wanted
    assert len(rows) == len(wanted)
    assert bool(wanted) != ("It has no fields." in told(side, name))


def test_the_page_names_every_close_code() -> None:
    codes = re.findall(r"^\| (\d{4}) \|", section("Close codes"), re.MULTILINE)
    assert [int(code) for code in codes] == sorted(CloseCode)
