"""The generated pages of the documentation: they say everything that the code declares."""

import re
import typing

import pytest

from config.settings import SETTINGS
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.cli import catalogue
from rendertrust.unit_error_code import ErrorCode
from scripts.documentation import included, reference, unit_errors
from web.routes import OPERATIONS


def test_each_code_has_one_place_on_the_page_of_errors() -> None:
    anchors = re.findall(r"^### .* \{ #(\S+) \}$", reference.errors(), re.MULTILINE)
    assert len(anchors) == len(set(anchors))
    assert {str(code) for code in RefusalCode} <= set(anchors)
    assert set(unit_errors.EXPLAINED) == set(typing.get_args(ErrorCode))


def test_each_command_and_its_options_are_on_the_page_of_commands() -> None:
    page = reference.commands()
    for name in catalogue.COMMANDS:
        assert f"### rendertrust {name}\n" in page
    assert "#### rendertrust jobs video\n" in page
    assert "--fps RATE" in page


def test_each_setting_and_operation_is_on_its_page() -> None:
    settings, operations = reference.settings(), reference.operations()
    for one in SETTINGS:
        assert f"| {one.name} |" in settings
    for operation in OPERATIONS:
        if not operation.hidden:
            assert f"### {operation.method} `{operation.path}`\n" in operations


TEXT = """# Page

## First

    command   # its comment

Text with a [link](#second) and [another](OTHER.md#there).

### Below

More.

## Second

End.
"""


def test_a_section_keeps_its_code_and_all_that_is_below_it() -> None:
    section = included.section(TEXT, "first")
    assert section.startswith("    command   # its comment\n")
    assert section.endswith("### Below\n\nMore.")
    assert included.section(TEXT, "second") == "End."
    with pytest.raises(LookupError, match="no heading #third"):
        included.section(TEXT, "third")


@pytest.mark.parametrize(
    ("place", "up"), [("how-to/x.md", "../"), ("x.md", "")], ids=["in a folder", "beside it"]
)
def test_links_of_a_section_lead_where_they_led(
    place: str, up: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    docs = tmp_path_factory.mktemp("docs")
    (docs / "SOURCE.md").write_text(TEXT)
    link = f"[there]({up}SOURCE.md#first)"
    page = included.filled(f"It is {link}. <!-- section -->\n\nAnd {link}.\n", place, docs)
    assert "It is" not in page
    assert page.endswith(f"\n\nAnd {link}.\n")
    assert f"[link]({up}SOURCE.md#second)" in page
    assert f"[another]({up}OTHER.md#there)" in page
