"""The output of the demo, for people and for programs."""

import io
import json

from web.demonstration.narrator import JsonNarrator, Narration, Narrator


def tell(narrator: Narration) -> None:
    narrator.say("job", "one\ntwo")
    for fraction in (0.0, 0.001, 0.5, 1.0):
        narrator.progress("rendering", fraction)
    narrator.say("", "completed")
    narrator.conclude({"picture": "/tmp/ä.png"})


def test_for_programs_every_line_is_an_object() -> None:
    stream = io.StringIO()
    tell(JsonNarrator(stream))
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"event": "job", "text": "one\ntwo"},
        {"event": "rendering", "progress": 0.0},
        {"event": "rendering", "progress": 0.5},
        {"event": "rendering", "progress": 1.0},
        {"event": "note", "text": "completed"},
        {"event": "done", "picture": "/tmp/ä.png"},
    ]


def test_for_people_lines_are_labelled() -> None:
    stream = io.StringIO()
    tell(Narrator(stream))
    assert stream.getvalue().splitlines()[:2] == ["  job       one", "            two"]
    assert "done" not in stream.getvalue()
