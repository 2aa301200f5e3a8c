"""What a gateway says at its start of whether results are checked: who runs it is to know."""

from typing import Final

import structlog

from config.sections import Verification

UNCHECKED: Final = "results are not checked: they are charged and paid as they are delivered"
BY_STRANGERS: Final = "only strangers check results: two accounts of one person may pass each other"

log = structlog.get_logger("service")


def warn_of(verification: Verification) -> None:
    """One line where something is not looked at, with the setting that it follows from."""
    if not verification.enabled:
        log.warning(UNCHECKED, setting="verification.enabled")
    elif not verification.own_nodes:
        log.warning(BY_STRANGERS, setting="verification.own_nodes")
