"""Server-sent events are parsed the same however their bytes are split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rendertrust.client.errors import BadAnswer
from rendertrust.client.event_follower import LINE_BYTES_MAX, ServerSentEvent, SseParser

STREAM = (
    "retry: 2000\n\n"
    ": ping\n\n"
    "id: 1\nevent: job.queued\ndata: {}\n\n"
    "event: unit.progress\ndata: ä\ndata: b\n\n"
    "id\nevent:x\r\ndata:y\r\n\r\n"
    "data: not finished"
).encode()
WANTED = [
    ServerSentEvent("job.queued", "1", "{}"),
    ServerSentEvent("unit.progress", None, "ä\nb"),
    ServerSentEvent("x", "", "y"),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8).map(sorted))
def test_events_are_the_same_however_they_are_cut(cuts: list[int]) -> None:
    parser, found = SseParser(), list[ServerSentEvent]()
    for begin, end in zip([0, *cuts], [*cuts, len(STREAM)], strict=True):
        found += parser.feed(STREAM[begin:end])
    assert found == WANTED


def test_a_line_without_an_end_is_refused() -> None:
    with pytest.raises(BadAnswer):
        list(SseParser().feed(b"x" * (LINE_BYTES_MAX + 1)))
