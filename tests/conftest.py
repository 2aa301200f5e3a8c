"""Fixtures for every test, and how properties are looked for."""

import gc
import os
import signal
from collections.abc import Generator

import pytest
from hypothesis import settings

pytest_plugins = [
    "tests.support.cheap_passwords",
    "tests.support.cost_report",
    "tests.support.engines",
    "tests.support.lent_engines",
]

# A slow machine is no counterexample. In CI the same cases are tried each time, so that what turns
# red is the change; on a desk new ones are.
settings.register_profile("ours", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("ours")

# A shell starts what runs in the background with SIGINT ignored, and programs hand that on: those
# that tests start would never hear Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


GIB_PER_WORKER = 3  # engines, a gateway, Blender and Chromium


def pytest_xdist_auto_num_workers() -> int:
    """How many workers `-n auto` starts: two per core, as tests mostly wait for other programs."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(2 * (os.cpu_count() or 1), memory // (GIB_PER_WORKER << 30)))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """The collector of cycles looks at what tests make, not at all the tests that are found."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
