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
    "tests.support.once_failed",
]

# A slow machine is no counterexample. In CI the same cases are tried each time, so that what turns
# red is the change; on a desk new ones are.
settings.register_profile("ours", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("ours")

# A shell starts what runs in the background with SIGINT ignored, and programs hand that on: those
# that tests start would never hear Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """The collector of cycles looks at what tests make, not at all the tests that are found."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
