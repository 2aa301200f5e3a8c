"""Gateways in tests that wait for their database and their actors, however busy the machine is.

Otherwise an HTTP answer leaves out what an actor did not say within half a second, and is a 503
after two seconds. A test on a busy machine could then not know what the answer contains. Tests
whose database is down have the mark ``usual_deadlines``.
"""

from collections.abc import Generator
from typing import Final

import pytest

# Longer than any request may take. An actor that does not run refuses at once.
HANG_SECONDS: Final = 60.0
PATIENT: Final = (
    "actors.ledger.actor.PATIENCE_SECONDS",
    "sql.database.IDLE_SECONDS",
    "sql.database.TRANSACTION_SECONDS",
    "sql.database.WITHIN_SECONDS",
    "web.console.page_handler.ACTION_SECONDS",
    "web.console.page_handler.PAGE_SECONDS",
    "web.console.pages.job.ASK_SECONDS",
    "web.http.endpoint.ADMISSION_SECONDS",
    "web.http.endpoint.ANSWER_SECONDS",
    "web.identity.revocation_set.STALE_SECONDS",
    "web.jobs.attempt_logs.ASK_SECONDS",
    "web.jobs.preflights.FLEET_SECONDS",
    "web.jobs.submission.DISPATCH_SECONDS",
    "web.jobs.wait_reasons.ASK_SECONDS",
    "web.money.ledger_client.ASK_SECONDS",
    "web.nodes.verifier_coverage.ASK_SECONDS",
    "web.routes.jobs.PROGRESS_SECONDS",
)


@pytest.fixture(autouse=True)
def patient(request: pytest.FixtureRequest) -> Generator[None]:
    """Let the gateways of this process wait for their database and their actors."""
    with pytest.MonkeyPatch.context() as patch:
        if request.node.get_closest_marker("usual_deadlines") is None:
            for name in PATIENT:
                patch.setattr(name, HANG_SECONDS)
        yield
