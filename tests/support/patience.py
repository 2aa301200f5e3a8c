"""Gateways of tests that wait for their own actors, however busy the machine is.

An answer leaves out what an actor did not say within half a second. That is right for people, and
leaves a test unsure of what it is answered.
"""

from collections.abc import Generator
from typing import Final

import pytest

# Longer than any request may take. An actor that is not there refuses at once.
HANG_SECONDS: Final = 60.0
PATIENT: Final = (
    "web.console.pages.job.ASK_SECONDS",
    "web.http.endpoint.ADMISSION_SECONDS",
    "web.jobs.attempt_logs.ASK_SECONDS",
    "web.jobs.preflights.FLEET_SECONDS",
    "web.jobs.wait_reasons.ASK_SECONDS",
    "web.nodes.verifier_coverage.ASK_SECONDS",
    "web.routes.jobs.PROGRESS_SECONDS",
)


@pytest.fixture(autouse=True)
def patient() -> Generator[None]:
    """Let the sites of this process wait for what their actors say."""
    with pytest.MonkeyPatch.context() as patch:
        for name in PATIENT:
            patch.setattr(name, HANG_SECONDS)
        yield
