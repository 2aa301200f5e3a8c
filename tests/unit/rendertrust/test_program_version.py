"""Tests of versions, and of the lines that install the program."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from rendertrust.program_version import install_line, is_older, join_line

NUMBERS = st.lists(st.integers(0, 12), min_size=1, max_size=4)
CANDIDATES = st.sampled_from(["", "rc0", "rc1", "rc2", "rc10"])


def version_of(numbers: list[int], candidate: str) -> str:
    return ".".join(map(str, numbers)) + candidate


VERSIONS = st.builds(version_of, NUMBERS, CANDIDATES)


@pytest.mark.parametrize(
    ("version", "than", "older"),
    [
        ("0.1.0", "0.2.0", True),
        ("0.9", "0.10", True),
        ("1.0", "1.0", False),
        ("1.0", "1.0rc1", False),
        ("1.0rc1", "1.0", True),
        ("1.0", "1.0.0", False),
        ("2", "1.9.9", False),
        ("odd", "1.0", False),
        ("1.0", "odd", False),
    ],
    ids=[
        *("minor", "numbers", "same", "final", "candidate", "zeros"),
        *("newer", "no-version", "than-none"),
    ],
)
def test_an_older_version_is_found(version: str, than: str, *, older: bool) -> None:
    assert is_older(version, than) is older


@given(version=VERSIONS, than=VERSIONS)
def test_versions_are_ordered_as_pip_orders_them(version: str, than: str) -> None:
    assert is_older(version, than) is (Version(version) < Version(than))


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
