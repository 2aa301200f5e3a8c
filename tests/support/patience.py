"""Gateways in tests that wait for the answers of their actors, however busy the machine is.

Otherwise an HTTP answer leaves out what an actor did not say within half a second. A test on a busy
machine could then not know what the answer contains.
"""

from collections.abc import Generator
from typing import Final

import pytest

# Longer than any request may take. An actor that does not run refuses at once.
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
    """Let the gateways of this process wait for the answers of their actors."""
    with pytest.MonkeyPatch.context() as patch:
        for name in PATIENT:
            patch.setattr(name, HANG_SECONDS)
        yield
