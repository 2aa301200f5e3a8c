"""Names of scenes in lists of jobs."""

import pytest

from sql.jobs import file_name

HASH = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        (None, None),
        (HASH, None),
        (f"{HASH}.blend", None),
        (f"{HASH}-final.blend", f"{HASH}-final.blend"),
        ("a.blend", "a.blend"),
    ],
)
def test_only_a_bare_hash_is_no_name(file: str | None, shown: str | None) -> None:
    assert file_name(file) == shown
