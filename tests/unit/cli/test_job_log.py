"""Each line of a job's log is printed once, though each answer has the last lines again."""

from hypothesis import given
from hypothesis import strategies as st

from rendertrust.cli.job_log import added

LINES = st.lists(st.integers(0, 10**9).map(str), unique=True, max_size=60)


@given(LINES, st.integers(0, 60), st.integers(0, 60), st.integers(1, 30))
def test_what_came_since_is_neither_lost_nor_said_twice(
    lines: list[str], first: int, second: int, most: int
) -> None:
    before = lines[:first][-most:]
    until = min(max(first, second), first + most)
    now = lines[:until][-most:]
    assert list(added(before, now)) == lines[first:until]
