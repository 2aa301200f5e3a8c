"""Names of jobs, and file names that every system accepts."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.file_types import attachment
from rendertrust.job_name import (
    NAME_MAX,
    STEM_BYTES_MAX,
    default_name,
    file_stem,
    is_job_name,
    job_name,
    name_of_part,
    padded,
    trimmed,
)

RESERVED = {
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{word}{n}" for word in ("com", "lpt") for n in range(10)),
}
HEADER = r'attachment; filename="[A-Za-z0-9._ -]+"(; filename\*=UTF-8\'\'[A-Za-z0-9._~%-]+)?'


@pytest.mark.parametrize(
    "name", ["a", "x" * 100, "  wide shot \n", "Ünï çødé", "❤️", "日本", "../../etc/passwd", "#3"]
)
def test_a_line_of_up_to_a_hundred_characters_is_a_name(name: str) -> None:
    assert is_job_name(name)
    assert 1 <= len(trimmed(name)) <= NAME_MAX


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "x" * 101,
        "a\nb",
        "a\x00b",
        "a\x1bb",
        "a\u2028b",
        "\u00a0",
        "\u200b",
        "\u202ea\u202e",
    ],
)
def test_anything_else_is_none(name: str) -> None:
    assert not is_job_name(name)


@pytest.mark.parametrize(
    ("path", "job_type", "name"),
    [
        ("shots/cathedral.v2.blend", "render", "cathedral.v2"),
        ("s3://elsewhere/input/scene.blend", "render", "scene"),
        ("", "echo", "echo"),
        ("f" * 64 + ".blend", "render", "render"),
        ("a\nb\u202ec.blend", "render", "a b c"),
        ("\u200b.blend", "render", "render"),
        ("x" * 200 + ".blend", "render", "x" * 100),
    ],
)
def test_a_job_without_a_name_gets_that_of_its_scene(path: str, job_type: str, name: str) -> None:
    assert default_name(path, job_type) == name


@given(st.text(max_size=300))
def test_any_text_becomes_a_name_or_none(text: str) -> None:
    found = job_name(text)
    assert found == "" or is_job_name(found)
    assert is_job_name(default_name(text, "render"))


@given(st.text(min_size=1, max_size=100))
def test_the_name_of_a_part_is_a_name(text: str) -> None:
    if is_job_name(text):
        assert is_job_name(name_of_part(trimmed(text), "check"))


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("cathedral", "cathedral"),
        ("Wide shot: #3", "Wide shot_ _3"),
        ("../../etc/passwd", "_.._etc_passwd"),
        (".hidden", "hidden"),
        ("-rf", "rf"),
        ("CON", "_CON"),
        ("nul.tar", "_nul.tar"),
        ("COM¹", "_COM¹"),
        ("a. ", "a"),
        ("..", "job"),
        ("\u202etxt", "_txt"),
    ],
)
def test_a_name_as_a_file_name(name: str, stem: str) -> None:
    assert file_stem(name) == stem


@given(st.text(max_size=150))
def test_a_file_name_is_valid_everywhere(name: str) -> None:
    stem = file_stem(name)
    assert 1 <= len(stem.encode()) <= STEM_BYTES_MAX + 1
    assert not set(stem) & set('<>:"/\\|?*#')
    assert not any(unicodedata.category(each) in ("Cc", "Cf", "Cs", "Co") for each in stem)
    assert stem[0] not in " .-"
    assert stem[-1] not in " ."
    assert stem.partition(".")[0].rstrip().lower() not in RESERVED


@given(st.text(max_size=100))
def test_a_header_with_a_file_name_has_no_surprises(name: str) -> None:
    header = attachment(f"{file_stem(name)}-0012.png")
    assert re.fullmatch(HEADER, header, re.ASCII)


def test_a_plain_name_is_sent_as_it_is() -> None:
    assert attachment("scene-0012.png") == 'attachment; filename="scene-0012.png"'
    assert attachment("Größe.png") == (
        "attachment; filename=\"Groe.png\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.png"
    )


@pytest.mark.parametrize(("frame", "text"), [(1, "0001"), (-3, "-0003"), (12345, "12345")])
def test_frames_have_four_digits(frame: int, text: str) -> None:
    assert padded(frame) == text
