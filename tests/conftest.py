"""Fixtures for all tests, and the number of examples of property tests."""

import gc
import os
import signal
from collections.abc import Generator

import pytest
from hypothesis import is_hypothesis_test, settings

from tests.support.examples import NIGHT, register_profiles

pytest_plugins = [
    "tests.support.cheap_passwords",
    "tests.support.cost_report",
    "tests.support.engines",
    "tests.support.lent_engines",
]

NIGHT_SECONDS = 3_600.0

register_profiles()

# Gateways that tests start build no extension of Blender in the background, unless a test asks.
os.environ["RENDERTRUST_DOWNLOADS_BUILD"] = "false"

# A shell starts background programs with SIGINT ignored, and their children inherit that. Without
# this line, programs that tests start would ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


GIB_PER_WORKER = 3  # for engines, a gateway, Blender and Chromium


def pytest_xdist_auto_num_workers() -> int:
    """Return the workers for `-n auto`: two per core, as tests mostly wait for other programs."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(2 * (os.cpu_count() or 1), memory // (GIB_PER_WORKER << 30)))


def pytest_configure(config: pytest.Config) -> None:
    """Load the profile with many examples for ``-m nightly``."""
    words = config.option.markexpr.replace("not nightly", "").split()
    if "nightly" in words:
        settings.load_profile(NIGHT)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under the night's profile mark property tests as nightly, and give every test one hour."""
    if settings.get_current_profile_name() != NIGHT:
        return
    for item in items:
        if is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker(pytest.mark.nightly)
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(NIGHT_SECONDS))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Exclude the collected tests from garbage collection, which is for what tests create."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
