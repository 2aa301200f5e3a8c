"""How much a gateway holds that nobody uses: objects in cycles, until the collector finds them."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BUILT, RECENT, LIVED, MOST = 900_000, 20_000, 500_000, 130_000
# What was built stays. Then objects that hold themselves live for a while, which is long enough to
# count as old: the most that are there at a time, with those that nobody uses any more.
PROGRAM = f"""
from collections import deque
from web.process.running import settle_down

built = [[number] for number in range({BUILT})]
settle_down()

class Held:
    alive = most = 0

    def __init__(self):
        self.itself = self
        Held.alive += 1
        Held.most = max(Held.most, Held.alive)

    def __del__(self):
        Held.alive -= 1

recent = deque(maxlen={RECENT})
for _ in range({LIVED}):
    recent.append(Held())
print(Held.most)
"""


def test_cycles_that_grew_old_are_collected_although_much_stays_for_good() -> None:
    """Else the memory of a gateway grows until they are a quarter of all it imported and built."""
    words = [sys.executable, "-c", PROGRAM]
    most = int(subprocess.run(words, cwd=ROOT, check=True, capture_output=True).stdout)
    assert RECENT < most < MOST
