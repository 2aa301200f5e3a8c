"""Pauses of the garbage collector in a gateway: how often they come, and which cycles are freed."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BUILT, LIVED, TIMES = 300_000, 100_000, 20
# Builds objects that stay, then many objects that grow old and are dropped. Dropped lists are freed
# at once; cyclic objects only when the collector finds them.
PROGRAM = f"""
import gc
from web.process.memory_tuning import settle_down, tidy

class Held:
    alive = 0

    def __init__(self):
        self.itself = self
        Held.alive += 1

    def __del__(self):
        Held.alive -= 1

built = [[number] for number in range({BUILT})]
settle_down()
looked = gc.get_stats()[2]["collections"]
for _ in range({TIMES}):
    held = [[] for _ in range({LIVED})]
    held.clear()
held = [Held() for _ in range({LIVED})]
held.clear()
looked = gc.get_stats()[2]["collections"] - looked
tidy()
print(looked, Held.alive, gc.get_freeze_count() > {BUILT})
"""


def test_old_cycles_are_looked_for_once_a_minute_and_not_whenever_much_has_changed() -> None:
    """By Python's default, a gateway with many nodes would stop for a sixth of each second."""
    words = [sys.executable, "-c", PROGRAM]
    told = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert told.split() == ["0", "0", "True"]
