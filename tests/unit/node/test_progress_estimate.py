"""Progress between two words of Blender."""

from hypothesis import given
from hypothesis import strategies as st

from rendertrust.node.progress_estimate import ProgressEstimate


def test_share_grows_by_the_time_that_blender_thinks_is_left() -> None:
    estimate = ProgressEstimate()
    assert estimate.share(5) == 0
    estimate.hear(0.2, 10, now=100)
    assert estimate.share(100) == 0.2
    assert 0.5 < estimate.share(105) < 0.7
    due = estimate.share(110)
    assert 0.8 < due < 0.9
    assert due < estimate.share(115)
    assert estimate.share(130) < 1
    estimate.hear(1.0, None, now=1000)
    assert estimate.share(1000) == 1


words = st.tuples(st.floats(0, 1), st.none() | st.floats(0, 1e5), st.floats(0, 100))


@given(st.lists(words))
def test_share_never_shrinks_nor_leaves_its_bounds(
    said: list[tuple[float, float | None, float]],
) -> None:
    estimate, now, before = ProgressEstimate(), 0.0, 0.0
    for share, remaining, later in said:
        estimate.hear(share, remaining, now)
        now += later
        told = estimate.share(now)
        assert before <= told <= 1
        before = told
