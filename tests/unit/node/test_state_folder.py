"""The lock of a node's state folder."""

import fcntl
import os
from pathlib import Path
from threading import Event, Thread, current_thread, main_thread

import pytest

from rendertrust.node.state_folder import StateFolder


def test_an_agent_starts_while_another_program_asks_whether_one_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = StateFolder(tmp_path / "state")
    first = folder.lock()
    assert first is not None
    os.close(first)
    is_asking, has_failed, flock = Event(), Event(), fcntl.flock

    def watched(descriptor: int, operation: int) -> None:
        try:
            flock(descriptor, operation)
        except BlockingIOError:
            has_failed.set()
            raise
        if current_thread() is not main_thread():
            is_asking.set()
            assert has_failed.wait(60)  # keep the lock until the agent has failed to take it

    monkeypatch.setattr(fcntl, "flock", watched)
    asker = Thread(target=folder.is_locked)
    asker.start()
    assert is_asking.wait(60)
    lock = folder.lock()
    asker.join()
    assert lock is not None, "no other agent runs"
    assert folder.is_locked()
    assert folder.lock() is None
    os.close(lock)
    assert not folder.is_locked()
