"""The spool: results that wait for the gateway."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import attrs
import pytest

from rendertrust.node.safe_open import NotARegularFile
from rendertrust.node.spool import EVIDENCE, RESULT, SHEET, Spool, StoredFile
from rendertrust.protocol import Evidence, JobResult, Output, Running

REF = Running(job_id="j", unit=0, attempt=1)
OUTPUT = Output(url="http://x/", headers={"If-None-Match": "*"}, key="k")


def result(attempt: int = 1, status: str = "completed") -> JobResult:
    return JobResult(job_id="j", unit=0, attempt=attempt, status=status, result_ref="k")


def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def taken_by(kept: Spool, tmp_path: Path, content: bytes = b"picture") -> Path:
    (tmp_path / "out.png").write_bytes(content)
    taken = kept.take(tmp_path / "out.png", REF)
    kept.put(result(), {RESULT: (taken, OUTPUT)})
    return taken.path


def test_result_waits_for_its_upload_then_for_its_ack(tmp_path: Path) -> None:
    kept = spool(tmp_path)
    file = taken_by(kept, tmp_path)
    assert [s.output for s in kept.uploads()] == [OUTPUT]
    assert kept.ready() == []
    kept.uploaded(REF, RESULT, StoredFile("k2"))
    assert not file.exists()
    assert kept.ready() == [attrs.evolve(result(), result_ref="k2")]
    assert kept.held() == [REF]
    assert kept.settle(REF)
    assert kept.held() == []
    assert not kept.settle(REF)
    kept.close()


def test_result_survives_a_restart(tmp_path: Path) -> None:
    kept = spool(tmp_path)
    file = taken_by(kept, tmp_path)
    kept.close()
    again = spool(tmp_path)
    (waiting,) = again.uploads()
    assert (waiting.ref, waiting.what, waiting.file) == (REF, RESULT, file)
    assert file.read_bytes() == b"picture"
    again.close()


def test_a_spool_with_further_columns_keeps_results(tmp_path: Path) -> None:
    """An agent of another version may leave a spool with more columns."""
    spool(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "spool" / "results.sqlite")) as rows:
        rows.execute("alter table results add column note text")
    with closing(spool(tmp_path)) as kept:
        taken_by(kept, tmp_path)
        assert [s.output for s in kept.uploads()] == [OUTPUT]


def test_a_result_that_cannot_be_kept_is_a_failure_that_says_why(tmp_path: Path) -> None:
    with closing(spool(tmp_path)) as kept:
        with closing(sqlite3.connect(tmp_path / "spool" / "results.sqlite")) as rows:
            broken = "create trigger t before insert on results begin select broken(); end"
            rows.execute(broken)
        taken_by(kept, tmp_path)
        [told] = kept.ready()
    assert (told.status, told.failure) == ("failed", "node")
    assert told.error == "this machine cannot keep the result: no such function: broken"


def test_file_without_a_row_is_removed_at_the_next_start(tmp_path: Path) -> None:
    kept = spool(tmp_path)
    (tmp_path / "out.png").write_bytes(b"x")
    stray = kept.take(tmp_path / "out.png", REF).path
    kept.close()
    spool(tmp_path).close()
    assert not stray.exists()


def test_fresh_url_replaces_the_old_one(tmp_path: Path) -> None:
    kept = spool(tmp_path)
    taken_by(kept, tmp_path)
    fresh = Output(url="http://y/", headers={}, key="k2")
    assert kept.redirect(REF, RESULT, fresh)
    assert kept.uploads()[0].output == fresh
    assert not kept.redirect(Running(job_id="other"), RESULT, fresh)
    kept.close()


def test_ack_of_another_attempt_settles_nothing(tmp_path: Path) -> None:
    kept = spool(tmp_path)
    kept.put(result(attempt=2))
    assert not kept.settle(REF)
    assert kept.settle(Running(job_id="j"))
    kept.close()


def test_result_that_nobody_acks_is_forgotten_at_last(tmp_path: Path) -> None:
    now = [1000.0]
    kept = Spool(tmp_path / "spool", clock=lambda: now[0])
    kept.put(result())
    kept.prune(60)
    assert kept.ready()
    now[0] += 61
    kept.prune(60)
    assert not kept.ready()
    kept.close()


def test_link_left_by_a_sandboxed_program_is_not_followed(tmp_path: Path) -> None:
    kept = spool(tmp_path)
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")
    os.link(tmp_path / "secret", tmp_path / "hard")
    for name in ("link", "pipe", "hard", "missing", "spool"):
        with pytest.raises(NotARegularFile):
            kept.take(tmp_path / name, REF)
    kept.close()


def test_a_result_is_told_when_its_evidence_is_there_too(tmp_path: Path) -> None:
    kept = spool(tmp_path)
    made = {}
    for what in (RESULT, EVIDENCE):
        (tmp_path / what).write_bytes(what.encode())
        made[what] = (kept.take(tmp_path / what, REF, what), attrs.evolve(OUTPUT, key=what))
    proof = made[EVIDENCE][0]
    told = attrs.evolve(result(), evidence=Evidence(sha256=proof.sha256, size=proof.size))
    kept.put(told, made)
    kept.close()
    again = spool(tmp_path)
    assert [one.what for one in again.uploads()] == [RESULT, EVIDENCE]
    again.uploaded(REF, RESULT, StoredFile(RESULT))
    assert (again.ready(), [one.what for one in again.uploads()]) == ([], [EVIDENCE])
    assert again.is_ready(REF) is None
    again.uploaded(REF, EVIDENCE, StoredFile(EVIDENCE, ("ab" * 32,)))
    (ready,) = again.ready()
    assert ready.evidence is not None
    assert (ready.result_ref, ready.evidence.part_sums) == (RESULT, ("ab" * 32,))
    assert list((tmp_path / "spool").glob("*.result")) == []
    again.close()


def test_what_cannot_be_uploaded_is_told_as_failed(tmp_path: Path) -> None:
    kept = spool(tmp_path)
    file = taken_by(kept, tmp_path)
    failed = result(status="failed")
    kept.give_up(failed)
    assert (kept.ready(), kept.uploads(), file.exists()) == ([failed], [], False)
    # the job was acknowledged meanwhile
    kept.uploaded(Running(job_id="other"), RESULT, StoredFile("k"))
    kept.close()


def test_a_result_does_not_depend_on_its_comparison_sheet(tmp_path: Path) -> None:
    """A sheet that was given up is settled like one that was uploaded."""
    kept = spool(tmp_path)
    (tmp_path / "sheet.png").write_bytes(b"sheet")
    told = JobResult(job_id="j", unit=0, attempt=1, status="completed", result_ref="none:j")
    taken = kept.take(tmp_path / "sheet.png", REF, SHEET)
    kept.put(told, {SHEET: (taken, OUTPUT)})
    assert ([s.what for s in kept.uploads()], kept.ready()) == ([SHEET], [])
    kept.uploaded(REF, SHEET, StoredFile("k"))
    assert (kept.ready(), taken.path.exists()) == ([told], False)
    kept.close()
