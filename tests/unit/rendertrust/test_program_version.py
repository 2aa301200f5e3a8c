"""Tests of versions, and of the lines that install the program."""

import shlex

import pytest

from rendertrust.program_version import install_line, is_older, join_line


@pytest.mark.parametrize(
    ("version", "than", "older"),
    [
        ("0.1.0", "0.2.0", True),
        ("0.9", "0.10", True),
        ("1.0", "1.0", False),
        ("1.0", "1.0rc1", False),
        ("2", "1.9.9", False),
        ("odd", "1.0", False),
        ("1.0", "odd", False),
    ],
    ids=["minor", "numbers", "same", "suffix", "newer", "no-version", "than-none"],
)
def test_an_older_version_is_found(version: str, than: str, *, older: bool) -> None:
    assert is_older(version, than) is older


def test_the_lines_are_single_words_of_a_shell() -> None:
    line = install_line("http://f", "w.whl", "ab", extra="[render]", pip="py -m pip")
    expected = [
        "py",
        "-m",
        "pip",
        "install",
        "rendertrust[render] @ http://f/download/w.whl#sha256=ab",
    ]
    assert shlex.split(line) == expected
    assert join_line("http://f", "CODE") == "curl -fsSL http://f/join.sh | sh -s -- CODE"
