"""The generated pages of the documentation: they say everything that the code declares."""

import itertools
import re
import typing

import pytest

from config.settings import SETTINGS
from rendertrust.api.refusal_advice import ADVICE
from rendertrust.api.refusal_code import RefusalCode
from rendertrust.cli import catalogue
from rendertrust.unit_error_code import ErrorCode
from scripts.documentation import included, reference
from web.documentation import error_page
from web.documentation.plain_help import anchor
from web.routes import OPERATIONS


def test_each_code_has_one_place_on_the_page_of_errors() -> None:
    headings = re.findall("^### (.*)$", error_page.text(), re.MULTILINE)
    units = [f"unit-{code}" for code in typing.get_args(ErrorCode)]
    assert sorted(map(anchor, headings)) == sorted([*map(str, RefusalCode), *units])


def test_each_code_of_a_refusal_has_advice_that_names_what_exists() -> None:
    assert list(ADVICE) == list(RefusalCode)
    named = [one for said in ADVICE.values() for one in re.findall("`([^`]+)`", said)]
    paths = {f"{one.method} {one.path}" for one in OPERATIONS}
    settings, commands = {one.name for one in SETTINGS}, reference.commands()
    for one in named:
        if one.startswith("rendertrust "):
            assert f"# rendertrust {command_of(one)}\n" in commands, one
        if re.match("(GET|POST|PUT|PATCH|DELETE) ", one):
            assert one in paths
        if re.fullmatch(r"[a-z]+\.[a-z_]+", one):
            assert one in settings


def command_of(line: str) -> str:
    """Return the name of the command in the line: its first words, without arguments."""
    return " ".join(itertools.takewhile(re.compile("[a-z-]+$").match, line.split()[1:]))


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
