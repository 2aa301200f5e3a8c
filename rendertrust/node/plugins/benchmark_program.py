"""Program of the CPU benchmark: computes rows of the Mandelbrot set."""

import json
import os
import sys
import time

WIDTH, STEPS_MAX = 320, 100


def steps_in_row(row: int, rows: int) -> int:
    """Return the number of steps for one row. A point takes at most STEPS_MAX steps."""
    y = 2.4 * row / rows - 1.2
    total = 0
    for column in range(WIDTH):
        x = 3.0 * column / WIDTH - 2.2
        a = b = 0.0
        steps = 0
        while steps < STEPS_MAX and a * a + b * b <= 4.0:
            a, b = a * a - b * b + x, 2 * a * b + y
            steps += 1
        total += steps
    return total


def main(rows: int, nice: int) -> None:
    """Print progress per row, then the score."""
    os.nice(nice)
    started = time.monotonic()
    checksum = total = 0
    for row in range(rows):
        steps = steps_in_row(row, rows)
        total += steps
        checksum = (checksum * 31 + steps) % 2**53
        print(json.dumps({"progress": (row + 1) / rows}), flush=True)  # noqa: T201 - the plugin reads this
    seconds = max(time.monotonic() - started, 1e-6)
    score = total / seconds / 1e6
    last = {"score": round(score, 3), "seconds": round(seconds, 3), "checksum": checksum}
    print(json.dumps(last), flush=True)  # noqa: T201 - the plugin reads this


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
