"""A unit's log, sent to the gateway in pieces."""

from hypothesis import given
from hypothesis import strategies as st

from rendertrust.node.input_urls import InputUrls
from rendertrust.node.unit_run import LOG_CHARACTERS_KEPT, LOG_SECONDS, UnitLog, UnitRun
from rendertrust.protocol import (
    LOG_CHARACTERS_MAX,
    JobDispatch,
    JobStatus,
    Log,
    Preview,
    Running,
    encode,
)

REF = Running(job_id="j", unit=0, attempt=1)


class Wire:
    """A clock, and a connection to the gateway that may be down."""

    def __init__(self) -> None:
        self.now, self.is_open = 100.0, True
        self.sent: list[Log] = []
        self.log = UnitLog(REF, self.send, lambda: self.now)

    def send(self, frame: Log) -> bool:
        assert len(encode(frame)) <= 64 * 1024
        if self.is_open:
            self.sent.append(frame)
        return self.is_open

    def send_any(self, frame: JobStatus | Preview | Log) -> bool:
        return self.send(frame) if isinstance(frame, Log) else self.is_open


@given(st.lists(st.text(max_size=3000), max_size=12))
def test_all_of_a_short_log_arrives_in_order(texts: list[str]) -> None:
    wire = Wire()
    for text in texts:
        wire.log.hear(text)
        wire.now += LOG_SECONDS
    wire.log.tell_all()
    whole = "".join(texts).replace("\0", " ").encode("utf-8", "replace")
    assert "".join(piece.text for piece in wire.sent).encode() == whole
    assert [piece.sequence for piece in wire.sent] == list(range(len(wire.sent)))
    for piece in wire.sent:
        assert whole[piece.offset :].startswith(piece.text.encode())


def test_a_program_that_talks_without_end_is_heard_once_a_second() -> None:
    wire = Wire()
    for _ in range(1000):
        wire.log.hear("x" * LOG_CHARACTERS_MAX)
        wire.now += LOG_SECONDS / 100
    assert len(wire.sent) <= 11
    # the offset shows what was left out
    assert wire.sent[-1].offset > len(wire.sent) * LOG_CHARACTERS_MAX


def test_what_was_said_while_nobody_listened_is_told_later() -> None:
    wire = Wire()
    wire.is_open = False
    wire.log.hear("é" * LOG_CHARACTERS_KEPT + "the end")
    wire.is_open = True
    wire.log.tell_all()
    assert sum(len(piece.text) for piece in wire.sent) == LOG_CHARACTERS_KEPT
    assert wire.sent[0].offset == 2 * len("the end")
    assert wire.sent[-1].text.endswith("the end")


def test_a_program_that_also_reports_progress_is_heard_once_a_second() -> None:
    wire = Wire()
    dispatch = JobDispatch(job_id="j", job_type="render", payload_ref="s3://b/k")
    urls = InputUrls(REF, lambda frame: None, 10.0)
    unit = UnitRun(dispatch, urls, wire.send_any, 0.25, lambda: wire.now)
    for step in range(100):
        unit.log.hear("Sample\n")
        unit.report(step / 100, "")
        wire.now += LOG_SECONDS / 10
    assert len(wire.sent) <= 11
