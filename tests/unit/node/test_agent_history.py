"""History of a node agent, which survives restarts and is bounded."""

from pathlib import Path

from rendertrust.node.agent_history import CHARACTERS_MOST, KEPT_MOST, AgentHistory, past


def test_it_outlives_the_agent(tmp_path: Path) -> None:
    times = iter(range(1000, 2000, 10))
    for life in ("one", "two"):
        kept = AgentHistory(tmp_path / "history.sqlite", clock=lambda: next(times))
        kept.tell(f"life {life}")
        kept.count("completed")
        kept.close()
    found = past(tmp_path / "history.sqlite")
    assert [line.said for line in found.lines] == ["life one", "life two"]
    assert found.lines[0].since == "1970-01-01T00:16:40Z"
    assert found.units == {"completed": 2}
    assert (tmp_path / "history.sqlite").stat().st_mode & 0o077 == 0


def test_what_is_said_again_and_again_is_one_line(tmp_path: Path) -> None:
    kept = AgentHistory(tmp_path / "history.sqlite")
    for _ in range(50):
        kept.tell("cannot reach it")
    kept.tell("connected")
    kept.tell("cannot reach it")
    kept.close()
    assert [(line.times, line.said) for line in past(tmp_path / "history.sqlite").lines] == [
        (50, "cannot reach it"),
        (1, "connected"),
        (1, "cannot reach it"),
    ]


def test_it_is_bounded(tmp_path: Path) -> None:
    kept = AgentHistory(tmp_path / "history.sqlite")
    for number in range(KEPT_MOST + 20):
        kept.tell(f"{number} " + "x" * 2 * CHARACTERS_MOST)
    kept.close()
    lines = past(tmp_path / "history.sqlite").lines
    assert len(lines) == KEPT_MOST
    assert lines[0].said.startswith("20 ")
    assert len(lines[0].said) == CHARACTERS_MOST


def test_a_file_that_is_none_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "history.sqlite").write_bytes(b"no database" * 1000)
    assert past(tmp_path / "history.sqlite").lines == ()
    kept = AgentHistory(tmp_path / "history.sqlite")
    kept.tell("anew")
    kept.close()
    assert [line.said for line in past(tmp_path / "history.sqlite").lines] == ["anew"]


def test_where_nothing_can_be_written_nothing_is(tmp_path: Path) -> None:
    kept = AgentHistory(tmp_path / "missing" / "history.sqlite")
    kept.tell("lost")
    kept.count("failed")
    kept.close()
    assert past(tmp_path / "missing" / "history.sqlite").lines == ()
